// One cursor into a conversation's log, over the shared connection: what the frames of a conversation mean. feed/
// resumes exactly and bounds the buffer.

import {
  type ConversationEvent,
  type ConversationInfo,
  type ConversationStep,
  formatPosition,
  type Position,
  parsePosition,
  type ServerFrame,
} from '@binnacle/protocol';
import type { FeedState } from '../feed/feed-state.ts';
import { ITEM_BYTES, type Piece } from '../feed/resumable-feed.ts';
import { type Beginning, Subscription, type SubscriptionCodec } from '../feed/subscription.ts';
import type { Connection } from '../transport/connection.ts';

/** Options of `Conversation.subscribe`. */
export interface SubscribeOptions {
  /** Milliseconds between two deltas, 0 to 10,000. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
  /** Bytes to buffer for a slow consumer. Default: `bufferBytes` of the client. */
  readonly bufferBytes?: number;
}

/** Iterable of the steps of one conversation, from `Conversation.subscribe`. */
export class ConversationFeed implements AsyncIterableIterator<ConversationStep, undefined, undefined> {
  /** Key of the conversation. */
  readonly conversation: string;
  readonly #codec: ConversationCodec;
  readonly #subscription: Subscription<ConversationStep>;

  /** `from`: a position or `now`. Throws `too_many_subscriptions` while this client follows it already. */
  constructor(connection: Connection, conversation: string, from: string, options: SubscribeOptions) {
    const head = from === 'now' || from === 'start' ? null : parsePosition(from);
    this.conversation = conversation;
    this.#codec = new ConversationCodec(conversation, from, options.deltaIntervalMs, () => unlisten());
    this.#subscription = new Subscription(connection, this.#codec, options.bufferBytes, head);
    const unlisten = connection.listen((frame) => {
      if (frame.t === 'conversation_deleted' && frame.conversation === conversation)
        this.#subscription.feed.end(null, { type: 'deleted' });
    });
    this.#subscription.start();
  }

  /**
   * Position behind the last event that was handed out: `subscribe(position)` goes on there. Null before the first
   * event.
   */
  get position(): string | null {
    return this.#subscription.feed.position;
  }

  /** The conversation's state as of the last time that following began. Null before that. */
  get info(): ConversationInfo | null {
    return this.#codec.info;
  }

  /**
   * Resolves with the next step; `done` behind `deleted` and after `stop`. Throws what ends the following early:
   * `conversation_not_found`, `wrong_epoch`, `forbidden`.
   */
  next(): Promise<IteratorResult<ConversationStep, undefined>> {
    return this.#subscription.feed.next();
  }

  /** Stops following. Leaving a `for await` early calls it. */
  return(): Promise<IteratorResult<ConversationStep, undefined>> {
    return this.#subscription.feed.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Stops the sending at the gateway, ends the iteration, and drops the buffer. */
  stop(): void {
    this.#subscription.feed.stop();
  }
}

/** The frames of one conversation. */
class ConversationCodec implements SubscriptionCodec<ConversationStep> {
  readonly key: string;
  readonly about: { readonly conversation: string };
  readonly isEventLog = true;
  readonly closed: () => void;
  readonly #from: string;
  readonly #pacing: { readonly deltaIntervalMs?: number };
  info: ConversationInfo | null = null;

  constructor(conversation: string, from: string, deltaIntervalMs: number | undefined, closed: () => void) {
    this.key = conversation;
    this.about = { conversation };
    this.closed = closed;
    this.#from = from;
    this.#pacing = deltaIntervalMs === undefined ? {} : { deltaIntervalMs };
  }

  request(ref: number, head: Position | null) {
    const from = head === null ? this.#from : formatPosition(head);
    return { t: 'follow', ref, conversation: this.key, from, ...this.#pacing } as const;
  }

  unsubscribe(ref: number) {
    return { t: 'unfollow', ref, conversation: this.key } as const;
  }

  begin(frame: ServerFrame, { hasBegun, wasLost }: FeedState): Beginning<ConversationStep> | undefined {
    if (frame.t !== 'following') return undefined;
    const { from: position, info } = frame;
    this.info = info;
    const at = parsePosition(position);
    if (hasBegun && !wasLost) return { at };
    return { at, item: { type: hasBegun ? 'reconnected' : 'following', position, info } };
  }

  read(frame: ServerFrame): Piece<ConversationStep> | undefined {
    if (frame.t !== 'events' && frame.t !== 'events_gap') return undefined;
    const { position } = frame;
    const item: ConversationStep =
      frame.t === 'events'
        ? { type: 'events', position, events: frame.events }
        : { type: 'gap', position, reason: frame.reason };
    return { kind: 'entry', after: parsePosition(position), item, cost: costOf(item) };
  }
}

const costOf = (step: ConversationStep): number =>
  step.type === 'events' ? step.events.reduce((sum, event) => sum + eventCost(event), ITEM_BYTES) : ITEM_BYTES;

/**
 * Estimates the bytes of an event in memory, two per character. Tools and plans may be large and are rare beside
 * deltas.
 */
export function eventCost(event: ConversationEvent): number {
  const chars = event.type === 'delta' ? event.text.length : JSON.stringify(event).length;
  return ITEM_BYTES + 2 * chars;
}
