// Presence: the watchers of each session, over all connections. Notifies watchers of changes, and finds the connection
// that gets the lease next. Other watchers see nothing of a connection but its `Watcher`.

import { randomUUID } from 'node:crypto';
import type { Lease, Watcher } from '@binnacle/protocol';
import type { Session } from '../sessions/session.ts';

/** Maximum watchers named in one update; the others are counted. */
export const MAX_NAMED = 100;
/**
 * Minimum delay between updates, in ms, plus a share for each watcher (throttle): a crowd costs no more than a few
 * watchers.
 */
const TELL_MS = 250;
const TELL_MS_EACH = 1;
/** Minimum delay between two requests of one watcher for the same lease, in ms. */
const ASK_MS = 10_000;

export interface WatchersNow {
  readonly watchers: readonly Watcher[];
  readonly count: number;
  readonly you: string;
}

/** Functions of a connection that receive requests for the lease, and a lease that was handed over. */
export interface Hand {
  asked(session: Session, by: Watcher): void;
  given(session: Session, lease: Lease, by: string): void;
}

export interface NewWatcher {
  readonly name: string;
  readonly isGuest: boolean;
  readonly maySteer: boolean;
  /** The connection that could have the lease; undefined for a client that only watches. */
  readonly connection?: string;
}

/** One watcher of one session. */
export class Seat {
  readonly watcher: Watcher;
  readonly connection: string | undefined;
  readonly #table: Table;
  #tell: ((now: WatchersNow) => void) | undefined;

  constructor(table: Table, { name, isGuest, maySteer, connection }: NewWatcher) {
    // A new id for each session: it reveals neither the connection nor the watcher's other sessions.
    this.watcher = { id: randomUUID(), name, isGuest, maySteer };
    this.connection = connection;
    this.#table = table;
  }

  /** Starts updates, beginning with the current watchers; undefined stops them. */
  watch(tell: ((now: WatchersNow) => void) | undefined): void {
    this.#tell = tell;
    tell?.(this.#table.seenFrom(this));
  }

  told(): void {
    this.#tell?.(this.#table.seenFrom(this));
  }

  leave(): void {
    this.#tell = undefined;
    this.#table.leave(this);
  }
}

/** All watchers of one session. */
class Table {
  readonly #seats = new Map<string, Seat>();
  readonly #isEmpty: () => void;
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(isEmpty: () => void) {
    this.#isEmpty = isEmpty;
  }

  join(who: NewWatcher): Seat {
    const seat = new Seat(this, who);
    this.#seats.set(seat.watcher.id, seat);
    this.#changed();
    return seat;
  }

  leave(seat: Seat): void {
    if (!this.#seats.delete(seat.watcher.id)) return;
    if (this.#seats.size > 0) this.#changed();
    else {
      clearTimeout(this.#timer);
      this.#isEmpty();
    }
  }

  find(id: string): Seat | undefined {
    return this.#seats.get(id);
  }

  /** Returns the watchers that one watcher may see. Guests see the count and their own entry. */
  seenFrom(seat: Seat): WatchersNow {
    const you = seat.watcher.id;
    const count = this.#seats.size;
    if (seat.watcher.isGuest) return { watchers: [seat.watcher], count, you };
    const watchers: Watcher[] = [];
    let isIn = false;
    for (const { watcher } of this.#seats.values()) {
      if (watchers.length === MAX_NAMED) break;
      watchers.push(watcher);
      isIn ||= watcher === seat.watcher;
    }
    if (!isIn) watchers[watchers.length - 1] = seat.watcher;
    return { watchers, count, you };
  }

  #changed(): void {
    if (this.#timer !== undefined) return;
    const pause = TELL_MS + this.#seats.size * TELL_MS_EACH;
    const rest = Math.max(0, this.#toldAt + pause - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#toldAt = performance.now();
      for (const seat of [...this.#seats.values()]) seat.told();
    }, rest);
    this.#timer.unref();
  }
}

export class Watchers {
  readonly #tables = new Map<string, Table>();
  readonly #hands = new Map<string, Hand>();
  /** Time of the last request for a lease, by session and watcher, oldest first. */
  readonly #asked = new Map<string, number>();

  join(session: string, who: NewWatcher): Seat {
    let table = this.#tables.get(session);
    if (table === undefined) {
      table = new Table(() => this.#tables.delete(session));
      this.#tables.set(session, table);
    }
    return table.join(who);
  }

  find(session: string, id: string): Seat | undefined {
    return this.#tables.get(session)?.find(id);
  }

  /** Registers the connection's functions. Returns the function that removes them. */
  offerHand(connection: string, hand: Hand): () => void {
    this.#hands.set(connection, hand);
    return () => this.#hands.delete(connection);
  }

  handOf(connection: string | undefined): Hand | undefined {
    return connection === undefined ? undefined : this.#hands.get(connection);
  }

  /**
   * Returns the milliseconds until `who` may request the session's lease again. 0 allows the request and records it.
   */
  askAgainIn(session: string, who: string): number {
    const now = performance.now();
    for (const [key, at] of this.#asked) {
      if (now - at < ASK_MS) break;
      this.#asked.delete(key);
    }
    const key = `${session} ${who}`;
    const before = this.#asked.get(key);
    if (before !== undefined) return Math.ceil(before + ASK_MS - now);
    this.#asked.set(key, now);
    return 0;
  }
}
