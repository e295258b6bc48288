// Reads the frames of one page from one segment file: yields the reads, which the caller runs.

import type { Position } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES } from './frame.ts';
import { PageBuilder, pageEnd, takeFrames } from './page.ts';
import type { Extent, Reads } from './scan.ts';
import { SEGMENT_HEADER_BYTES } from './segment.ts';
import type { SegmentFiles } from './segment-files.ts';

/** `short`: the file ends before the extent. In all three cases the builder has the valid frames before that point. */
export type PageReadResult = 'whole' | 'invalid' | 'short';

export class PageReading {
  readonly builder: PageBuilder;
  /** Place at which the page is complete. */
  readonly full: number;
  readonly #until: number;
  readonly #extent: Extent;
  readonly #files: SegmentFiles;
  readonly #blocks: Buffer[];
  readonly #pageBytes: number;
  readonly #mergeMs: number | undefined;
  /** The result of the last read, and the place of its first byte. */
  #last: { readonly block: Buffer; readonly filled: number; readonly from: number } | undefined;

  constructor(at: Position, extent: Extent, files: SegmentFiles, pageBytes: number, mergeMs?: number) {
    this.builder = new PageBuilder(at, mergeMs);
    this.#mergeMs = mergeMs;
    this.full = pageEnd(at.place, pageBytes);
    this.#pageBytes = pageBytes;
    this.#last = undefined;
    this.#until = Math.min(this.full, extent.end);
    this.#extent = extent;
    this.#files = files;
    this.#blocks = [];
  }

  /** Bytes of the last entry after the page's end. */
  get overshoot(): number {
    return Math.max(0, this.builder.place - this.#until);
  }

  /**
   * Reads the page. `slack`: bytes to read beyond the page's end, so that one read usually contains the whole last
   * entry. More slack also reads the following pages.
   */
  *read(slack: number): Reads<PageReadResult> {
    const { builder } = this;
    const { base, end, tag } = this.#extent;
    let cut: Buffer | undefined;
    let need = 0;
    for (;;) {
      const from = builder.place;
      const have = cut?.length ?? 0;
      const bytes = Math.min(end - from, Math.max(need, this.#until - from + slack));
      const block = this.#files.takeBlock(bytes);
      this.#blocks.push(block);
      if (cut !== undefined) block.set(cut);
      const position = from + have - base + SEGMENT_HEADER_BYTES;
      const filled = have + (yield { block, at: have, length: bytes - have, position });
      this.#last = { block, filled, from };
      need = takeFrames(builder, block, filled, tag, this.#until);
      if (need === 0) return 'whole';
      if (need < 0) return 'invalid';
      if (filled < bytes) return 'short';
      // The extent ends at an entry boundary, so a frame beyond that end has a wrong length.
      if (builder.place + Math.max(need, FRAME_HEADER_BYTES) > end) return 'invalid';
      cut = block.subarray(builder.place - from, filled);
    }
  }

  /** Yields the following pages that the last read contains completely. */
  *following(): Generator<PageBuilder> {
    if (this.#last === undefined) return;
    const { block, filled, from } = this.#last;
    for (let at = this.builder.next; at.place < this.#extent.end; ) {
      const builder = new PageBuilder(at, this.#mergeMs);
      const full = pageEnd(at.place, this.#pageBytes);
      const start = at.place - from;
      if (full > this.#extent.end) return;
      if (takeFrames(builder, block.subarray(start), filled - start, this.#extent.tag, full) !== 0) return;
      yield builder;
      at = builder.next;
    }
  }

  /** Returns the blocks. Call after the builder has built the page or is dropped, as it has views of them. */
  end(): void {
    for (const block of this.#blocks) this.#files.giveBlock(block);
    this.#blocks.length = 0;
  }
}
