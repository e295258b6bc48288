// The sessions in memory: all that can still grow, and the most recently used finished ones. One object per session, so
// that every listener gets its events.

import type { SessionId } from '@binnacle/protocol';
import { LruMap } from '../base/lru-map.ts';
import type { Session } from './session.ts';

/**
 * Maximum finished sessions whose log stays open for the next reader. Each costs a few descriptors and its segment
 * list.
 */
const MAX_IDLE = 64;

export class OpenSessions {
  /** Sessions that a runner has or should have, and foreign sessions that have not ended. */
  readonly #live = new Map<SessionId, Session>();
  /** Finished sessions that were read. */
  readonly #idle = new LruMap<SessionId, Session>(MAX_IDLE, {
    isPinned: (session) => session.hasListeners,
    evicted: (session) => session.release(),
  });

  /** Sessions whose logs may grow. */
  get live(): readonly Session[] {
    return [...this.#live.values()];
  }

  liveOne(id: string): Session | undefined {
    return this.#live.get(id as SessionId);
  }

  find(id: SessionId): Session | undefined {
    return this.#live.get(id) ?? this.#idle.peek(id);
  }

  /** Adds a session whose log can still grow. */
  add(session: Session): void {
    this.#live.set(session.id, session);
  }

  /** Moves a finished session to the idle ones, which are evicted in order of last use. */
  keep(session: Session): void {
    this.#live.delete(session.id);
    this.#idle.set(session.id, session);
  }

  remove(id: SessionId): void {
    this.#live.delete(id);
    this.#idle.delete(id);
  }

  close(): void {
    for (const session of [...this.#live.values(), ...this.#idle.values()]) {
      session.lease.stop();
      session.release();
    }
  }
}
