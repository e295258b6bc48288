// The conversations of one WebSocket connection: those that it follows, its messages, and its notifications.

import {
  BinnacleError,
  type ClientFrame,
  type ConversationEvent,
  type ConversationInfo,
  defined,
  formatPosition,
  type OkResult,
  type Position,
  parsePosition,
  type SendReceipt,
  type ServerBody,
} from '@binnacle/protocol';
import { Topic } from '../../base/topic.ts';
import type { Conversation } from '../../conversations/conversation.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import { assertMaySend, authorOf, isFor, maySee, type Viewer } from '../../conversations/state/audience.ts';
import { DELTA_INTERVAL_MS } from '../../conversations/state/pace.ts';
import { positionOf } from '../../cursor/start-position.ts';
import { ConversationFeed, conversationHead, runOfReceipt } from '../stream/conversation-feed.ts';
import type { Wire } from '../stream/wire.ts';
import { tail } from './entry-codec.ts';

export type ConversationFrame = Extract<
  ClientFrame,
  { t: 'follow' | 'unfollow' | 'watch_conversations' | 'send' | 'abort' | 'answer' }
>;
type FrameOf<T extends ConversationFrame['t']> = Extract<ConversationFrame, { t: T }>;

/** Minimum interval between `conversation` frames for one conversation: a throttle, so that lists do not flicker. */
const NEWS_MS = 100;

export interface ConversationChannelParts {
  readonly conversations: Conversations;
  readonly viewer: Viewer;
  /** Maximum conversations that one connection follows. */
  readonly maxFollows: number;
  /** Takes the frames of feeds; their log buffers the rest. */
  readonly wire: Wire;
  /** Sends a frame that no log buffers. A viewer that reads too slowly is disconnected. */
  say(body: ServerBody): boolean;
  ok(ref: number | undefined, result?: OkResult): void;
  refuse(ref: number | undefined, error: unknown, conversation?: string): void;
}

interface FollowedConversation {
  readonly feed: ConversationFeed;
  readonly release: () => void;
}

export class ConversationChannel {
  readonly #parts: ConversationChannelParts;
  readonly #feeds = new Map<string, FollowedConversation>();
  /** Changes of the list, by conversation. */
  readonly #list = new Topic<string, Conversation>({ send: (changed) => this.#notify(changed), delayMs: NEWS_MS });
  #unlisten: (() => void) | undefined;
  #watch: { readonly runs: boolean; readonly intervalMs: number } | undefined;
  #isOver = false;

  constructor(parts: ConversationChannelParts) {
    this.#parts = parts;
  }

  handle(frame: ConversationFrame): Promise<void> | undefined {
    switch (frame.t) {
      case 'follow':
        return this.#follow(frame);
      case 'unfollow':
        this.#drop(frame.conversation);
        this.#parts.ok(frame.ref);
        return undefined;
      case 'watch_conversations':
        this.#watchAll(frame);
        this.#parts.ok(frame.ref);
        return undefined;
      case 'send':
        return this.#send(frame);
      case 'abort':
        return this.#abort(frame);
      case 'answer':
        return this.#answer(frame);
    }
  }

