// Pages, the results of reads, built from frames.

import { type EntryKind, invariant, isOutput, type Position } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, type FrameHead, frameIsWhole, readFrameHeader } from './frame.ts';
import type { Entry, Page } from './log.ts';

export interface PageOptions {
  /**
   * A page ends at the first entry at or after a multiple of this place, so that readers at different places soon read
   * the same pages. Default 64 KiB: larger frames to a viewer gain nothing, smaller ones cost a system call each.
   */
  readonly pageBytes?: number;
  /** Free bytes in front of each entry, for an encoder. Default 0. */
  readonly headroom?: number;
  /** Maximum ms between output of one kind that is merged into one entry. Default: no maximum. */
  readonly mergeMs?: number;
}
export const PAGE_BYTES = 64 * 1024;

/** Returns the place at which a page from `place` ends. Its last entry may go beyond that. */
export const pageEnd = (place: number, pageBytes: number): number => (Math.floor(place / pageBytes) + 1) * pageBytes;

/** The allocator of the memory of pages. */
export interface PageMemory {
  allocate(bytes: number): Buffer;
  /** Takes back memory without readers. */
  recycle?(memory: Buffer): void;
}

export class BuiltPage implements Page {
  readonly from: Position;
  readonly next: Position;
  readonly pinnedEntries: readonly Entry[];
  /** True if no later read from `from` returns more. */
  readonly complete: boolean;
  /** Approximate bytes of memory. */
  readonly cost: number;
  /** A property, so that it can be passed as a function. */
  readonly release: () => void;
  #made: Map<symbol, unknown> | undefined;
  #holders: number;
  #isRetained: boolean;
  /** Undefined after the memory was returned. */
  #buffer: Buffer | undefined;

  constructor(
    from: Position,
    next: Position,
    entries: readonly Entry[],
    complete: boolean,
    buffer: Buffer,
    memory: PageMemory,
  ) {
    this.from = from;
    this.next = next;
    this.pinnedEntries = entries;
    this.complete = complete;
    // About 500 bytes of objects around an empty page, 150 around an entry: small pages must not look free.
    this.cost = 500 + entries.length * 150 + buffer.length;
    this.#made = undefined;
    this.#holders = 0;
    this.#isRetained = false;
    this.#buffer = buffer;
    this.release = () => {
      this.#holders -= 1;
      if (this.#holders > 0 || this.#isRetained || this.#buffer === undefined) return;
      // A page without encoded results may have been promised to a reader that has not called `hold` yet.
      if (this.#made === undefined) return;
      memory.recycle?.(this.#buffer);
      this.#buffer = undefined;
    };
  }

  get entries(): readonly Entry[] {
    this.#check();
    this.#isRetained = true;
    return this.pinnedEntries;
  }

  hold(): void {
    this.#check();
    this.#holders += 1;
  }

  /** Throws after the memory was returned: it may contain another page by now. */
  #check(): void {
    invariant(this.#buffer !== undefined, 'The page was given back.');
  }

  once<T>(key: symbol, make: (page: Page) => T): T {
    this.#made ??= new Map();
    if (this.#made.has(key)) return this.#made.get(key) as T;
    const made = make(this);
    this.#made.set(key, made);
    return made;
  }
}

/** Payloads in sequence that become one entry. */
interface PayloadRun {
  readonly kind: EntryKind;
  readonly time: number;
  readonly offset: number;
  next: number;
  bytes: number;
}

/**
 * Collects frames from a position on and builds a page of them. Frames must come in order. For a position inside an
 * entry, the output before the position is left out.
 */
export class PageBuilder {
  readonly #from: Position;
  readonly #mergeMs: number;
  readonly #runs: PayloadRun[];
  /** Payloads in order, as views of the blocks that were read. */
  readonly #parts: Uint8Array[];
  #place: number;
  #offset: number;
  /** Output offset of the log at `#place`. */
  #reached: number;
  #bytes: number;

  constructor(from: Position, mergeMs = Number.POSITIVE_INFINITY) {
    this.#from = from;
    this.#mergeMs = mergeMs;
    this.#runs = [];
    this.#parts = [];
    this.#place = from.place;
    this.#offset = from.offset;
    this.#reached = 0;
    this.#bytes = 0;
  }

  get place(): number {
    return this.#place;
  }

  get empty(): boolean {
    return this.#runs.length === 0;
  }

  /** Position directly after the frames taken so far. */
  get next(): Position {
    return { epoch: this.#from.epoch, place: this.#place, offset: this.#offset };
  }

  /** True if the position's offset is beyond all frames taken so far. */
  get ahead(): boolean {
    return this.#offset > this.#reached;
  }

  /**
   * Takes the frame at the builder's place. `payload` must not change until `build`. Returns false, and takes nothing,
   * if the frame does not begin where the frames before it ended.
   */
  take(head: FrameHead, payload: Uint8Array): boolean {
    const skip = this.#offset - head.offset;
    // Only a position inside an entry needs a skip, and only before the first output.
    if (skip < 0 || (skip > 0 && (!isOutput(head.kind) || !this.empty))) return false;
    this.#place = head.next;
    this.#reached = head.nextOffset;
    if (skip > 0 && skip >= head.length) return true;
    const last = this.#runs.at(-1);
    const bytes = head.length - skip;
    const isMore = last !== undefined && last.kind === head.kind && isOutput(head.kind);
    if (isMore && head.time - last.time <= this.#mergeMs) {
      last.next = head.next;
      last.bytes += bytes;
    } else {
      this.#runs.push({ kind: head.kind, time: head.time, offset: head.offset + skip, next: head.next, bytes });
    }
    this.#parts.push(skip === 0 ? payload : payload.subarray(skip));
    this.#bytes += bytes;
    if (isOutput(head.kind)) this.#offset += bytes;
    return true;
  }

  build(headroom: number, complete: boolean, memory: PageMemory): BuiltPage {
    const buffer = memory.allocate(this.#bytes + headroom * this.#runs.length);
    const entries: Entry[] = [];
    let at = 0;
    let part = 0;
    for (const run of this.#runs) {
      const start = at + headroom;
      at = start;
      const end = start + run.bytes;
      do {
        const payload = this.#parts[part];
        if (payload === undefined) break;
        buffer.set(payload, at);
        at += payload.length;
        part += 1;
      } while (at < end);
      entries.push({
        kind: run.kind,
        time: run.time,
        offset: run.offset,
        next: run.next,
        bytes: buffer.subarray(start, end),
      });
    }
    return new BuiltPage(this.#from, this.next, entries, complete, buffer, memory);
  }
}

/**
 * Feeds `builder` with the frames of `block`, whose first byte must be that of the frame at `builder.place`, up to the
 * first boundary at or after `until`. Returns the bytes that the next frame needs if it is cut, 0 if `until` was
 * reached, and -1 if the next frame is invalid.
 */
export function takeFrames(builder: PageBuilder, block: Buffer, filled: number, tag: number, until: number): number {
  let at = 0;
  while (builder.place < until) {
    if (filled - at < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
    const head = readFrameHeader(block, at, builder.place, tag);
    if (head === undefined) return -1;
    const payload = at + FRAME_HEADER_BYTES;
    const end = payload + head.length;
    if (end > filled) return FRAME_HEADER_BYTES + head.length;
    if (!frameIsWhole(block, at, head) || !builder.take(head, block.subarray(payload, end))) return -1;
    at = end;
  }
  return 0;
}
