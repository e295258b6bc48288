// Notices of plugins to users: the stored ones, then new ones, as an async iterable that survives reconnects.

import type { BinnacleError, NoticeList, PluginNotice, ServerFrame } from '@binnacle/protocol';
import { Listing, type ListingPage } from '../feed/listing.ts';
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
  private readonly connection: Connection;
  private readonly http: Http;
  /** The server knows one watch for a connection. */
  private readonly watchers: Set<object>;

  constructor(connection: Connection, http: Http) {
    this.connection = connection;
    this.http = http;
    this.watchers = new Set();
  }

  /** Returns the stored notices, oldest first. Pass the `next` of an answer as `after` to get what came behind it. */
  async list(after?: number): Promise<NoticeList> {
    return await this.http.json({ path: '/v1/notices', query: { after } });
  }

  /** Returns an iterable of the stored notices, then of each new one. Each reconnect begins with a new `list`. */
  watch(): NoticeWatch {
    return new NoticeWatch(this.connection, () => this.list(), this.watchers);
  }
}

/** A consumer that is slow loses the oldest beyond this. The gateway keeps as many. */
const MAX_WAITING = 200;

/** Iterable of notices, from `Notices.watch`. */
export class NoticeWatch extends Listing<NoticeEvent, NoticeList> {
  private readonly list: () => Promise<NoticeList>;
  private readonly watchers: Set<object>;
  /** New notices. Some of them may be in a list that is on its way, too. */
  private waiting: PluginNotice[];

  constructor(connection: Connection, list: () => Promise<NoticeList>, watchers: Set<object>) {
    super(connection);
    this.list = list;
    this.watchers = watchers;
    this.waiting = [];
    watchers.add(this);
    this.start();
  }

  protected ask(answered: (error?: BinnacleError) => void): void {
    const on = this.watchers.size > 0;
    this.connection.ask(
      (ref) => ({ t: 'watch_notices', ref, on }),
      (answer) => answered('error' in answer ? answer.error : undefined),
    );
  }

  protected left(): void {
    this.watchers.delete(this);
    if (this.connection.isOpen && this.watchers.size === 0) this.ask(() => {});
  }

  protected fetch(): Promise<NoticeList> {
    return this.list();
  }

  protected toItem({ notices, next }: NoticeList): ListingPage<NoticeEvent> {
    this.waiting = this.waiting.filter(({ n }) => n > next);
    return { item: { type: 'list', notices }, isLast: true };
  }

  protected heard(frame: ServerFrame): boolean {
    if (frame.t !== 'notice') return false;
    this.waiting.push(frame.notice);
    if (this.waiting.length > MAX_WAITING) this.waiting.shift();
    return true;
  }

  protected news(): NoticeEvent | undefined {
    const notice = this.waiting.shift();
    return notice === undefined ? undefined : { type: 'notice', notice };
  }

  protected forgetNews(): void {
    this.waiting = [];
  }
}
