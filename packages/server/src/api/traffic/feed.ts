// Feed of one session for a subscription of /ws/pty-traffic. It has a slot of the connection while it reads and sends.

import type { Session } from '../../sessions/session.ts';
import { LogStream } from '../stream/log-stream.ts';
import type { Wire } from '../stream/wire.ts';
import type { TextPosition } from './messages.ts';
import { type FeedMessage, TrafficCodec } from './traffic-codec.ts';

/**
 * Delay from the exit to the exit message while output is still open. Orphaned children could hold the output open for
 * ever.
 */
const LINGER_MS = 1000;

/** The parts of a connection that a feed needs. */
export interface TrafficFeedOutlet {
  readonly wire: Wire;
  /** Encodes a message for the subscription of the feed. */
  encode(message: FeedMessage): string;
  /** Called when all output so far was sent: the feed gives up its slot and waits for more without a slot. */
  quiet(): void;
  /** Requests a slot for new output. False: no slot is free; `enter` is called later. */
  wake(): boolean;
  /** Called after `is_final` was sent. */
  over(): void;
  failed(error: unknown): void;
}

export interface FeedParts {
  readonly session: Session;
  readonly from: TextPosition;
  /** True if nothing about the session was sent before: the feed then begins with the command. */
  readonly isNew: boolean;
  readonly encoding: 'text' | 'base64';
  readonly outlet: TrafficFeedOutlet;
}

export class TrafficFeed {
  readonly #session: Session;
  readonly #outlet: TrafficFeedOutlet;
  readonly #codec: TrafficCodec;
  readonly #stream: LogStream;
  #lingering: NodeJS.Timeout | undefined;
  #isOpened = false;
  #isStarted = false;
  /** True while the feed has a slot: only feeds with a slot read their logs and send. */
  #hasSlot = true;
  #isQueued = false;
  #isCaughtUp = false;
  /** True after `is_final` was sent, or when the feed is no longer wanted. */
  #isOver = false;

  constructor(parts: FeedParts) {
    const { session, from, outlet } = parts;
    this.#session = session;
    this.#outlet = outlet;
    this.#codec = new TrafficCodec(parts);
    const { wire } = outlet;
    const isFull = (): boolean => !this.#hasSlot || wire.isFull;
    this.#stream = new LogStream({
      ...{ log: session.log, at: from.at, codec: this.#codec },
      wire: {
        get isFull() {
          return isFull();
        },
        write: (frame) => wire.write(frame),
      },
      caughtUp: () => {
        if (this.#codec.hasExit) this.#lingering ??= setTimeout(() => this.#linger(), LINGER_MS);
        this.#isCaughtUp = true;
        this.#releaseSlot();
      },
      mayRead: () => {
        this.#isCaughtUp = false;
        return this.#requestSlot();
      },
      over: (error) => {
        this.stop();
        if (error === undefined) outlet.over();
        else outlet.failed(error);
      },
    });
  }

  /** Starts, or continues when there is room. */
  resume(): void {
    if (this.#isOver || !this.#hasSlot) return;
    if (this.#isOpened) this.#stream.resume();
    else {
      this.#isOpened = true;
      this.#stream.push(this.#codec.opening());
    }
    if (!this.#isStarted) {
      // No page is read before its viewer has room: a slot would cost a page of memory.
      if (this.#stream.hasWaiting || this.#outlet.wire.isFull) return;
      this.#isStarted = true;
      this.#stream.start();
      return;
    }
    this.settle();
    this.#releaseSlot();
  }

  /** Takes a free slot and continues. */
  enter(): void {
    this.#isQueued = false;
    this.#hasSlot = true;
    this.resume();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#lingering);
    this.#stream.stop();
  }

  /**
   * Ends the feed of a session that is no longer hosted. A log whose end was lost in a power failure never gets a
   * `closed`.
   */
  settle(): void {
    const isRead = !this.#stream.hasWaiting && this.#codec.position.place >= this.#session.log.head.place;
    if (this.#isOver || !this.#isStarted || !isRead || this.#session.isHosted) return;
    this.#requestSlot();
    this.#stream.finish();
  }

  /** Reports the exit of a program while orphaned children hold its output open. */
  #linger(): void {
    this.#requestSlot();
    this.#stream.push(this.#codec.exit());
    this.#releaseSlot();
  }

  /** Gives up the slot, so that other feeds can use it. */
  #releaseSlot(): void {
    if (this.#isOver || !this.#hasSlot || !this.#isCaughtUp || this.#stream.hasWaiting) return;
    this.#hasSlot = false;
    this.#outlet.quiet();
  }

  #requestSlot(): boolean {
    if (this.#hasSlot) return true;
    if (this.#isQueued) return false;
    this.#hasSlot = this.#outlet.wake();
    this.#isQueued = !this.#hasSlot;
    return this.#hasSlot;
  }
}
