// Where one connection sits among those who follow its sessions, and what it is told of the others. What it does not
// take in time is not kept: only the newest counts.

import { allows, BinnacleError, type ServerBody, type Watcher } from '@binnacle/protocol';
import type { Principal } from '../access/principal.ts';
import type { Session } from '../sessions/session.ts';
import type { NewWatcher, Seat, Watchers, WatchersNow } from './presence.ts';

export interface SeatsParts {
  readonly watchers: Watchers;
  readonly connection: string;
  readonly principal: Principal;
  hasRoom(): boolean;
  say(body: ServerBody): boolean;
}

export class Seats {
  readonly #parts: SeatsParts;
  readonly #seats = new Map<string, Seat>();
  /** What there was no room for, by session. */
  readonly #late = new Map<string, WatchersNow>();

  constructor(parts: SeatsParts) {
    this.#parts = parts;
  }

  /** Follows that session, from now on or as before. */
  take(session: Session): void {
    if (this.#seats.has(session.id)) return;
    const { watchers, connection, principal } = this.#parts;
    this.#seats.set(session.id, watchers.join(session.id, { ...watcherOf(principal, session), connection }));
  }

  leave(session: string): void {
    this.#seats.get(session)?.leave();
    this.#seats.delete(session);
    this.#late.delete(session);
  }

  /** Throws `not_subscribed`. */
  own(session: string): Watcher {
    return this.#require(session).watcher;
  }

  /** Throws `not_subscribed`. */
  watch(session: string, on: boolean): void {
    this.#require(session).watch(on ? (now) => this.#tell(session, now) : undefined);
    if (!on) this.#late.delete(session);
  }

  /** There is room again. */
  resume(): void {
    for (const [session, now] of this.#late) {
      if (!this.#parts.hasRoom()) return;
      this.#late.delete(session);
      this.#tell(session, now);
    }
  }

  stop(): void {
    for (const session of [...this.#seats.keys()]) this.leave(session);
  }

  #tell(session: string, now: WatchersNow): void {
    if (this.#parts.hasRoom()) this.#parts.say({ t: 'watchers', session, ...now });
    else this.#late.set(session, now);
  }

  #require(session: string): Seat {
    const seat = this.#seats.get(session);
    if (seat === undefined) throw new BinnacleError('not_subscribed');
    return seat;
  }
}

/** What others may know of somebody who follows a session. */
export const watcherOf = ({ name, reach, scope }: Principal, session: Session): NewWatcher => ({
  name,
  isGuest: reach !== null,
  maySteer: allows(scope, 'input') && !session.isForeign,
});
