// What plugins tell people: the last of it, and what comes, as an async iterable that survives reconnects.

import { BinnacleError, CODES, type NoticeList, type PluginNotice, type ServerFrame } from '@binnacle/protocol';
import type { Connection, Participant } from './connection.ts';
import type { Http } from './http.ts';
import { Outlet } from './outlet.ts';
import { backoffDelay } from './reconnect.ts';

export type NoticeEvent =
  /** All that are kept, oldest first. Replaces what was known; the first event, and again after each reconnect. */
  | { readonly type: 'list'; readonly notices: readonly PluginNotice[] }
  | { readonly type: 'notice'; readonly notice: PluginNotice };

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

  /** Those that are kept; `after` is the `next` of the answer before. */
  async list(after?: number): Promise<NoticeList> {
    return await this.http.json({ path: '/v1/notices', query: { after } });
  }

  /** All that are kept, then each new one. Each reconnect begins with a new `list`. */
  watch(): NoticeWatch {
    return new NoticeWatch(this.connection, () => this.list(), this.watchers);
  }
}

/** A consumer that is slow loses the oldest beyond this. The gateway keeps as many. */
const MAX_WAITING = 200;

export class NoticeWatch implements AsyncIterableIterator<NoticeEvent, undefined, undefined> {
  private readonly connection: Connection;
  private readonly list: () => Promise<NoticeList>;
  private readonly watchers: Set<object>;
  private readonly participant: Participant;
  private readonly unlisten: () => void;
  private readonly outlet: Outlet<NoticeEvent>;
  /** What came; while a list is on its way, some of it may be in that too. */
  private waiting: PluginNotice[];
  private listed: NoticeList | null;
  private isListing: boolean;
  private round: number;
  private failures: number;
  private retry: ReturnType<typeof setTimeout> | null;
  private isOver: boolean;

  constructor(connection: Connection, list: () => Promise<NoticeList>, watchers: Set<object>) {
    this.connection = connection;
    this.list = list;
    this.watchers = watchers;
    this.outlet = new Outlet(() => this.take());
    this.waiting = [];
    this.listed = null;
    this.isListing = true;
    this.round = 0;
    this.failures = 0;
    this.retry = null;
    this.isOver = false;
    this.participant = {
      opened: () => this.begin(),
      lost: () => this.forget(),
      stopped: (error) => this.finish(error.code === 'client_closed' ? null : error),
    };
    this.unlisten = connection.listen((frame) => this.onFrame(frame));
    watchers.add(this);
    connection.join(this.participant);
  }

  next(): Promise<IteratorResult<NoticeEvent, undefined>> {
    return this.outlet.next();
  }

  return(): Promise<IteratorResult<NoticeEvent, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration. */
  stop(): void {
    if (this.isOver) return;
    this.waiting = [];
    this.listed = null;
    this.finish(null);
  }

  private begin(): void {
    this.forget();
    const { round } = this;
    this.connection.ask(
      (ref) => ({ t: 'watch_notices', ref, on: true }),
      (answer) => {
        if (this.round !== round || this.isOver) return;
        if ('error' in answer) this.finish(answer.error);
        else this.fetchList(round);
      },
    );
  }

  private fetchList(round: number): void {
    this.list().then(
      (listed) => {
        if (this.round !== round || this.isOver) return;
        this.listed = listed;
        this.waiting = this.waiting.filter(({ n }) => n > listed.next);
        this.isListing = false;
        this.failures = 0;
        this.outlet.deliver();
      },
      (cause: unknown) => {
        if (this.round !== round || this.isOver) return;
        const error = cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
        if (!CODES[error.code].retry) {
          this.finish(error);
          return;
        }
        const { random, backoff } = this.connection.settings;
        const delayMs = backoffDelay(this.failures, random(), backoff);
        this.failures += 1;
        this.retry = setTimeout(() => this.fetchList(round), delayMs);
      },
    );
  }

  /** The next list has what waits here. */
  private forget(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.round += 1;
    this.isListing = true;
    this.waiting = [];
  }

  private onFrame(frame: ServerFrame): void {
    if (this.isOver || frame.t !== 'notice') return;
    this.waiting.push(frame.notice);
    if (this.waiting.length > MAX_WAITING) this.waiting.shift();
    this.outlet.deliver();
  }

  private take(): NoticeEvent | undefined {
    if (this.isListing) return undefined;
    if (this.listed !== null) {
      const { notices } = this.listed;
      this.listed = null;
      return { type: 'list', notices };
    }
    const notice = this.waiting.shift();
    return notice === undefined ? undefined : { type: 'notice', notice };
  }

  private finish(error: BinnacleError | null): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.retry !== null) clearTimeout(this.retry);
    this.unlisten();
    this.watchers.delete(this);
    if (this.connection.isOpen && this.watchers.size === 0) {
      this.connection.ask(
        (ref) => ({ t: 'watch_notices', ref, on: false }),
        () => {},
      );
    }
    this.connection.leave(this.participant);
    this.outlet.end(error);
  }
}
