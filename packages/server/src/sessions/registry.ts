// The sessions that are in memory: all that go on, and of those that are over the ones that were asked for last. There is
// one object for each, so that whoever listens hears of it. Knows no rows.

import type { SessionId } from '@binnacle/protocol';
import type { Session } from './session.ts';

/** Finished sessions whose log is kept open for the next reader. Each holds a few descriptors and its segment list. */
const MAX_IDLE = 64;

export class OpenSessions {
  /** Those that a runner hosts, or is asked to, and those that go on elsewhere. */
  readonly #live = new Map<SessionId, Session>();
  /** Finished ones that somebody asked for, least recently used first. */
  readonly #idle = new Map<SessionId, Session>();

  /** Those whose logs may grow. */
  get live(): readonly Session[] {
    return [...this.#live.values()];
  }

  liveOne(id: string): Session | undefined {
    return this.#live.get(id as SessionId);
  }

  find(id: SessionId): Session | undefined {
    return this.#live.get(id) ?? this.#idle.get(id);
  }

  /** It goes on. */
  add(session: Session): void {
    this.#live.set(session.id, session);
  }

  /** It is over, and is kept until enough others were asked for. */
  keep(session: Session): void {
    this.#live.delete(session.id);
    this.#idle.delete(session.id);
    this.#idle.set(session.id, session);
    this.#evict();
  }

  remove(id: SessionId): void {
    this.#live.delete(id);
    this.#idle.delete(id);
  }

  close(): void {
    for (const session of [...this.#live.values(), ...this.#idle.values()]) {
      session.helm.stop();
      session.release();
    }
  }

  #evict(): void {
    for (const [id, session] of this.#idle) {
      if (this.#idle.size <= MAX_IDLE) return;
      if (session.hasListeners) continue;
      session.release();
      this.#idle.delete(id);
    }
  }
}
