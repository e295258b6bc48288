// Draws output up to a requested position, marks it, and draws a little more after it.

import type { OutputKind } from '@binnacle/protocol';

// Bytes drawn after the position: some screenfuls, and less than the scrollback, which would lose the position
// otherwise.
const BEHIND_BYTES = 256 * 1024;
const BEHIND_LINES = 2000;
const LINE_FEED = 0x0a;

/** The terminal that is drawn into. */
interface SeekScreen {
  write(bytes: Uint8Array, end: number, kind: OutputKind): Promise<void> | undefined;
  settled(): Promise<void>;
  markPlace(): void;
}

export class Seeker {
  /** The output offset of the position. */
  readonly at: number;
  readonly #screen: SeekScreen;
  #markedAt: number | undefined;
  #bytesBehind = 0;
  #linesBehind = 0;

  constructor(at: number, screen: SeekScreen) {
    this.at = at;
    this.#screen = screen;
  }

  /** Offset of the mark: later than the position if that output is gone. Undefined before it is drawn. */
  get mark(): number | undefined {
    return this.#markedAt;
  }

  /** Draws bytes, and returns the offset after the drawn part: less than the end once enough follows the position. */
  async draw(offset: number, bytes: Uint8Array, kind: OutputKind = 'tty'): Promise<number> {
    const end = offset + bytes.length;
    let rest = bytes;
    if (this.#markedAt === undefined) {
      if (end <= this.at) {
        await this.#screen.write(bytes, end, kind);
        return end;
      }
      const before = Math.max(0, this.at - offset);
      if (before > 0) await this.#screen.write(bytes.subarray(0, before), offset + before, kind);
      await this.#screen.settled();
      this.#screen.markPlace();
      this.#markedAt = offset + before;
      rest = bytes.subarray(before);
    }
    const room = this.#roomIn(rest);
    const rendered = end - rest.length + room;
    await this.#screen.write(rest.subarray(0, room), rendered, kind);
    return rendered;
  }

  /** Returns how many of these bytes may still be drawn, and counts them as drawn. */
  #roomIn(bytes: Uint8Array): number {
    const most = Math.min(bytes.length, BEHIND_BYTES - this.#bytesBehind);
    let room = 0;
    while (room < most && this.#linesBehind < BEHIND_LINES) {
      const feed = bytes.subarray(0, most).indexOf(LINE_FEED, room);
      room = feed === -1 ? most : feed + 1;
      if (feed !== -1) this.#linesBehind += 1;
    }
    this.#bytesBehind += room;
    return room;
  }
}
