// Presence of one connection in the sessions that it follows, and its updates about the other watchers.

import { allows, BinnacleError, type ServerBody, type Watcher } from '@binnacle/protocol';
import type { Principal } from '../access/principal.ts';
import { Topic } from '../base/topic.ts';
import type { Session } from '../sessions/session.ts';
import type { NewWatcher, PresenceEntry, PresenceUpdate, Watchers } from './presence.ts';

export interface ConnectionPresenceParts {
  readonly watchers: Watchers;
  readonly connection: string;
  readonly principal: Principal;
  hasRoom(): boolean;
  say(body: ServerBody): boolean;
}

export class ConnectionPresence {
  readonly #parts: ConnectionPresenceParts;
  readonly #entries = new Map<string, PresenceEntry>();
  /** Updates by session. */
  readonly #updates: Topic<string, PresenceUpdate>;

  constructor(parts: ConnectionPresenceParts) {
    this.#parts = parts;
    this.#updates = new Topic({
      send: (now, session) => parts.say({ t: 'watchers', session, ...now }),
      hasRoom: () => parts.hasRoom(),
    });
  }

  /** Joins the watchers of a session. Does nothing if the connection has joined already. */
  take(session: Session): void {
    if (this.#entries.has(session.id)) return;
    const { watchers, connection, principal } = this.#parts;
    this.#entries.set(session.id, watchers.join(session.id, { ...watcherOf(principal, session), connection }));
  }

  leave(session: string): void {
    this.#entries.get(session)?.leave();
    this.#entries.delete(session);
    this.#updates.drop(session);
  }

  /** Returns the connection's own entry among the watchers. Throws `not_subscribed`. */
  own(session: string): Watcher {
    return this.#require(session).watcher;
  }

  /** Starts or stops the updates about the watchers of a session. Throws `not_subscribed`. */
  watch(session: string, on: boolean): void {
    this.#require(session).watch(on ? (now) => this.#updates.publish(session, now) : undefined);
    if (!on) this.#updates.drop(session);
  }

  /** Sends stored updates when the connection has room again. */
  resume(): void {
    this.#updates.resume();
  }

  stop(): void {
    for (const session of [...this.#entries.keys()]) this.leave(session);
  }

  #require(session: string): PresenceEntry {
    const entry = this.#entries.get(session);
    if (entry === undefined) throw new BinnacleError('not_subscribed');
    return entry;
  }
}

/** Returns the part of a watcher that other watchers may see. */
export const watcherOf = ({ name, guest, scope }: Principal, session: Session): NewWatcher => ({
  name,
  isGuest: guest !== null,
  maySteer: allows(scope, 'input') && !session.isForeign,
});
