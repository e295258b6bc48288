// One session for a component: its output, its lease, and the actions on it.

import { BinnacleError, type InputReceipt, type Lease } from '@binnacle/protocol';
import { useMemo } from 'react';
import type { LeaseRequest } from '../../session/client-lease.ts';
import type { WriteOptions } from '../../session/session.ts';
import { type Result, resultOf } from '../result.ts';
import { NO_SESSION_YET, type SessionOptions, type SessionSnapshot, SessionStore } from '../stores/session.ts';
import { type SharedStores, useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** The lease of a session: who holds it, and the actions on it. */
export interface LeaseControl extends Pick<SessionSnapshot, 'lease' | 'isYours' | 'lostTo'> {
  /**
   * Acquires a free lease; fails with `lease_held` while another client has it. It is renewed until it is released or
   * the last component is unmounted.
   */
  acquire(request?: LeaseRequest): Promise<Result<Lease>>;
  /** Takes the lease from its holder. */
  take(request?: LeaseRequest): Promise<Result<Lease>>;
  /** Releases the lease. */
  release(): Promise<Result>;
}

/** Actions on a session. None of them rejects: each resolves with a `Result`. */
export interface SessionActions {
  /** Sends input; a string is sent as UTF-8. */
  write(input: string | Uint8Array, options?: WriteOptions): Promise<Result<InputReceipt>>;
  /** Sends a signal by name (`SIGINT`) to the foreground job. */
  signal(signal: string): Promise<Result>;
  /** Sets the size of the terminal in columns and rows. */
  resize(cols: number, rows: number): Promise<Result>;
  /** Resumes the reading after `failed`. Does nothing in other states. */
  retry(): void;
}

/** Result of `useSession`. */
export interface UsedSession extends Omit<SessionSnapshot, 'lease' | 'isYours' | 'lostTo'>, SessionActions {
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
  const actions = useMemo(() => actionsOf(shared, id), [shared, id]);
  return useMemo(() => {
    const { lease, isYours, lostTo, ...rest } = snapshot;
    const { control, ...others } = actions;
    return { id, ...rest, ...others, control: { lease, isYours, lostTo, ...control } };
  }, [id, snapshot, actions]);
}

function actionsOf(
  shared: SharedStores,
  id: string,
): SessionActions & { readonly control: Pick<LeaseControl, 'acquire' | 'take' | 'release'> } {
  const follow = (): SessionStore => {
    const found = shared.sessions.peek(id);
    if (found !== undefined) return found;
    throw new BinnacleError('client_closed', {
      message: 'No component uses this session any more.',
      hint: 'Use client.session(id) to go on without a component.',
    });
  };
  return {
    write: (input, options) => resultOf(async () => await follow().session.write(input, options)),
    signal: (signal) => resultOf(async () => await follow().session.signal(signal)),
    resize: (cols, rows) => resultOf(async () => await follow().session.resize(cols, rows)),
    retry: () => shared.sessions.peek(id)?.retry(),
    control: {
      acquire: (request) => resultOf(async () => await follow().hold('acquire', request)),
      take: (request) => resultOf(async () => await follow().hold('take', request)),
      release: () => resultOf(async () => await follow().release()),
    },
  };
}
