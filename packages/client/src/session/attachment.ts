// One cursor into a session's log, as an async iterable. It resumes at the exact byte, checks that nothing is missing
// or doubled, and buffers no more than its limit.

import {
  BinnacleError,
  CODES,
  comparePositions,
  type EntryData,
  type EntryFrame,
  formatPosition,
  type OutputFrame,
  type OutputKind,
  type Position,
  parsePosition,
  positionAfter,
  type ScreenSnapshot,
  type ServerFrame,
  type SessionInfo,
  type StartPosition,
  type StartScreen,
} from '@binnacle/protocol';
import { Outlet } from '../feed/outlet.ts';
import type { Connection, Participant, RequestResult, Subscriber } from '../transport/connection.ts';
import { backoffDelay } from '../transport/reconnect.ts';

/** Output of the program. */
export interface OutputEvent {
  /** `output`. */
  readonly type: 'output';
  /** `tty` from a terminal, `stdout` or `stderr` from pipes. */
  readonly kind: OutputKind;
  /** Output offset of the first byte. */
  readonly offset: number;
  /** The bytes as the program wrote them. A character may be cut at either end: `textOf` puts it together. */
  readonly bytes: Uint8Array;
  /** Position behind this event: `attach(position)` goes on there. */
  readonly position: string;
}

/**
 * An entry that is not output: `resize`, `input`, `signal`, `exit`, `closed` or `event`, with its `data`. `time` is a
 * Unix time in milliseconds, `offset` counts the output bytes before the entry, `position` is behind it.
 */
export type EntryEvent = {
  readonly [K in keyof EntryData]: {
    readonly type: K;
    /** Milliseconds since 1970. */
    readonly time: number;
    /** Output bytes before it. */
    readonly offset: number;
    readonly position: string;
    readonly data: EntryData[K];
  };
}[keyof EntryData];

/** Output bytes `from` up to `to` are gone. */
export interface GapEvent {
  /** `gap`. */
  readonly type: 'gap';
  /** Output offset of the first missing byte. */
  readonly from: number;
  /** Output offset behind the last missing byte. */
  readonly to: number;
  /** `retention`: removed by the limits of the gateway. `damaged`: not readable. */
  readonly reason: 'retention' | 'damaged';
  /** Position behind the gap. */
  readonly position: string;
}

/**
 * Screen of the terminal at `position`, behind `attached`, if following began with the screen. Output goes on there.
 */
export interface ScreenEvent extends ScreenSnapshot {
  /** `screen`. */
  readonly type: 'screen';
}

/** Everything that an attachment yields: first `attached`, then the log in its order, last `end`. */
export type AttachmentEvent =
  /** The first event: following begins at `position`. Not repeated after a reconnect. */
  | { readonly type: 'attached'; readonly position: string; readonly info: SessionInfo }
  | ScreenEvent
  | OutputEvent
  | EntryEvent
  | GapEvent
  /** The log's end. The last event. */
  | { readonly type: 'end'; readonly position: string; readonly info: SessionInfo };

/** Options of `Session.attach`. */
export interface AttachOptions {
  /** Bytes to buffer for a slow consumer. Default: `bufferBytes` of the client. */
  readonly bufferBytes?: number;
}

/** Bytes that an event costs besides its output: a flood of one-byte events must not evade the limit. */
const EVENT_BYTES = 256;
/** Follow again when so little is left: the rest bridges the round trip. */
const LOW_WATER = 1 / 4;

/** Maximum faults at one place. One may be a proxy's; more are the gateway's. */
const MAX_FAULTS = 3;

type Phase =
  /** For a connection, or for the next try on it. */
  | 'waiting'
  | 'subscribing'
  | 'live'
  /** The buffer is full, and this client has unsubscribed until there is room. */
  | 'paused'
  | 'over';

/**
 * Cursor into the log of a session, from `Session.attach`.
 *
 * @example
 * ```ts
 * const attachment = session.attach('now');
 * for await (const event of attachment) {
 *   if (event.type === 'exit') break; // leaving the loop detaches
 * }
 * const later = session.attach(attachment.position ?? 'start');
 * later.detach();
 * ```
 */
export class Attachment implements AsyncIterableIterator<AttachmentEvent, undefined, undefined> {
  /** Id of the session. */
  readonly session: string;
  private readonly connection: Connection;
  private readonly participant: Participant;
  private readonly subscriber: Subscriber;
  private readonly from: StartPosition | StartScreen;
  private readonly bufferBytes: number;
  private readonly siblings: Set<Attachment>;
  private readonly onSubscribe: () => void;
  private readonly outlet: Outlet<AttachmentEvent>;
  private readonly buffer: AttachmentEvent[];
  private buffered: number;
  private phase: Phase;
  /** Counts subscriptions, so that the answer to an older one is not taken for this one's. */
  private attempt: number;
  private failures: number;
  private retry: ReturnType<typeof setTimeout> | null;
  /** Behind the last event that is in the buffer or was handed out. Null until the first subscription began. */
  private head: Position | null;
  private delivered: string | null;
  private latest: SessionInfo | null;
  /** How often the server sent what does not follow, since it last sent what does. */
  private faults: number;
  /** The screen has not arrived yet: after a reconnect it is requested again. */
  private awaitsScreen: boolean;

