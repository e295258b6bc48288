// Notices of plugins to users: the stored ones, then new ones, as an async iterable that survives reconnects.

import type { NoticeList, PluginNotice } from '@binnacle/protocol';
import { Topic } from '../feed/topic.ts';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';

/**
 * The stored notices, oldest first (the first event, and again after each reconnect: it replaces what was known), or a
 * new one.
 */
export type NoticeEvent =
  /** All that are kept, oldest first. Replaces what was known; the first event, and again after each reconnect. */
  | { readonly type: 'list'; readonly notices: readonly PluginNotice[] }
  | { readonly type: 'notice'; readonly notice: PluginNotice };

/**
 * Notices of plugins, as `Binnacle.notices`.
 *
 * @example
 * ```ts
 * for await (const event of binnacle.notices.watch()) {
 *   if (event.type === 'notice') console.log(event.notice.plugin, event.notice.title);
 * }
 * ```
 */
export class Notices {
  readonly #connection: Connection;
  readonly #http: Http;
  /** The server knows one watch for a connection. */
  readonly #watchers = new Set<object>();

  constructor(connection: Connection, http: Http) {
    this.#connection = connection;
    this.#http = http;
  }

  /** Returns the stored notices, oldest first. Pass the `next` of an answer as `after` to get what came behind it. */
  async list(after?: number): Promise<NoticeList> {
    return await this.#http.json({ path: '/v1/notices', query: { after } });
  }

  /** Returns an iterable of the stored notices, then of each new one. Each reconnect begins with a new `list`. */
  watch(): NoticeWatch {
    return new NoticeWatch(this.#connection, () => this.list(), this.#watchers);
  }
}

/** A consumer that is slow loses the oldest beyond this. The gateway keeps as many. */
const MAX_WAITING = 200;

/** Iterable of notices, from `Notices.watch`. */
export class NoticeWatch extends Topic<NoticeEvent> {
  constructor(connection: Connection, list: () => Promise<NoticeList>, members: Set<object>) {
    super(connection, {
      members,
      member: {},
      request: (ref) => ({ t: 'watch_notices', ref, on: members.size > 0 }),
      fetch: async () => {
        const { notices, next } = await list();
        // A new notice may be in a list that was on its way, too.
        const has = (event: NoticeEvent) => event.type === 'notice' && event.notice.n <= next;
        return { item: { type: 'list', notices }, next: null, has };
      },
      change: (frame) =>
        frame.t === 'notice' ? { key: frame, item: { type: 'notice', notice: frame.notice } } : undefined,
      maxChanges: MAX_WAITING,
    });
  }
}
