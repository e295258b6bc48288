// One cursor into a conversation's log, over the shared connection. It resumes exactly and buffers no more than its
// limit.

import {
  BinnacleError,
  CODES,
  type ConversationEvent,
  type ConversationInfo,
  comparePositions,
  formatPosition,
  type Position,
  parsePosition,
  type ServerFrame,
} from '@binnacle/protocol';
import { Outlet } from '../feed/outlet.ts';
import type { Connection, Participant, RequestResult, Subscriber } from '../transport/connection.ts';
import { backoffDelay } from '../transport/reconnect.ts';
import type { ConversationStep } from './state.ts';

/** Options of `Conversation.subscribe`. */
export interface SubscribeOptions {
  /** Milliseconds between two deltas, 0 to 10,000. Default: the gateway's, 50. */
  readonly deltaIntervalMs?: number;
  /** Bytes to buffer for a slow consumer. Default: `bufferBytes` of the client. */
  readonly bufferBytes?: number;
}

/** Bytes that an event costs besides its text: a flood of small events must not evade the limit. */
const EVENT_BYTES = 256;
/** Follow again when so little is left: the rest bridges the round trip. */
const LOW_WATER = 1 / 4;
/** Maximum faults at one place. One may be a proxy's; more are the gateway's. */
const MAX_FAULTS = 3;

type Phase =
  /** For a connection, or for the next try on it. */
  | 'waiting'
  | 'requesting'
  | 'live'
  /** The buffer is full, and this client has unsubscribed until there is room. */
  | 'paused'
  | 'over';

interface Item {
  readonly step: ConversationStep;
  readonly cost: number;
}

/** Iterable of the steps of one conversation, from `Conversation.subscribe`. */
export class ConversationFeed implements AsyncIterableIterator<ConversationStep, undefined, undefined> {
  /** Key of the conversation. */
  readonly conversation: string;
  private readonly connection: Connection;
  private readonly participant: Participant;
  private readonly subscriber: Subscriber;
  private readonly unlisten: () => void;
  private readonly from: string;
  private readonly deltaIntervalMs: number | undefined;
  private readonly bufferBytes: number;
  private readonly outlet: Outlet<ConversationStep>;
  private readonly buffer: Item[];
  private buffered: number;
  private phase: Phase;
  /** Counts requests to follow, so that the answer to an older one is not taken for this one's. */
  private attempt: number;
  private failures: number;
  private retry: ReturnType<typeof setTimeout> | null;
  /** Behind the last event that is in the buffer or was handed out. Null until the first following began. */
  private head: Position | null;
  private delivered: string | null;
  private latest: ConversationInfo | null;
  /** `following` was handed out. */
  private hasBegun: boolean;
  /** The connection was lost since following last began. */
  private wasLost: boolean;
  private faults: number;

  /** `from`: a position or `now`. Throws `too_many_subscriptions` while this client follows it already. */
  constructor(connection: Connection, conversation: string, from: string, options: SubscribeOptions) {
    this.conversation = conversation;
    this.connection = connection;
    this.from = from;
    this.deltaIntervalMs = options.deltaIntervalMs;
    this.bufferBytes = options.bufferBytes ?? connection.settings.bufferBytes;
    this.outlet = new Outlet(() => this.take());
    this.buffer = [];
    this.buffered = 0;
    this.phase = 'waiting';
    this.attempt = 0;
    this.failures = 0;
    this.retry = null;
    this.head = from === 'now' || from === 'start' ? null : parsePosition(from);
    this.delivered = null;
    this.latest = null;
    this.hasBegun = false;
    this.wasLost = false;
    this.faults = 0;
    this.subscriber = { output: () => {}, frame: (frame) => this.onFrame(frame) };
    this.participant = {
      opened: () => this.follow(),
      lost: () => {
        this.clearRetry();
        this.wasLost = this.hasBegun;
        if (this.phase === 'requesting' || this.phase === 'live') this.phase = 'waiting';
      },
      stopped: (error) => this.finish(error.code === 'client_closed' ? null : error),
    };
    connection.route(conversation, this.subscriber);
    this.unlisten = connection.listen((frame) => {
      if (frame.t === 'conversation_deleted' && frame.conversation === conversation) this.onDeleted();
    });
    connection.join(this.participant);
  }

  /**
   * Position behind the last event that was handed out: `subscribe(position)` goes on there. Null before the first
   * event.
   */
  get position(): string | null {
    return this.delivered;
  }

  /** The conversation's state as of the last time that following began. Null before that. */
  get info(): ConversationInfo | null {
    return this.latest;
  }

  /**
   * Resolves with the next step; `done` behind `deleted` and after `stop`. Throws what ends the following early:
   * `conversation_not_found`, `wrong_epoch`, `forbidden`.
   */
  next(): Promise<IteratorResult<ConversationStep, undefined>> {
    return this.outlet.next();
  }

