// One session for a component: what it prints, and its helm.

import { BinnacleError, type InputReceipt, type Lease } from '@binnacle/protocol';
import { useMemo } from 'react';
import type { LeaseRequest } from '../../session/lease.ts';
import type { WriteOptions } from '../../session/session.ts';
import { type Result, resultOf } from '../result.ts';
import { NO_SESSION_YET, SessionFollow, type SessionOptions, type SessionSnapshot } from '../stores/session.ts';
import { type Shared, useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** The right to steer, and who has it. */
export interface SessionHelm extends Pick<SessionSnapshot, 'lease' | 'isYours' | 'lostTo'> {
  /** `lease_held` while somebody else has it. Renewed by itself until it is released or the last component is gone. */
  acquire(request?: LeaseRequest): Promise<Result<Lease>>;
  /** Takes it from whoever has it. */
  take(request?: LeaseRequest): Promise<Result<Lease>>;
  release(): Promise<Result>;
}

/** None of these rejects: each tells what came of it. */
export interface SessionActions {
  write(input: string | Uint8Array, options?: WriteOptions): Promise<Result<InputReceipt>>;
  /** To the job in the foreground, by name (`SIGINT`). */
  signal(signal: string): Promise<Result>;
  resize(cols: number, rows: number): Promise<Result>;
  /** Reads on after `failed`. Does nothing else. */
  retry(): void;
}

export interface UsedSession extends Omit<SessionSnapshot, 'lease' | 'isYours' | 'lostTo'>, SessionActions {
  readonly id: string;
  readonly helm: SessionHelm;
}

export const makeSession = (shared: Shared) => (id: string, options: string) =>
  new SessionFollow(shared.client, id, JSON.parse(options) as SessionOptions);

/** The options of those who look at a session first count for all who look at it together. */
export function useSession(id: string, options: SessionOptions = {}): UsedSession {
  const shared = useShared();
  const snapshot = useFollowed(shared.sessions, id, JSON.stringify(options), makeSession(shared), NO_SESSION_YET);
  const actions = useMemo(() => actionsOf(shared, id), [shared, id]);
  return useMemo(() => {
    const { lease, isYours, lostTo, ...rest } = snapshot;
    const { helm, ...others } = actions;
    return { id, ...rest, ...others, helm: { lease, isYours, lostTo, ...helm } };
  }, [id, snapshot, actions]);
}

function actionsOf(
  shared: Shared,
  id: string,
): SessionActions & { readonly helm: Pick<SessionHelm, 'acquire' | 'take' | 'release'> } {
  const follow = (): SessionFollow => {
    const found = shared.sessions.peek(id);
    if (found !== undefined) return found;
    throw new BinnacleError('client_closed', {
      message: 'No component looks at this session any more.',
      hint: 'Use client.session(id) for what goes on without one.',
    });
  };
  return {
    write: (input, options) => resultOf(async () => await follow().session.write(input, options)),
    signal: (signal) => resultOf(async () => await follow().session.signal(signal)),
    resize: (cols, rows) => resultOf(async () => await follow().session.resize(cols, rows)),
    retry: () => shared.sessions.peek(id)?.retry(),
    helm: {
      acquire: (request) => resultOf(async () => await follow().hold('acquire', request)),
      take: (request) => resultOf(async () => await follow().hold('take', request)),
      release: () => resultOf(async () => await follow().release()),
    },
  };
}
