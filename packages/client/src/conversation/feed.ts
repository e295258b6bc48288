// One cursor into a conversation's log, over the shared connection: what the frames of a conversation mean. feed/
// resumes exactly and bounds the buffer.

import {
  type ConversationEvent,
  type ConversationInfo,
  type ConversationStep,
  defined,
  formatPosition,
  parsePosition,
} from '@binnacle/protocol';
import { FeedIterator, ITEM_BYTES } from '../feed/resumable-feed.ts';
import { Subscription, type SubscriptionCodec } from '../feed/subscription.ts';
import type { Connection } from '../transport/connection.ts';

/** Options of `Conversation.subscribe`. */
export interface SubscribeOptions {
  /** Milliseconds between two deltas, 0 to 10,000. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
  /** Bytes to buffer for a slow consumer. Default: `bufferBytes` of the client. */
  readonly bufferBytes?: number;
}

/**
 * Iterable of the steps of one conversation, from `Conversation.subscribe`. It ends behind `deleted` and after `stop`.
 * Throws what ends the following early: `conversation_not_found`, `wrong_epoch`, `forbidden`. Leaving a `for await`
 * early stops it.
 */
export class ConversationFeed extends FeedIterator<ConversationStep> {
  /** Key of the conversation. */
  readonly conversation: string;
  readonly #codec: ConversationCodec;
  readonly #subscription: Subscription<ConversationStep>;

  /** `from`: a position or `now`. Throws `too_many_subscriptions` while this client follows it already. */
  constructor(connection: Connection, conversation: string, from: string, options: SubscribeOptions) {
    const head = from === 'now' || from === 'start' ? null : parsePosition(from);
    const codec = conversationCodec(conversation, from, options.deltaIntervalMs, () => unlisten());
    const subscription = new Subscription(connection, codec, options.bufferBytes, head);
    super(subscription.feed);
    this.conversation = conversation;
    this.#codec = codec;
    this.#subscription = subscription;
    const unlisten = connection.listen((frame) => {
      if (frame.t === 'conversation_deleted' && frame.conversation === conversation)
        subscription.feed.end(null, { type: 'deleted' });
    });
    subscription.start();
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

  /** Stops the sending at the gateway, ends the iteration, and drops the buffer. */
  stop(): void {
    this.#subscription.feed.stop();
  }
}

interface ConversationCodec extends SubscriptionCodec<ConversationStep> {
  info: ConversationInfo | null;
}

/** The frames of one conversation. */
function conversationCodec(
  conversation: string,
  start: string,
  deltaIntervalMs: number | undefined,
  closed: () => void,
): ConversationCodec {
  const pacing = defined({ deltaIntervalMs });
  const codec: ConversationCodec = {
    key: conversation,
    about: { conversation },
    isEventLog: true,
    info: null,
    closed,
    request: (ref, head) => {
      const from = head === null ? start : formatPosition(head);
      return { t: 'follow', ref, conversation, from, ...pacing };
    },
    unsubscribe: (ref) => ({ t: 'unfollow', ref, conversation }),
    begin: (frame, { hasBegun, wasLost }) => {
      if (frame.t !== 'following') return undefined;
      const { from: position, info } = frame;
      codec.info = info;
      const at = parsePosition(position);
      if (hasBegun && !wasLost) return { at };
      return { at, item: { type: hasBegun ? 'reconnected' : 'following', position, info } };
    },
    read: (frame) => {
      if (frame.t !== 'events' && frame.t !== 'events_gap') return undefined;
      const { position } = frame;
      const item: ConversationStep =
        frame.t === 'events'
          ? { type: 'events', position, events: frame.events }
          : { type: 'gap', position, reason: frame.reason };
      return { kind: 'entry', after: parsePosition(position), item, cost: costOf(item) };
    },
  };
  return codec;
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