  /** Stops following. Leaving a `for await` early calls it. */
  return(): Promise<IteratorResult<ConversationStep, undefined>> {
    this.stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Stops the sending at the gateway, ends the iteration, and drops the buffer. */
  stop(): void {
    if (this.phase === 'live' || this.phase === 'requesting') this.unfollow();
    this.buffer.length = 0;
    this.finish(null);
  }

  private follow(): void {
    if (this.phase !== 'waiting' || !this.connection.isOpen || this.retry !== null) return;
    this.phase = 'requesting';
    this.attempt += 1;
    const { attempt, conversation, deltaIntervalMs } = this;
    const from = this.head === null ? this.from : formatPosition(this.head);
    const pacing = deltaIntervalMs === undefined ? {} : { deltaIntervalMs };
    this.connection.ask(
      (ref) => ({ t: 'follow', ref, conversation, from, ...pacing }),
      (answer) => {
        if (this.phase === 'requesting' && this.attempt === attempt) this.onAnswer(answer);
      },
    );
  }

  private unfollow(): void {
    if (!this.connection.isOpen) return;
    const { conversation } = this;
    // Whatever the answer is, the next `following` separates the frames that are still on their way.
    this.connection.ask(
      (ref) => ({ t: 'unfollow', ref, conversation }),
      () => {},
    );
  }

  private onAnswer(answer: RequestResult): void {
    if ('error' in answer) {
      this.onRefused(answer.error);
      return;
    }
    const { frame } = answer;
    if (frame.t !== 'following') return;
    const at = parsePosition(frame.from);
    if (this.head !== null && at.epoch !== this.head.epoch) {
      this.finish(new BinnacleError('wrong_epoch', { details: { asked: this.head.epoch, got: at.epoch } }));
      return;
    }
    if (this.head !== null && comparePositions(at, this.head) !== 0) {
      this.outOfStep(frame.from);
      return;
    }
    this.latest = frame.info;
    this.phase = 'live';
    this.failures = 0;
    const type = this.hasBegun ? 'reconnected' : 'following';
    const isNews = !this.hasBegun || this.wasLost;
    this.hasBegun = true;
    this.wasLost = false;
    if (isNews) this.push({ type, position: frame.from, info: frame.info }, at);
    else this.head = at;
  }

  /** The following is over without having been stopped. */
  private onRefused(error: BinnacleError): void {
    // Waiting does not make room among our own.
    if (!CODES[error.code].retry || error.code === 'too_many_subscriptions') {
      this.finish(error);
      return;
    }
    this.connection.events.emit('error', error);
    this.phase = 'waiting';
    const { random, backoff } = this.connection.settings;
    const delayMs = backoffDelay(this.failures, random(), backoff);
    this.failures += 1;
    this.retry = setTimeout(() => {
      this.retry = null;
      this.follow();
    }, delayMs);
  }

  private onFrame(frame: ServerFrame): void {
    // Frames of a following that we ended are still on their way for a while.
    if (this.phase !== 'live' || this.head === null) return;
    switch (frame.t) {
      case 'error':
        this.onRefused(BinnacleError.fromWire(frame.error));
        return;
      case 'events':
      case 'events_gap': {
        const after = parsePosition(frame.position);
        if (after.epoch !== this.head.epoch) {
          this.outOfStep(frame.position);
          return;
        }
        // A duplicate: the events are here already.
        if (comparePositions(after, this.head) <= 0) return;
        const { position } = frame;
        this.faults = 0;
        if (frame.t === 'events') this.push({ type: 'events', position, events: frame.events }, after);
        else this.push({ type: 'gap', position, reason: frame.reason }, after);
        return;
      }
      default:
        return;
    }
  }

  private onDeleted(): void {
    if (this.phase === 'over') return;
    this.buffer.push({ step: { type: 'deleted' }, cost: EVENT_BYTES });
    this.buffered += EVENT_BYTES;
    this.finish(null);
  }

  /** Handles output that does not continue the stream: it is never shown, and a new connection may mend it. */
  private outOfStep(position: string): void {
    const error = new BinnacleError('protocol_error', {
      message: 'Events are missing or doubled.',
      details: { conversation: this.conversation, expected: this.delivered, position },
    });
    this.faults += 1;
    if (this.faults < MAX_FAULTS) {
      this.connection.broken(error);
      return;
    }
    this.unfollow();
    this.finish(error);
  }

  private push(step: ConversationStep, after: Position): void {
    this.head = after;
    const item = { step, cost: costOf(step) };
    this.buffer.push(item);
    this.buffered += item.cost;
    this.outlet.deliver();
    if (this.phase === 'live' && this.buffered > this.bufferBytes) {
      this.phase = 'paused';
      this.unfollow();
    }
  }

  private take(): ConversationStep | undefined {
    const item = this.buffer.shift();
    if (item === undefined) return undefined;
    this.buffered -= item.cost;
    if (item.step.type !== 'deleted') this.delivered = item.step.position;
    if (this.phase === 'paused' && this.buffered <= this.bufferBytes * LOW_WATER) {
      this.phase = 'waiting';
      this.follow();
    }
    return item.step;
  }

  private finish(error: BinnacleError | null): void {
    if (this.phase !== 'over') {
      this.phase = 'over';
      this.clearRetry();
      this.unlisten();
      this.connection.unroute(this.conversation, this.subscriber);
      this.connection.leave(this.participant);
    }
    this.outlet.end(error);
  }

  private clearRetry(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
  }
}

const costOf = (step: ConversationStep): number =>
  step.type === 'events' ? step.events.reduce((sum, event) => sum + eventCost(event), EVENT_BYTES) : EVENT_BYTES;

/**
 * Estimates the bytes of an event in memory, two per character. Tools and plans may be large and are rare beside
 * deltas.
 */
export function eventCost(event: ConversationEvent): number {
  const chars = event.type === 'delta' ? event.text.length : JSON.stringify(event).length;
  return EVENT_BYTES + 2 * chars;
}
