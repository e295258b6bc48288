// Draws output up to a place that was asked for, marks it, and goes on a little behind it. Knows no session.

import type { OutputKind } from '@binnacle/protocol';
import type { Screen } from './screen.ts';

// What is drawn behind the place: some screenfuls, and within the scrollback, or it would be pushed out of that.
const BEHIND_BYTES = 256 * 1024;
const BEHIND_LINES = 2000;
const LINE_FEED = 0x0a;

export class Approach {
  /** The output offset of the place. */
  readonly at: number;
  private readonly screen: Screen;
  private markedAt: number | undefined;
  private bytesBehind: number;
  private linesBehind: number;

  constructor(at: number, screen: Screen) {
    this.at = at;
    this.screen = screen;
    this.markedAt = undefined;
    this.bytesBehind = 0;
    this.linesBehind = 0;
  }

  /** The offset that the mark stands at: behind the place where that is not kept any more. Undefined before it is drawn. */
  get mark(): number | undefined {
    return this.markedAt;
  }

  /** Answers with the offset behind what was drawn: less than the end where enough stands behind the place. */
  async draw(offset: number, bytes: Uint8Array, kind: OutputKind = 'tty'): Promise<number> {
    const end = offset + bytes.length;
    let rest = bytes;
    if (this.markedAt === undefined) {
      if (end <= this.at) {
        await this.screen.write(bytes, end, kind);
        return end;
      }
      const before = Math.max(0, this.at - offset);
      if (before > 0) await this.screen.write(bytes.subarray(0, before), offset + before, kind);
      await this.screen.settled();
      this.screen.markPlace();
      this.markedAt = offset + before;
      rest = bytes.subarray(before);
    }
    const room = this.roomIn(rest);
    const drawn = end - rest.length + room;
    await this.screen.write(rest.subarray(0, room), drawn, kind);
    return drawn;
  }

  /** So many of these bytes may still be drawn. Counts them as drawn. */
  private roomIn(bytes: Uint8Array): number {
    const most = Math.min(bytes.length, BEHIND_BYTES - this.bytesBehind);
    let room = 0;
    while (room < most && this.linesBehind < BEHIND_LINES) {
      const feed = bytes.subarray(0, most).indexOf(LINE_FEED, room);
      room = feed === -1 ? most : feed + 1;
      if (feed !== -1) this.linesBehind += 1;
    }
    this.bytesBehind += room;
    return room;
  }
}
