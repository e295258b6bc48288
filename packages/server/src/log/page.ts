// Pages: what one read gives, put together from frames. Knows no file.

import { invariant, isOutput, type Kind, type Position } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, type FrameHead, frameIsWhole, readFrameHeader } from './frame.ts';
import type { Entry, Page } from './log.ts';

export interface PageOptions {
  /**
   * A page ends at the first entry at or behind a multiple of this place, so that readers at different places soon read
   * the same pages. Default 64 KiB: larger frames to a viewer gain nothing, smaller ones cost a system call each.
   */
  readonly pageBytes?: number;
  /** Bytes that are left free in front of each entry, for an encoder. Default 0. */
  readonly headroom?: number;
  /** Output of one kind becomes one entry where it came within so many ms. Default: whenever it came. */
  readonly mergeMs?: number;
}
export const PAGE_BYTES = 64 * 1024;

/** Place at which a page from `place` on ends at the latest, but for the rest of its last entry. */
export const pageEnd = (place: number, pageBytes: number): number => (Math.floor(place / pageBytes) + 1) * pageBytes;

/** Where pages get their memory. */
export interface PageMemory {
  allocate(bytes: number): Buffer;
  /** Nobody looks at it any more. */
  recycle?(memory: Buffer): void;
}

export class BuiltPage implements Page {
  readonly from: Position;
  readonly next: Position;
  readonly heldEntries: readonly Entry[];
  /** No later read from `from` gives more. */
  readonly complete: boolean;
  /** Memory that it holds, about. */
  readonly cost: number;
  /** A property, so that it can be passed on as a function. */
  readonly release: () => void;
  #made: Map<symbol, unknown> | undefined;
  #holders: number;
  #isKept: boolean;
  /** Until it is given back. */
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
    this.heldEntries = entries;
    this.complete = complete;
    // About 500 bytes of objects around an empty page, 150 around an entry: small pages must not look free.
    this.cost = 500 + entries.length * 150 + buffer.length;
    this.#made = undefined;
    this.#holders = 0;
    this.#isKept = false;
    this.#buffer = buffer;
    this.release = () => {
      this.#holders -= 1;
      if (this.#holders > 0 || this.#isKept || this.#buffer === undefined) return;
      // Nobody has used it: it may be promised to who has not held it yet.
      if (this.#made === undefined) return;
      memory.recycle?.(this.#buffer);
      this.#buffer = undefined;
    };
  }

  get entries(): readonly Entry[] {
    this.#check();
    this.#isKept = true;
    return this.heldEntries;
  }

  hold(): void {
    this.#check();
    this.#holders += 1;
  }

  /** Other bytes may stand there by now. */
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

/** A run of payloads that becomes one entry. */
interface Run {
  readonly kind: Kind;
  readonly time: number;
  readonly offset: number;
  next: number;
  bytes: number;
}

/**
 * Collects frames from a position on and turns them into a page. Frames must come in order; `skip` of the position is
 * taken off the first output.
 */
export class PageBuilder {
  readonly #from: Position;
  readonly #mergeMs: number;
  readonly #runs: Run[];
  /** Payloads, in order. Views of the blocks that were read. */
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

  /** Behind the frames taken so far. */
  get next(): Position {
    return { epoch: this.#from.epoch, place: this.#place, offset: this.#offset };
  }

  /** The position's offset lies behind all frames taken so far. */
  get ahead(): boolean {
    return this.#offset > this.#reached;
  }

  /**
   * Takes a frame that lies at the builder's place; `payload` must stay as it is until `build`. False, and nothing is
   * taken, when it does not go on where the frames before it ended.
   */
  take(head: FrameHead, payload: Uint8Array): boolean {
    const skip = this.#offset - head.offset;
    // Only from a position inside an entry on does anything have to be skipped; output before it is what is skipped.
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
 * Feeds `builder` the frames that lie in `block`, whose first byte is that of the frame at `builder.place`, up to the
 * first boundary at or behind `until`. Returns the bytes that the next frame needs if it is cut, 0 when `until` was
 * reached, -1 when the next frame is not valid.
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