  /** Continues all feeds when the socket has room again. */
  resume(): void {
    for (const { feed } of this.#feeds.values()) feed.resume();
  }

  stop(): void {
    this.#isOver = true;
    this.#unlisten?.();
    this.#unlisten = undefined;
    for (const key of [...this.#feeds.keys()]) this.#drop(key);
    this.#list.stop();
  }

  async #follow({ ref, conversation: key, from, deltaIntervalMs }: FrameOf<'follow'>): Promise<void> {
    const conversation = await this.#get(key);
    const before = this.#feeds.get(key)?.feed;
    // A `follow` of everything must not skip unsent events of a run of this connection: start where the old feed is.
    const { log } = conversation;
    const at = from === undefined && before !== undefined ? before.position : await positionOf(log, from ?? 'now');
    if (this.#isOver) return;
    const { conversations, viewer } = this.#parts;
    // Reading the log takes time, in which the viewer may lose access.
    if (!maySee(conversation.record, viewer)) throw new BinnacleError('conversation_not_found');
    this.#drop(key);
    const feed = this.#open(conversation, at, deltaIntervalMs);
    const info = conversations.infoOf(conversation, viewer);
    this.#parts.say({ t: 'following', ...refOf(ref), conversation: key, from: formatPosition(at), info });
    feed.start();
  }

  async #send(frame: FrameOf<'send'>): Promise<void> {
    const { ref, conversation: key, id, text, steer, timeoutMs, lease, deltaIntervalMs } = frame;
    const conversation = await this.#get(key);
    assertMaySend(this.#parts.viewer, { text, steer });
    const message = { id, text, ...defined({ steer, timeoutMs }) };
    // Opens the feed before the message is sent: then the change listener finds the feed, and sends nothing twice.
    const made = this.#feeds.has(key)
      ? undefined
      : this.#open(conversation, conversationHead(conversation), deltaIntervalMs, [id]);
    let receipt: SendReceipt;
    try {
      receipt = conversation.send(message, authorOf(this.#parts.viewer), lease);
    } catch (error) {
      if (made !== undefined) this.#drop(key);
      throw error;
    }
    this.#parts.ok(ref, receipt);
    const run = runOfReceipt(receipt, conversation);
    if (made === undefined) {
      if (run !== null) this.#feeds.get(key)?.feed.addRun(run.id);
      return;
    }
    if (run !== null && !receipt.duplicate) {
      made.addRun(run.id);
      made.start();
      return;
    }
    this.#drop(key);
    // The message is a duplicate, sent again after a reconnect. The feed starts at the beginning of the run, because
    // this connection does not know what the client received before the break.
    if (run?.position != null) this.#open(conversation, parsePosition(run.position), deltaIntervalMs, [run.id]).start();
  }

  async #abort({ ref, conversation: key, run }: FrameOf<'abort'>): Promise<void> {
    const conversation = await this.#get(key);
    const via = run === undefined ? 'conversation' : 'run';
    this.#parts.ok(ref, { aborted: conversation.abort(run, via, authorOf(this.#parts.viewer)) });
  }

  async #answer({ ref, conversation: key, approval, option }: FrameOf<'answer'>): Promise<void> {
    (await this.#get(key)).answer(approval, option, authorOf(this.#parts.viewer));
    this.#parts.ok(ref);
  }

  #watchAll({ on, runs = false, deltaIntervalMs = DELTA_INTERVAL_MS }: FrameOf<'watch_conversations'>): void {
    this.#watch = on ? { runs, intervalMs: deltaIntervalMs } : undefined;
    if (!on) return;
    this.#listen();
    if (!runs) return;
    for (const conversation of this.#parts.conversations.working()) this.#runOnStart(conversation);
  }

  /** Starts the listener with the first follow or watch. Needed from then on because the viewer can lose access. */
  #listen(): void {
    this.#unlisten ??= this.#parts.conversations.listen({
      changed: (conversation, events) => this.#conversationOnChange(conversation, events),
      deleted: (conversation) => this.#conversationOnDelete(conversation),
    });
  }

  #conversationOnChange(conversation: Conversation, events: readonly ConversationEvent[]): void {
    const { key } = conversation.record;
    if (!maySee(conversation.record, this.#parts.viewer)) {
      if (!this.#feeds.has(key)) return;
      this.#drop(key);
      this.#parts.refuse(undefined, new BinnacleError('conversation_not_found'), key);
      return;
    }
    if (this.#watch === undefined) return;
    this.#list.publish(key, conversation);
    if (this.#watch.runs && events.some(({ type }) => type === 'run_started')) this.#runOnStart(conversation);
  }

  #conversationOnDelete(conversation: Conversation): void {
    const { key } = conversation.record;
    const isFollowed = this.#feeds.has(key);
    this.#drop(key);
    if (isFollowed || (this.#watch !== undefined && maySee(conversation.record, this.#parts.viewer))) {
      this.#parts.say({ t: 'conversation_deleted', conversation: key });
    }
  }

  #runOnStart(conversation: Conversation): void {
    const { run, record } = conversation;
    const { viewer } = this.#parts;
    if (run === null || run.position === null || !isFor(run.by, viewer) || !maySee(record, viewer)) return;
    this.#followRun(conversation, run.id, parsePosition(run.position), this.#watch?.intervalMs);
  }

  #followRun(conversation: Conversation, run: string, at: Position, intervalMs: number | undefined): void {
    if (this.#isOver) return;
    const { key } = conversation.record;
    const known = this.#feeds.get(key);
    if (known !== undefined) {
      // The feed cannot be beyond `at`: each feed is at the head or catches up with the head.
      known.feed.addRun(run);
      return;
    }
    if (this.#feeds.size >= this.#parts.maxFollows) return;
    this.#open(conversation, at, intervalMs, [run]).start();
  }

  #open(
    conversation: Conversation,
    at: Position,
    intervalMs = DELTA_INTERVAL_MS,
    runs?: readonly string[],
  ): ConversationFeed {
    const { conversations, maxFollows, wire } = this.#parts;
    if (this.#feeds.size >= maxFollows)
      throw new BinnacleError('too_many_subscriptions', { details: { limit: maxFollows } });
    this.#listen();
    const { key } = conversation.record;
    const feed = new ConversationFeed({
      ...{ conversation, at, intervalMs, wire },
      ...defined({ runs }),
      format: {
        events: (events, behind) =>
          tail({ t: 'events', conversation: key, position: formatPosition(behind), events } satisfies ServerBody),
        gap: (reason, next) =>
          tail({ t: 'events_gap', conversation: key, reason, position: formatPosition(next) } satisfies ServerBody),
      },
      over: (error) => {
        this.#drop(key);
        if (error !== undefined) this.#parts.refuse(undefined, error, key);
      },
    });
    this.#feeds.set(key, { feed, release: conversations.hold(conversation) });
    return feed;
  }

  #drop(key: string): void {
    const known = this.#feeds.get(key);
    this.#feeds.delete(key);
    known?.feed.stop();
    known?.release();
  }

  #notify(conversation: Conversation): void {
    const { conversations, viewer } = this.#parts;
    if (this.#watch === undefined || !maySee(conversation.record, viewer) || conversation.isClosed) return;
    let info: ConversationInfo;
    try {
      info = conversations.infoOf(conversation, viewer);
    } catch {
      return; // The log cannot be opened now; a request for the conversation returns the error.
    }
    // Without the text of the run: the list shows that a run is active, not the output.
    this.#parts.say({
      t: 'conversation',
      info: info.run === null ? info : { ...info, run: { ...info.run, text: '' } },
    });
  }

  /** Throws `connection_lost` once the connection is over: nothing would end a feed that begins then. */
  async #get(key: string): Promise<Conversation> {
    const conversation = await this.#parts.conversations.get(key, this.#parts.viewer);
    if (this.#isOver) throw new BinnacleError('connection_lost');
    return conversation;
  }
}

const refOf = (ref: number | undefined): { readonly ref?: number } => defined({ ref });
