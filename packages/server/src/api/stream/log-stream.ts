// The stream of one log to one viewer: a pump, a codec and a wire. Every surface that shows a log uses this class.

import type { Position } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import type { LogReader, Page } from '../../log/log.ts';
import type { Frame, Wire } from './wire.ts';

/** How a surface writes a log: entries in, frames out. A codec knows no transport. */
export interface Codec {
  page(page: Page): Iterable<Frame>;
  /** Encodes lost output. Throws if the format has no place for a gap. */
  gap(gap: Gap): Iterable<Frame>;
  /** Called when all entries so far are encoded. Default: no frames. */
  caughtUp?(): Iterable<Frame>;
  /** Returns the frames behind all others. Called once. */
  ending(): Iterable<Frame>;
  /** True once nothing can follow the encoded entries: the stream then writes `ending`, and is over. */
  readonly isOver: boolean;
  /**
   * True: frames are made one at a time, while there is room, because a page makes many more bytes than it has. Default:
   * all frames of a page are written, and the room is checked behind them.
   */
  readonly isLazy?: boolean;
  /** True: frames share the pinned memory of their page, which is held until they are sent. */
  readonly isPinned?: boolean;
}

export interface LogStreamParts {
  readonly log: LogReader;
  readonly at: Position;
  readonly codec: Codec;
  readonly wire: Wire;
  /** Called once: after the last frame, or with the error of reading or encoding. Not called after `stop`. */
  over(error?: unknown): void;
  /** Called when all entries so far are written, and more may follow. */
  caughtUp?(): void;
  /** Called when the log has grown after the stream caught up. False: the stream waits for `resume`. Default: true. */
  mayRead?(): boolean;
  /** Runs a slice later. Set for codecs whose work would delay others: each slice makes one frame. Default: at once. */
  readonly schedule?: (slice: () => void) => void;
}

export class LogStream implements Sink {
  readonly #parts: LogStreamParts;
  readonly #cursor: Cursor;
  readonly #pump: Pump;
  /** Frames that are not made yet, in order. Between pages it is empty unless the wire is full. */
  readonly #queue: Iterator<Frame>[] = [];
  #isScheduled = false;
  /** True from the last entry until its owner was notified. */
  #isAtHead = false;
  #isEnding = false;
  #isOver = false;

  constructor(parts: LogStreamParts) {
    this.#parts = parts;
    this.#cursor = new Cursor(parts.log, parts.at);
    this.#pump = new Pump(this.#cursor, this);
  }

  /** Position behind the last page or gap that was read. */
  get position(): Position {
    return this.#cursor.position;
  }

  /** True if frames wait for room. */
  get hasWaiting(): boolean {
    return this.#queue.length > 0;
  }

  start(): void {
    if (this.#isOver) return;
    if (this.#parts.codec.isOver) this.finish();
    else this.#pump.start();
  }

  /** Continues when the wire has room again. */
  resume(): void {
    if (this.#continue() === 'more') this.#pump.resume();
  }

  /** Writes frames that come from no entry, behind those that wait for room. */
  push(frames: Iterable<Frame>): void {
    if (this.#isOver) return;
    this.#queue.push(frames[Symbol.iterator]());
    this.#continue();
  }

  /** Ends the stream here, with the ending of its codec. */
  finish(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#beginEnding();
    this.#continue();
  }

  /** Ends the stream without another frame. */
  stop(): void {
    this.#isOver = true;
    this.#queue.length = 0;
    this.#pump.stop();
  }

  page(page: Page): SinkResult {
    const { codec, wire } = this.#parts;
    if (codec.isPinned !== true) return this.#take(codec.page(page));
    page.hold();
    try {
      for (const frame of codec.page(page)) {
        page.hold();
        wire.write(frame, page.release);
      }
    } finally {
      page.release();
    }
    return this.#drain();
  }

  gap(gap: Gap): SinkResult {
    return this.#take(this.#parts.codec.gap(gap));
  }

  caughtUp(): SinkResult {
    const { codec } = this.#parts;
    this.#isAtHead = true;
    return codec.caughtUp === undefined ? this.#drain() : this.#take(codec.caughtUp());
  }

  grew(): SinkResult {
    this.#isAtHead = false;
    return this.#parts.mayRead?.() === false ? 'full' : 'more';
  }

  failed(error: unknown): void {
    if (this.#isOver) return;
    this.stop();
    this.#parts.over(error);
  }

  #take(frames: Iterable<Frame>): SinkResult {
    this.#queue.push(frames[Symbol.iterator]());
    if (this.#parts.schedule === undefined) return this.#drain();
    this.#sliceLater();
    return 'full';
  }

  /** Does what a read from the pump would do, outside of the pump. */
  #continue(): SinkResult {
    if (this.#isOver) return 'done';
    if (this.#parts.schedule !== undefined && this.#queue.length > 0) {
      this.#sliceLater();
      return 'full';
    }
    try {
      return this.#drain();
    } catch (error) {
      this.failed(error);
      return 'done';
    }
  }

  /** Writes the waiting frames, and the ending behind the last of them. */
  #drain(): SinkResult {
    const { codec, wire } = this.#parts;
    for (;;) {
      if (this.#isOver) return 'done';
      const next = this.#queue[0];
      if (next === undefined) {
        if (!codec.isOver && !this.#isEnding) {
          if (this.#isAtHead) this.#reportHead();
          return wire.isFull ? 'full' : 'more';
        }
        if (this.#isEnding) return this.#end();
        this.#beginEnding();
      } else {
        if (codec.isLazy === true && wire.isFull) return 'full';
        this.#step(next);
      }
    }
  }

  #reportHead(): void {
    this.#isAtHead = false;
    this.#parts.caughtUp?.();
  }

  #beginEnding(): void {
    this.#isEnding = true;
    this.#pump.stop();
    this.#queue.push(this.#parts.codec.ending()[Symbol.iterator]());
  }

  #step(next: Iterator<Frame>): void {
    const { done, value } = next.next();
    if (done === true) this.#queue.shift();
    else this.#parts.wire.write(value);
  }

  #sliceLater(): void {
    if (this.#isScheduled || this.#isOver || this.#parts.wire.isFull) return;
    this.#isScheduled = true;
    this.#parts.schedule?.(() => {
      this.#isScheduled = false;
      this.#slice();
    });
  }

  #slice(): void {
    const [next] = this.#queue;
    if (this.#isOver || this.#parts.wire.isFull) return;
    try {
      if (next !== undefined) this.#step(next);
      // The last entry is behind: the ending is cheap.
      if (this.#queue.length > 0) this.#sliceLater();
      else if (this.#drain() === 'more') this.#pump.resume();
    } catch (error) {
      this.failed(error);
    }
  }

  #end(): SinkResult {
    this.stop();
    this.#parts.over();
    return 'done';
  }
}
