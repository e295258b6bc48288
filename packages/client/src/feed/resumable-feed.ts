// An async iterable over a log that goes on at its position after a lost connection, and buffers no more than its
// limit. feed-state.ts decides; this holds the items and the timer, and carries out the effects on a link.

import type { BinnacleError, Position } from '@binnacle/protocol';
import type { Settings } from '../transport/options.ts';
import { type FeedEvent, type FeedLimits, type FeedState, firstState, type Part, stepFeed } from './feed-state.ts';
import { Outlet } from './outlet.ts';

/** The way to the gateway. */
export interface FeedLink<Item> {
  /** Requests what follows the head. The answer is `begun` or `refused`, with this number. */
  request(attempt: number): void;
  /** Has the gateway send nothing more, until `request`. */
  pause(): void;
  /** Lets go of the connection and opens another, because what it sends does not follow. */
  reconnect(error: BinnacleError): void;
  /** Reports an error that the feed survives. */
  report(error: BinnacleError): void;
  /** Called with each item before it is handed out. */
  onItem?(item: Item): void;
  /** The feed is over. */
  close(error: BinnacleError | null): void;
}

/** Meaning of a frame, as a codec reads it. */
export interface Piece<Item> extends Part {
  readonly item?: Item | undefined;
  /** Called instead of handing out an item, when its turn comes. */
  readonly notice?: (() => void) | undefined;
}

/** Bytes that an item costs besides its text: a flood of small items must not evade the limit. */
export const ITEM_BYTES = 256;

export class ResumableFeed<Item extends object> {
  readonly #link: FeedLink<Item>;
  readonly #limits: FeedLimits;
  readonly #random: () => number;
  readonly #buffer: Pick<Piece<Item>, 'item' | 'notice' | 'cost'>[] = [];
  readonly #outlet = new Outlet<Item>(() => this.#take());
  #state: FeedState;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #position: string | null = null;

  /** `head`: where it begins; null for a place that only the gateway knows. */
  constructor(
    link: FeedLink<Item>,
    { backoff, random }: Settings,
    limits: Omit<FeedLimits, 'backoff'>,
    head: Position | null,
  ) {
    this.#link = link;
    this.#limits = { ...limits, backoff };
    this.#random = random;
    this.#state = firstState(head);
  }

  /** Position behind the last item that was handed out. */
  get position(): string | null {
    return this.#position;
  }

  get state(): FeedState {
    return this.#state;
  }

  get isLive(): boolean {
    return this.#state.phase === 'live';
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    return this.#outlet.next();
  }

  /** The gateway sends from here on. `item`: what the consumer gets of that. */
  begun(attempt: number, at?: Position, item?: Item, isFresh?: boolean): void {
    const cost = item === undefined ? 0 : ITEM_BYTES;
    this.apply({ kind: 'begun', attempt, at, isFresh, cost, isAwaited: this.#outlet.isAwaited }, { item });
  }

  /** Takes what a codec made of a frame. A number is the offset of a frame that cannot be there. */
  accept(piece: Piece<Item> | number | undefined): void {
    if (typeof piece === 'number') this.apply({ kind: 'fault', offset: piece });
    else if (piece !== undefined) this.apply({ kind: 'part', part: piece, isAwaited: this.#outlet.isAwaited }, piece);
  }

  /** Ends the iteration and drops what is buffered. */
  stop(): void {
    this.#buffer.length = 0;
    this.apply({ kind: 'stop' });
  }

  /** Ends the iteration behind what is buffered, with a last item or with an error. */
  end(error: BinnacleError | null, item?: Item): void {
    this.apply({ kind: 'end', error, ...(item === undefined ? {} : { cost: ITEM_BYTES }) }, { item });
  }

  /** `content`: what belongs to the event, if it is kept. */
  apply(event: FeedEvent, content: Pick<Piece<Item>, 'item' | 'notice'> = {}): void {
    const before = this.#state.buffered;
    const { state, effects } = stepFeed(this.#state, event, this.#limits, this.#random());
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'keep':
          if (content.item !== undefined) this.#link.onItem?.(content.item);
          this.#buffer.push({ item: content.item, notice: content.notice, cost: state.buffered - before });
          this.#outlet.deliver();
          break;
        case 'request':
          this.#link.request(effect.attempt);
          break;
        case 'pause':
          this.#link.pause();
          break;
        case 'wait':
          this.#timer = setTimeout(() => this.apply({ kind: 'timer' }), effect.ms);
          break;
        case 'cancel':
          clearTimeout(this.#timer);
          break;
        case 'report':
          this.#link.report(effect.error);
          break;
        case 'reconnect':
          this.#link.reconnect(effect.error);
          break;
        case 'close':
          this.#link.close(effect.error);
          this.#outlet.end(effect.error);
          break;
      }
    }
  }

  #take(): Item | undefined {
    for (let next = this.#buffer.shift(); next !== undefined; next = this.#buffer.shift()) {
      const { item, notice, cost } = next;
      if (item !== undefined) this.#position = (item as { position?: string }).position ?? this.#position;
      this.apply({ kind: 'taken', cost });
      if (item !== undefined) return item;
      notice?.();
    }
    return undefined;
  }
}

/** Iterator over a feed, as consumers get it. */
export class FeedIterator<Item extends object> implements AsyncIterableIterator<Item, undefined, undefined> {
  readonly #feed: ResumableFeed<Item>;

  constructor(feed: ResumableFeed<Item>) {
    this.#feed = feed;
  }

  /** Resolves with the next item; `done` behind the end. Throws what ends the iteration early, once. */
  next(): Promise<IteratorResult<Item, undefined>> {
    return this.#feed.next();
  }

  /** Has the gateway send nothing more, and drops what is buffered. Leaving a `for await` early calls it. */
  return(): Promise<IteratorResult<Item, undefined>> {
    this.#feed.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