  /** `siblings`: where it is listed until it is over. `onSubscribe`: called behind each subscription. */
  constructor(
    connection: Connection,
    session: string,
    from: StartPosition | StartScreen,
    options: AttachOptions,
    siblings: Set<Attachment>,
    onSubscribe: () => void = () => {},
  ) {
    this.session = session;
    this.connection = connection;
    this.from = from;
    this.bufferBytes = options.bufferBytes ?? connection.settings.bufferBytes;
    this.siblings = siblings;
    this.onSubscribe = onSubscribe;
    this.outlet = new Outlet(() => this.take());
    this.buffer = [];
    this.buffered = 0;
    this.phase = 'waiting';
    this.attempt = 0;
    this.failures = 0;
    this.retry = null;
    this.head = typeof from === 'string' && from !== 'start' && from !== 'now' ? parsePosition(from) : null;
    this.delivered = null;
    this.latest = null;
    this.faults = 0;
    this.awaitsScreen = typeof from === 'object' && 'screen' in from;
    this.subscriber = {
      output: (frame) => this.onOutput(frame),
      frame: (frame) => this.onFrame(frame),
    };
    this.participant = {
      opened: () => this.subscribe(),
      lost: () => {
        this.clearRetry();
        if (this.phase === 'subscribing' || this.phase === 'live') this.phase = 'waiting';
      },
      stopped: (error) => {
        if (error.code === 'client_closed') this.finish(null);
        else this.finish(error);
      },
    };
    connection.route(session, this.subscriber);
    siblings.add(this);
    connection.join(this.participant);
  }

  /**
   * Position behind the last event that was handed out: `attach(position)` goes on there. Null before the first event.
   */
  get position(): string | null {
    return this.delivered;
  }

  /** The session's state as of the last subscription, or as of the end. Null before the first event. */
  get info(): SessionInfo | null {
    return this.latest;
  }

  /**
   * Resolves with the next event; `done` behind the end and after a detach. Throws what ends the following early:
   * `session_gone`, `wrong_epoch`, `offset_ahead`, `forbidden`.
   */
  next(): Promise<IteratorResult<AttachmentEvent, undefined>> {
    return this.outlet.next();
  }

