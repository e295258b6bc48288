// One cursor into a session's log, as an async iterable: what the frames of a session mean. feed/ resumes at the exact
// byte, checks that nothing is missing or doubled, and bounds the buffer.

import {
  type EntryData,
  formatPosition,
  type OutputKind,
  parsePosition,
  positionAfter,
  type ScreenSnapshot,
  type SessionInfo,
  type StartPosition,
  type StartScreen,
} from '@binnacle/protocol';
import { FeedIterator, ITEM_BYTES } from '../feed/resumable-feed.ts';
import { Subscription, type SubscriptionCodec } from '../feed/subscription.ts';
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
 * Cursor into the log of a session, from `Session.attach`. Throws what ends the following early: `session_gone`,
 * `wrong_epoch`, `offset_ahead`, `forbidden`. Leaving a `for await` early detaches.
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
export class Attachment extends FeedIterator<AttachmentEvent> {
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
    const codec = sessionCodec(session, from, onSubscribe, () => siblings.delete(this));
    const subscription = new Subscription(connection, codec, options.bufferBytes, head);
    super(subscription.feed);
    this.session = session;
    this.#codec = codec;
    this.#subscription = subscription;
    siblings.add(this);
    subscription.start();
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

  /** Stops the sending at the gateway, ends the iteration, and drops the buffer. */
  detach(): void {
    this.#subscription.feed.stop();
  }
}

interface SessionCodec extends SubscriptionCodec<AttachmentEvent> {
  info: SessionInfo | null;
}

/** The frames of one session. */
function sessionCodec(
  session: string,
  start: StartPosition | StartScreen,
  requested: () => void,
  closed: () => void,
): SessionCodec {
  /** The screen has not arrived yet: after a reconnect it is requested again. */
  let awaitsScreen = typeof start === 'object' && 'screen' in start;
  const codec: SessionCodec = {
    key: session,
    about: { session },
    isEventLog: false,
    info: null,
    requested,
    closed,
    request: (ref, head) => {
      const from = head === null || awaitsScreen ? start : formatPosition(head);
      return { t: 'subscribe', ref, session, from };
    },
    unsubscribe: (ref) => ({ t: 'unsubscribe', ref, session }),
    begin: (frame, { hasBegun }) => {
      if (frame.t !== 'subscribed') return undefined;
      const { from: position, info } = frame;
      codec.info = info;
      const item = hasBegun ? undefined : ({ type: 'attached', position, info } as const);
      // Before the screen nothing was shown: the log begins where the screen is now.
      return { at: parsePosition(position), item, isFresh: awaitsScreen };
    },
    output: (frame, head) => {
      const { kind, offset, bytes } = frame;
      const after = positionAfter(frame, head.epoch);
      const item = { type: 'output', kind, offset, bytes, position: formatPosition(after) } as const;
      return { kind: 'output', from: offset, after, item, cost: ITEM_BYTES + bytes.length };
    },
    read: (frame, head) => {
      switch (frame.t) {
        case 'screen': {
          const { t: _, seq: __, session: ___, ...snapshot } = frame;
          if (!awaitsScreen || frame.offset !== head.offset) return frame.offset;
          awaitsScreen = false;
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
          codec.info = info;
          const item = { type: 'end', position, info } as const;
          return { kind: 'state', from: after.offset, after, item, cost: ITEM_BYTES, isLast: true };
        }
        default:
          return undefined;
      }
    },
  };
  return codec;
}
