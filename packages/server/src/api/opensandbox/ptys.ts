// Terminals of the sandbox daemon's protocol: created first, started by the first client that attaches, then ordinary
// sessions.

import { BinnacleError, defined, type SessionId, type SessionMode } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { TrustedTime } from '../../base/trusted-time.ts';
import type { Session } from '../../sessions/session.ts';
import type { PtyRecord, PtySpec, PtyStore } from '../../store/ptys.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';

/** Time after which a terminal that no client has attached to is deleted. */
const FORGET_MS = 24 * 3600_000;
const SHELL = ['/bin/bash', '--norc', '--noprofile'] as const;

export interface PtyRequest extends Omit<PtySpec, 'envNames'> {
  readonly envs?: Readonly<Record<string, string>> | undefined;
}

export class Ptys {
  readonly #store: PtyStore;
  readonly #maxPending: number;
  readonly #time: Pick<TrustedTime, 'now'>;
  /**
   * Values of variables, in memory only. A terminal with variables cannot be started after a restart of the gateway.
   */
  readonly #envs = new Map<string, Readonly<Record<string, string>>>();
  /** Starts in progress: many clients may attach at once, but the program starts once. */
  readonly #starting = new Map<string, Promise<Session>>();

  constructor(parts: {
    readonly store: PtyStore;
    readonly maxPending: number;
    readonly time: Pick<TrustedTime, 'now'>;
  }) {
    this.#time = parts.time;
    this.#store = parts.store;
    this.#maxPending = parts.maxPending;
  }

  /** Creates a terminal without starting it. Throws `too_many_ptys`. */
  create({ envs = {}, ...spec }: PtyRequest): SessionId {
    for (const id of this.#store.removeOlder(this.#time.now() - FORGET_MS)) this.#envs.delete(id);
    if (this.#store.count() >= this.#maxPending) {
      throw new BinnacleError('too_many_ptys', { details: { limit: this.#maxPending } });
    }
    const id = uuidv7() as SessionId;
    const envNames = Object.keys(envs);
    this.#store.insert(id, { ...spec, envNames });
    if (envNames.length > 0) this.#envs.set(id, envs);
    return id;
  }

  /** Finds a terminal that waits for its first writer, or its session. Throws `session_not_found`, `session_gone`. */
  find(seen: SeenSessions, id: string): PtyRecord | Session {
    // The session first: a record of a started terminal may be left after a crash.
    return findSession(seen, id) ?? this.#store.get(id) ?? notFound();
  }

  /** Returns the session, and starts it if necessary. Throws the errors of `Sessions.create`. */
  async start(seen: SeenSessions, pty: PtyRecord, mode: SessionMode): Promise<Session> {
    let starting = this.#starting.get(pty.id);
    if (starting === undefined) {
      starting = this.#start(seen, pty, mode).finally(() => this.#starting.delete(pty.id));
      this.#starting.set(pty.id, starting);
    }
    return await starting;
  }

  /** Ends a terminal and deletes its data. Throws `session_not_found`, `session_gone`. */
  async delete(seen: SeenSessions, id: string): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined);
    const found = this.find(seen, id);
    if ('record' in found) await seen.delete(id);
    this.#forget(id);
  }

  async #start(seen: SeenSessions, { id, spec }: PtyRecord, mode: SessionMode): Promise<Session> {
    const { cwd, command, cols, rows, envNames } = spec;
    const env = this.#envs.get(id) ?? {};
    if (envNames.some((name) => !Object.hasOwn(env, name))) {
      this.#forget(id);
      throw new BinnacleError('session_gone', {
        message: 'The gateway was restarted before this terminal was started, and the values of its envs are not kept.',
        hint: 'Make another one.',
      });
    }
    const session = await seen.create(
      { argv: command === undefined ? SHELL : [...SHELL, '-c', command], mode, env, ...defined({ cwd, cols, rows }) },
      { id, isShell: command === undefined },
    );
    this.#forget(id);
    return session;
  }

  #forget(id: string): void {
    this.#store.remove(id);
    this.#envs.delete(id);
  }
}

function findSession(seen: SeenSessions, id: string): Session | undefined {
  try {
    return seen.get(id);
  } catch (error) {
    if (error instanceof BinnacleError && error.code === 'session_not_found') return undefined;
    throw error;
  }
}

function notFound(): never {
  throw new BinnacleError('session_not_found');
}
