// A list, then its changes, as an async iterable that survives reconnects: the list over HTTP page by page, changes
// over the WebSocket. Independent of what is listed.

import { BinnacleError, CODES, type ServerFrame } from '@binnacle/protocol';
import type { Connection, Participant } from '../transport/connection.ts';
import { backoffDelay } from '../transport/reconnect.ts';
import { Outlet } from './outlet.ts';

/** Page of a list, as the consumer gets it. */
export interface ListingPage<Item> {
  readonly item: Item;
  /** Whether the list ends with this page; changes follow. */
  readonly isLast: boolean;
}

/** Base of the iterables that yield a list and then its changes. Each reconnect begins with a new list. */
export abstract class Listing<Item extends object, Page> implements AsyncIterableIterator<Item, undefined, undefined> {
  protected readonly connection: Connection;
  private readonly participant: Participant;
  private readonly unlisten: () => void;
  private readonly outlet: Outlet<Item>;
  /** The page that waits for the consumer. */
  private listed: ListingPage<Item> | null;
  /** News wait while a list is on its way: they are newer than it, or say the same. */
  private isListing: boolean;
  /** Number of the present list; answers to an older one are ignored. */
  private round: number;
  private failures: number;
  private retry: ReturnType<typeof setTimeout> | null;
  private isOver: boolean;

  constructor(connection: Connection) {
    this.connection = connection;
    this.outlet = new Outlet(() => this.take());
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
    this.unlisten = connection.listen((frame) => {
      if (!this.isOver && this.heard(frame)) this.outlet.deliver();
    });
  }

  /** Requests changes from the gateway. */
  protected abstract ask(answered: (error?: BinnacleError) => void): void;
  /** Called when the iteration is over. */
  protected abstract left(): void;
  /** Reads the next page of the list. */
  protected abstract fetch(): Promise<Page>;
  /** Turns a page into an item. */
  protected abstract toItem(page: Page): ListingPage<Item>;
  /** Buffers a change; returns false for a frame that is none. */
  protected abstract heard(frame: ServerFrame): boolean;
  /** Returns the next buffered change. */
  protected abstract news(): Item | undefined;
  /** Drops the buffered changes, because a new list begins. */
  protected abstract forgetNews(): void;

  /** Starts the iteration. The last line of a constructor, because it calls the methods above. */
  protected start(): void {
    this.connection.join(this.participant);
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    return this.outlet.next();
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration. */
  stop(): void {
    if (this.isOver) return;
    this.listed = null;
    this.forgetNews();
    this.finish(null);
  }

  private begin(): void {
    this.forget();
    const { round } = this;
    this.ask((error) => {
      if (this.round !== round || this.isOver) return;
      if (error !== undefined) this.finish(error);
      else this.fetchPage(round);
    });
  }

  private fetchPage(round: number): void {
    this.fetch().then(
      (page) => {
        if (this.round !== round || this.isOver) return;
        this.listed = this.toItem(page);
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
        this.retry = setTimeout(() => this.fetchPage(round), delayMs);
      },
    );
  }

  private forget(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    this.round += 1;
    this.isListing = true;
    this.listed = null;
    this.forgetNews();
  }

  private take(): Item | undefined {
    const { listed } = this;
    if (listed === null) return this.isListing ? undefined : this.news();
    this.listed = null;
    if (listed.isLast) this.isListing = false;
    else this.fetchPage(this.round);
    return listed.item;
  }

  private finish(error: BinnacleError | null): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.retry !== null) clearTimeout(this.retry);
    this.unlisten();
    this.left();
    this.connection.leave(this.participant);
    this.outlet.end(error);
  }
}