  /** Detaches. Leaving a `for await` early calls it. */
  return(): Promise<IteratorResult<AttachmentEvent, undefined>> {
    this.detach();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Stops the sending at the gateway, ends the iteration, and drops the buffer. */
  detach(): void {
    if (this.phase === 'live' || this.phase === 'subscribing') this.unsubscribe();
    this.buffer.length = 0;
    this.finish(null);
  }

  private subscribe(): void {
    if (this.phase !== 'waiting' || !this.connection.isOpen || this.retry !== null) return;
    this.phase = 'subscribing';
    this.attempt += 1;
    const { attempt, session } = this;
    const from = this.head === null || this.awaitsScreen ? this.from : formatPosition(this.head);
    this.connection.ask(
      (ref) => ({ t: 'subscribe', ref, session, from }),
      (answer) => {
        if (this.phase === 'subscribing' && this.attempt === attempt) this.onAnswer(answer);
      },
    );
    this.onSubscribe();
  }

  private unsubscribe(): void {
    if (!this.connection.isOpen) return;
    const { session } = this;
    // Whatever the answer is, the next `subscribed` separates the frames that are still on their way.
    this.connection.ask(
      (ref) => ({ t: 'unsubscribe', ref, session }),
      () => {},
    );
  }

  private onAnswer(answer: RequestResult): void {
    if ('error' in answer) {
      this.onRefused(answer.error);
      return;
    }
    const { frame } = answer;
    if (frame.t !== 'subscribed') return;
    const at = parsePosition(frame.from);
    this.latest = frame.info;
    if (this.head === null) {
      this.head = at;
      this.phase = 'live';
      this.push({ type: 'attached', position: frame.from, info: frame.info }, at);
    } else if (this.awaitsScreen) {
      // Nothing was shown yet: it begins where the screen is now.
      this.head = at;
      this.phase = 'live';
    } else if (at.epoch !== this.head.epoch) {
      this.finish(new BinnacleError('wrong_epoch', { details: { asked: this.head.epoch, got: at.epoch } }));
      return;
    } else if (at.offset !== this.head.offset) {
      this.outOfStep(at.offset);
      return;
    } else {
      this.phase = 'live';
      if (this.delivered === null && this.buffer.length === 0)
        this.push({ type: 'attached', position: frame.from, info: frame.info }, this.head);
    }
    this.failures = 0;
  }

  /** The subscription is over without having reached the end. */
  private onRefused(error: BinnacleError): void {
    // Waiting does not make room among our own subscriptions.
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
      this.subscribe();
    }, delayMs);
  }

  private onOutput(frame: OutputFrame): void {
    // Frames of a subscription that we ended are still on their way for a while.
    if (this.phase !== 'live' || this.head === null) return;
    if (frame.offset !== this.head.offset || frame.place < this.head.place) {
      this.outOfStep(frame.offset);
      return;
    }
    const after = positionAfter(frame, this.head.epoch);
    const { kind, offset, bytes } = frame;
    this.push({ type: 'output', kind, offset, bytes, position: formatPosition(after) }, after);
  }

  private onFrame(frame: ServerFrame): void {
    if (this.phase !== 'live' || this.head === null) return;
    switch (frame.t) {
      case 'error':
        this.onRefused(BinnacleError.fromWire(frame.error));
        return;
      case 'screen': {
        const { t: _, seq: __, session: ___, ...snapshot } = frame;
        if (!this.awaitsScreen || frame.offset !== this.head.offset) {
          this.outOfStep(frame.offset);
          return;
        }
        this.awaitsScreen = false;
        this.push({ type: 'screen', ...snapshot }, this.head);
        return;
      }
      case 'entry': {
        const after = parsePosition(frame.position);
        if (frame.offset !== this.head.offset || comparePositions(after, this.head) <= 0) {
          this.outOfStep(frame.offset);
          return;
        }
        this.push(entryEvent(frame), after);
        return;
      }
      case 'gap': {
        const after = parsePosition(frame.position);
        if (
          frame.from > this.head.offset ||
          after.offset < this.head.offset ||
          comparePositions(after, this.head) < 0
        ) {
          this.outOfStep(frame.from);
          return;
        }
        const { to, reason, position } = frame;
        // The gap may begin before what we have of an entry that went away under us.
        this.push({ type: 'gap', from: this.head.offset, to, reason, position }, after);
        return;
      }
      case 'end': {
        const after = parsePosition(frame.position);
        if (after.offset !== this.head.offset || comparePositions(after, this.head) < 0) {
          this.outOfStep(after.offset);
          return;
        }
        this.latest = frame.info;
        this.push({ type: 'end', position: frame.position, info: frame.info }, after);
        this.finish(null);
        return;
      }
      default:
        return;
    }
  }

  /** Handles output that does not continue the stream: it is never shown, and a new connection may mend it. */
  private outOfStep(offset: number): void {
    const expectedOffset = this.head?.offset ?? 0;
    const error = new BinnacleError('protocol_error', {
      message: 'Output is missing or doubled.',
      details: { session: this.session, expectedOffset, offset },
    });
    this.faults += 1;
    if (this.faults < MAX_FAULTS) {
      this.connection.broken(error);
      return;
    }
    this.unsubscribe();
    this.finish(error);
  }

  private push(event: AttachmentEvent, after: Position): void {
    this.head = after;
    if (event.type !== 'attached') this.faults = 0;
    this.buffer.push(event);
    this.buffered += cost(event);
    this.outlet.deliver();
    if (this.phase === 'live' && this.buffered > this.bufferBytes && event.type !== 'end') {
      this.phase = 'paused';
      this.unsubscribe();
    }
  }

  private take(): AttachmentEvent | undefined {
    const event = this.buffer.shift();
    if (event === undefined) return undefined;
    this.buffered -= cost(event);
    this.delivered = event.position;
    if (this.phase === 'paused' && this.buffered <= this.bufferBytes * LOW_WATER) {
      this.phase = 'waiting';
      this.subscribe();
    }
    return event;
  }

  private finish(error: BinnacleError | null): void {
    if (this.phase === 'over') {
      this.outlet.end(error);
      return;
    }
    this.phase = 'over';
    this.clearRetry();
    this.connection.unroute(this.session, this.subscriber);
    this.connection.leave(this.participant);
    this.siblings.delete(this);
    this.outlet.end(error);
  }

  private clearRetry(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
  }
}

const cost = (event: AttachmentEvent): number =>
  EVENT_BYTES + (event.type === 'output' ? event.bytes.length : event.type === 'screen' ? event.data.length : 0);

function entryEvent(frame: EntryFrame): EntryEvent {
  const { kind, time, offset, position, data } = frame;
  // The frame ties `kind` to `data`; TypeScript loses that tie when they are taken apart.
  return { type: kind, time, offset, position, data } as EntryEvent;
}
