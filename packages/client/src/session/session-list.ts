// The list of sessions that results from the events of a watch. Knows no connection.

import type { SessionInfo } from '@binnacle/protocol';
import type { WatchEvent } from './watch.ts';

/**
 * Reduces the events of `Binnacle.watch` to the current list. While a new list arrives after a reconnect, sessions of
 * the old one stay, so that a page sees none go and come back.
 *
 * @example
 * ```ts
 * import { KnownSessions } from '@binnacle/client';
 *
 * const known = new KnownSessions();
 * for await (const event of binnacle.watch()) {
 *   known.apply(event);
 *   console.log(known.sessions.length);
 * }
 * ```
 */
export class KnownSessions {
  readonly #byId = new Map<string, SessionInfo>();
  /** Sessions of the old list that the new one has not named yet; null between lists. */
  #unnamed: Set<string> | null = null;
  #sorted: readonly SessionInfo[] | null = null;
  #isListed = false;

  /** Whether a whole list has arrived at some time. */
  get isWhole(): boolean {
    return this.#isListed;
  }

  /** The sessions, newest first. The same array until something changes. */
  get sessions(): readonly SessionInfo[] {
    // A recording began long before it was imported, which is when its id was made.
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    return this.#sorted;
  }

  /** Applies one event of a watch. */
  apply(event: WatchEvent): void {
    this.#sorted = null;
    if (event.type === 'deleted') this.#byId.delete(event.session);
    else if (event.type === 'session') this.#byId.set(event.info.id, event.info);
    else this.#list(event);
  }

  /** Old sessions stay until the whole list has arrived, so that none disappears and comes back. */
  #list({ sessions, isFirst, isLast }: Extract<WatchEvent, { type: 'list' }>): void {
    if (isFirst) this.#unnamed = new Set(this.#byId.keys());
    for (const info of sessions) {
      this.#byId.set(info.id, info);
      this.#unnamed?.delete(info.id);
    }
    if (!isLast) return;
    for (const id of this.#unnamed ?? []) this.#byId.delete(id);
    this.#unnamed = null;
    this.#isListed = true;
  }
}
