// One cursor into a session's log, as an async iterable: what the frames of a session mean. feed/ resumes at the exact
// byte, checks that nothing is missing or doubled, and bounds the buffer.

import {
  type EntryData,
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
import type { FeedState } from '../feed/feed-state.ts';
import { ITEM_BYTES, type Piece } from '../feed/resumable-feed.ts';
import { type Beginning, Subscription, type SubscriptionCodec } from '../feed/subscription.ts';
import type { Connection } from '../transport/connection.ts';

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
  readonly #codec: SessionCodec;
  readonly #subscription: Subscription<AttachmentEvent>;

  /** `siblings`: where it is listed until it is over. `onSubscribe`: called behind each subscription. */
  constructor(
    connection: Connection,
    session: string,
    from: StartPosition | StartScreen,
    options: AttachOptions,
    siblings: Set<Attachment>,
    onSubscribe: () => void = () => {},
  ) {
    const head = typeof from === 'string' && from !== 'start' && from !== 'now' ? parsePosition(from) : null;
    this.session = session;
    this.#codec = new SessionCodec(session, from, onSubscribe, () => siblings.delete(this));
    this.#subscription = new Subscription(connection, this.#codec, options.bufferBytes, head);
    siblings.add(this);
    this.#subscription.start();
  }

  /**
   * Position behind the last event that was handed out: `attach(position)` goes on there. Null before the first event.
   */
  get position(): string | null {
    return this.#subscription.feed.position;
  }

  /** The session's state as of the last subscription, or as of the end. Null before the first event. */
  get info(): SessionInfo | null {
    return this.#codec.info;
  }

  /**
   * Resolves with the next event; `done` behind the end and after a detach. Throws what ends the following early:
   * `session_gone`, `wrong_epoch`, `offset_ahead`, `forbidden`.
   */
  next(): Promise<IteratorResult<AttachmentEvent, undefined>> {
    return this.#subscription.feed.next();
  }

  /** Detaches. Leaving a `for await` early calls it. */
  return(): Promise<IteratorResult<AttachmentEvent, undefined>> {
    return this.#subscription.feed.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Stops the sending at the gateway, ends the iteration, and drops the buffer. */
  detach(): void {
    this.#subscription.feed.stop();
  }
}

/** The frames of one session. */
class SessionCodec implements SubscriptionCodec<AttachmentEvent> {
  readonly key: string;
  readonly about: { readonly session: string };
  readonly isEventLog = false;
  readonly requested: () => void;
  readonly closed: () => void;
  readonly #from: StartPosition | StartScreen;
  /** The screen has not arrived yet: after a reconnect it is requested again. */
  #awaitsScreen: boolean;
  info: SessionInfo | null = null;

  constructor(session: string, from: StartPosition | StartScreen, requested: () => void, closed: () => void) {
    this.key = session;
    this.about = { session };
    this.requested = requested;
    this.closed = closed;
    this.#from = from;
    this.#awaitsScreen = typeof from === 'object' && 'screen' in from;
  }

  request(ref: number, head: Position | null) {
    const from = head === null || this.#awaitsScreen ? this.#from : formatPosition(head);
    return { t: 'subscribe', ref, session: this.key, from } as const;
  }

  unsubscribe(ref: number) {
    return { t: 'unsubscribe', ref, session: this.key } as const;
  }

  begin(frame: ServerFrame, { hasBegun }: FeedState): Beginning<AttachmentEvent> | undefined {
    if (frame.t !== 'subscribed') return undefined;
    const { from: position, info } = frame;
    const item: AttachmentEvent | undefined = hasBegun ? undefined : { type: 'attached', position, info };
    this.info = info;
    // Before the screen nothing was shown: the log begins where the screen is now.
    return { at: parsePosition(position), item, isFresh: this.#awaitsScreen };
  }

  output(frame: OutputFrame, head: Position): Piece<AttachmentEvent> {
    const { kind, offset, bytes } = frame;
    const after = positionAfter(frame, head.epoch);
    const item = { type: 'output', kind, offset, bytes, position: formatPosition(after) } as const;
    return { kind: 'output', from: offset, after, item, cost: ITEM_BYTES + bytes.length };
  }

  read(frame: ServerFrame, head: Position): Piece<AttachmentEvent> | number | undefined {
    switch (frame.t) {
      case 'screen': {
        const { t: _, seq: __, session: ___, ...snapshot } = frame;
        if (!this.#awaitsScreen || frame.offset !== head.offset) return frame.offset;
        this.#awaitsScreen = false;
        const cost = ITEM_BYTES + frame.data.length;
        return { kind: 'state', after: head, item: { type: 'screen', ...snapshot }, cost };
      }
      case 'entry': {
        const { kind, time, offset, position, data } = frame;
        // The frame ties `kind` to `data`; TypeScript loses that tie when they are taken apart.
        const item = { type: kind, time, offset, position, data } as EntryEvent;
        return { kind: 'entry', from: offset, after: parsePosition(position), item, cost: ITEM_BYTES };
      }
      case 'gap': {
        const { from, to, reason, position } = frame;
        // The gap may begin before what we have of an entry that went away under us.
        const item = { type: 'gap', from: head.offset, to, reason, position } as const;
        return { kind: 'gap', from, after: parsePosition(position), item, cost: ITEM_BYTES };
      }
      case 'end': {
        const { position, info } = frame;
        const after = parsePosition(position);
        this.info = info;
        const item = { type: 'end', position, info } as const;
        return { kind: 'state', from: after.offset, after, item, cost: ITEM_BYTES, isLast: true };
      }
      default:
        return undefined;
    }
  }
}
