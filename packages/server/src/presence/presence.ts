// Presence: the watchers of each session, over all connections. Notifies watchers of changes, and finds the connection
// that gets the lease next. Other watchers see nothing of a connection but its `Watcher`.

import { randomUUID } from 'node:crypto';
import type { Lease, Watcher } from '@binnacle/protocol';
import { Timer } from '../base/timer.ts';
import type { Session } from '../sessions/session.ts';

/** Maximum watchers named in one update; the others are counted. */
export const MAX_NAMED = 100;
/**
 * Minimum delay between updates, in ms, plus a share for each watcher (throttle): a crowd costs no more than a few
 * watchers.
 */
const UPDATE_MS = 250;
const UPDATE_MS_PER_WATCHER = 1;
/** Minimum delay between two requests of one watcher for the same lease, in ms. */
const ASK_MS = 10_000;

export interface PresenceUpdate {
  readonly watchers: readonly Watcher[];
  readonly count: number;
  readonly you: string;
}

/** Functions of a connection that receive requests for the lease, and a lease that was handed over. */
export interface LeaseRecipient {
  /** The guest of a share link whose connection it is; undefined for others. */
  readonly guest: string | undefined;
  /** True while the connection has the lease of any session. */
  readonly isDriving: boolean;
  leaseRequested(session: Session, by: Watcher): void;
  leaseTransferred(session: Session, lease: Lease, by: string): void;
}

export interface NewWatcher {
  readonly name: string;
  readonly isGuest: boolean;
  readonly maySteer: boolean;
  /** The connection that could have the lease; undefined for a client that only watches. */
  readonly connection?: string;
}

/** One watcher of one session. */
export class PresenceEntry {
  readonly watcher: Watcher;
  readonly connection: string | undefined;
  readonly #session: SessionPresence;
  #notify: ((now: PresenceUpdate) => void) | undefined;

  constructor(session: SessionPresence, { name, isGuest, maySteer, connection }: NewWatcher) {
    // A new id for each session: it reveals neither the connection nor the watcher's other sessions.
    this.watcher = { id: randomUUID(), name, isGuest, maySteer };
    this.connection = connection;
    this.#session = session;
  }

  /** Starts updates, beginning with the current watchers; undefined stops them. */
  watch(notify: ((now: PresenceUpdate) => void) | undefined): void {
    this.#notify = notify;
    notify?.(this.#session.seenFrom(this));
  }

  update(): void {
    this.#notify?.(this.#session.seenFrom(this));
  }

  leave(): void {
    this.#notify = undefined;
    this.#session.leave(this);
  }
}

/** All watchers of one session. */
class SessionPresence {
  readonly #entries = new Map<string, PresenceEntry>();
  readonly #isEmpty: () => void;
  #updatedAt = Number.NEGATIVE_INFINITY;
  readonly #timer = new Timer();

  constructor(isEmpty: () => void) {
    this.#isEmpty = isEmpty;
  }

  join(who: NewWatcher): PresenceEntry {
    const entry = new PresenceEntry(this, who);
    this.#entries.set(entry.watcher.id, entry);
    this.#changed();
    return entry;
  }

  leave(entry: PresenceEntry): void {
    if (!this.#entries.delete(entry.watcher.id)) return;
    if (this.#entries.size > 0) this.#changed();
    else {
      this.#timer.clear();
      this.#isEmpty();
    }
  }

  find(id: string): PresenceEntry | undefined {
    return this.#entries.get(id);
  }

  /** Returns the watchers that one watcher may see. Guests see the count and their own entry. */
  seenFrom(entry: PresenceEntry): PresenceUpdate {
    const you = entry.watcher.id;
    const count = this.#entries.size;
    if (entry.watcher.isGuest) return { watchers: [entry.watcher], count, you };
    const watchers: Watcher[] = [];
    let isIn = false;
    for (const { watcher } of this.#entries.values()) {
      if (watchers.length === MAX_NAMED) break;
      watchers.push(watcher);
      isIn ||= watcher === entry.watcher;
    }
    if (!isIn) watchers[watchers.length - 1] = entry.watcher;
    return { watchers, count, you };
  }

  #changed(): void {
    const pause = UPDATE_MS + this.#entries.size * UPDATE_MS_PER_WATCHER;
    this.#timer.setOnce(this.#updatedAt + pause - performance.now(), () => {
      this.#updatedAt = performance.now();
      for (const entry of [...this.#entries.values()]) entry.update();
    });
  }
}

export class Watchers {
  readonly #sessions = new Map<string, SessionPresence>();
  readonly #recipients = new Map<string, LeaseRecipient>();
  /** Time of the last request for a lease, by session and watcher, oldest first. */
  readonly #requestedAt = new Map<string, number>();

  join(session: string, who: NewWatcher): PresenceEntry {
    let presence = this.#sessions.get(session);
    if (presence === undefined) {
      presence = new SessionPresence(() => this.#sessions.delete(session));
      this.#sessions.set(session, presence);
    }
    return presence.join(who);
  }

  find(session: string, id: string): PresenceEntry | undefined {
    return this.#sessions.get(session)?.find(id);
  }

  /** Registers the connection's functions. Returns the function that removes them. */
  offerLeaseRecipient(connection: string, recipient: LeaseRecipient): () => void {
    this.#recipients.set(connection, recipient);
    return () => this.#recipients.delete(connection);
  }

  leaseRecipientOf(connection: string | undefined): LeaseRecipient | undefined {
    return connection === undefined ? undefined : this.#recipients.get(connection);
  }

  /** Tells whether a guest of a share link has the lease of a session. */
  isDriving(guest: string): boolean {
    for (const recipient of this.#recipients.values())
      if (recipient.guest === guest && recipient.isDriving) return true;
    return false;
  }

  /**
   * Returns the milliseconds until `who` may request the session's lease again. 0 allows the request and records it.
   */
  requestAgainIn(session: string, who: string): number {
    const now = performance.now();
    for (const [key, at] of this.#requestedAt) {
      if (now - at < ASK_MS) break;
      this.#requestedAt.delete(key);
    }
    const key = `${session} ${who}`;
    const before = this.#requestedAt.get(key);
    if (before !== undefined) return Math.ceil(before + ASK_MS - now);
    this.#requestedAt.set(key, now);
    return 0;
  }
}
