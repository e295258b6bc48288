// One session for a component: its output, its lease, and the actions on it.

import { BinnacleError, type InputReceipt, type Lease } from '@binnacle/protocol';
import { useMemo } from 'react';
import type { LeaseRequest } from '../../session/client-lease.ts';
import type { WriteOptions } from '../../session/session.ts';
import { type Result, resultOf } from '../result.ts';
import {
  NO_SESSION_YET,
  type SessionFacts,
  type SessionOptions,
  type SessionSnapshot,
  type SessionStart,
  SessionStore,
} from '../stores/session.ts';
import type { LeaseReport, LeaseSnapshot } from '../stores/session-lease.ts';
import { type SharedStores, useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** The lease of a session: who holds it, and the actions on it. */
export interface LeaseControl extends LeaseSnapshot {
  /**
   * Acquires a free lease; fails with `lease_held` while another client has it. It is renewed until it is released or
   * the last component is unmounted.
   */
  acquire(request?: LeaseRequest): Promise<Result<Lease>>;
  /** Takes the lease from its holder. */
  take(request?: LeaseRequest): Promise<Result<Lease>>;
  /** Releases the lease. */
  release(): Promise<Result>;
  /** Asks the holder for the lease: sets `hasRequested` here, and `requester` there. */
  request(): Promise<Result>;
  /** Hands the lease over to a client that follows the session, by its `id` in `usePresence` or `requester`. */
  transfer(to: string): Promise<Result>;
  /** Forgets `lostTo`, `requester`, `hasRequested` or `receivedFrom`, once a person has read it. */
  dismiss(report: LeaseReport): void;
}

/** Actions on a session. None of them rejects: each resolves with a `Result`. */
export interface SessionActions {
  /** Sends input; a string is sent as UTF-8. */
  write(input: string | Uint8Array, options?: WriteOptions): Promise<Result<InputReceipt>>;
  /** Sends a signal by name (`SIGINT`) to the foreground job. */
  signal(signal: string): Promise<Result>;
  /** Sets the size of the terminal in columns and rows. */
  resize(cols: number, rows: number): Promise<Result>;
  /** Reads from another place, for all components of the session. The chunks so far are dropped. */
  follow(from: SessionStart): void;
  /** Resumes the reading after `failed`. Does nothing in other states. */
  retry(): void;
}

/** Result of `useSession`. */
export interface UsedSession extends Omit<SessionSnapshot, keyof LeaseSnapshot>, SessionActions {
  /** Id of the session. */
  readonly id: string;
  /** The lease. */
  readonly control: LeaseControl;
}

export const makeSession = (shared: SharedStores) => (id: string, options: string) =>
  new SessionStore(shared.client, id, JSON.parse(options) as SessionOptions);

/**
 * Follows one session while the component is mounted. Components with the same id share one attachment, with the
 * options of the first.
 *
 * @example
 * ```tsx
 * import { useSession } from '@binnacle/client/react';
 *
 * export function Build({ id }: { id: string }) {
 *   const { state, info, chunks, write, control, error } = useSession(id);
 *   if (state === 'failed') return <p>{error?.message}</p>;
 *   return (
 *     <p>
 *       {info?.name}: {chunks.bytes} bytes, {state}
 *       <button type="button" disabled={!control.isYours} onClick={() => void write('\u0003')}>
 *         Interrupt
 *       </button>
 *       <button type="button" onClick={() => void control.take()}>
 *         Take control
 *       </button>
 *     </p>
 *   );
 * }
 * ```
 */
export function useSession(id: string, options: SessionOptions = {}): UsedSession {
  const shared = useShared();
  const snapshot = useFollowed(shared.sessions, id, JSON.stringify(options), makeSession(shared), NO_SESSION_YET);
  return useUsed(shared, id, snapshot);
}

/** The same without the chunks: a component that shows none is not rendered for each of them. */
export function useSessionFacts(id: string, options: string): Omit<UsedSession, 'chunks'> {
  const shared = useShared();
  const facts = useFollowed<SessionFacts, SessionStore>(
    shared.sessions,
    id,
    options,
    makeSession(shared),
    NO_SESSION_YET,
    factsOf,
  );
  return useUsed(shared, id, facts);
}

const factsOf = (followed: SessionStore): SessionFacts => followed.facts;

type Used<T extends SessionFacts> = Omit<T, keyof LeaseSnapshot> & Pick<UsedSession, 'id' | 'control'> & SessionActions;

function useUsed<T extends SessionFacts>(shared: SharedStores, id: string, snapshot: T): Used<T> {
  const actions = useMemo(() => actionsOf(shared, id), [shared, id]);
  return useMemo(() => {
    const { lease, isYours, isBusy, lostTo, requester, hasRequested, receivedFrom, ...rest } = snapshot;
    const { control, ...others } = actions;
    const leased = { lease, isYours, isBusy, lostTo, requester, hasRequested, receivedFrom };
    return { id, ...rest, ...others, control: { ...leased, ...control } };
  }, [id, snapshot, actions]);
}

function actionsOf(
  shared: SharedStores,
  id: string,
): SessionActions & { readonly control: Omit<LeaseControl, keyof LeaseSnapshot> } {
  const found = (): SessionStore => {
    const followed = shared.sessions.peek(id);
    if (followed !== undefined) return followed;
    throw new BinnacleError('client_closed', {
      message: 'No component uses this session any more.',
      hint: 'Use client.session(id) to go on without a component.',
    });
  };
  return {
    write: (input, options) => resultOf(async () => await found().session.write(input, options)),
    signal: (signal) => resultOf(async () => await found().session.signal(signal)),
    resize: (cols, rows) => resultOf(async () => await found().session.resize(cols, rows)),
    follow: (from) => shared.sessions.peek(id)?.follow(from),
    retry: () => shared.sessions.peek(id)?.retry(),
    control: {
      acquire: (request) => resultOf(async () => await found().lease.hold('acquire', request)),
      take: (request) => resultOf(async () => await found().lease.hold('take', request)),
      release: () => resultOf(async () => await found().lease.release()),
      request: () => resultOf(async () => await found().lease.request()),
      transfer: (to) => resultOf(async () => await found().lease.transfer(to)),
      dismiss: (report) => shared.sessions.peek(id)?.lease.dismiss(report),
    },
  };
}
