// The segments of one log that a reader knows, and their headers. `refresh` finds new and removed segments.

import { BinnacleError, type Epoch, invariant } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, frameTag } from './frame.ts';
import type { Head } from './log.ts';
import { type Extent, findEnd, frameAt, nextValid, runSync } from './scan.ts';
import {
  damagedLog,
  fileSize,
  isErrno,
  listSegments,
  readIndex,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentPath,
} from './segment.ts';
import type { SegmentFiles } from './segment-files.ts';

export interface KnownSegment {
  readonly base: number;
  readonly path: string;
  header: SegmentHeader | undefined;
}

export class SegmentList {
  readonly dir: string;
  readonly #files: SegmentFiles;
  readonly #fallbackEpoch: Epoch | undefined;
  /** Ascending. */
  #known: KnownSegment[];

  /** `epoch` is used if no header names one. Throws `session_gone` without a segment. */
  constructor(dir: string, files: SegmentFiles, epoch: Epoch | undefined) {
    this.dir = dir;
    this.#files = files;
    this.#fallbackEpoch = epoch;
    this.#known = [];
    this.refresh();
    if (this.#known.length === 0) throw new BinnacleError('session_gone', { message: 'The log was removed.' });
  }

  get first(): KnownSegment {
    const first = this.#known[0];
    invariant(first !== undefined, 'The constructor found a segment, and the last one is never forgotten.');
    return first;
  }

  get all(): readonly KnownSegment[] {
    return this.#known;
  }

  /** Lists the directory again. Returns true if the segments changed. */
  refresh(): boolean {
    const bases = listSegments(this.dir);
    if (bases.length === 0 && this.#known.length > 0) {
      throw new BinnacleError('session_gone', { message: 'The log was removed.' });
    }
    const before = new Map(this.#known.map((segment) => [segment.base, segment]));
    const same = bases.length === before.size && bases.every((base) => before.has(base));
    if (same) return false;
    this.#known = bases.map(
      (base) => before.get(base) ?? { base, path: segmentPath(this.dir, base), header: undefined },
    );
    const present = new Set(bases);
    for (const segment of before.values()) if (!present.has(segment.base)) this.#files.drop(segment.path);
    return true;
  }

  /** Drops the segments that end at or before `place`. */
  forgetBefore(place: number): void {
    for (;;) {
      const [first, second] = this.#known;
      if (first === undefined || second === undefined || second.base > place) return;
      this.#files.drop(first.path);
      this.#known.shift();
    }
  }

  /** Returns the index in `all` of the segment that contains `place`, -1 before the first. */
  indexOf(place: number): number {
    return lastIndex(this.#known.length, (i) => (this.#known[i]?.base ?? 0) <= place);
  }

  /** Returns the place directly after a segment: `headPlace` for the last segment that began before it. */
  endOf(index: number, headPlace: number): number {
    return Math.min(this.#known[index + 1]?.base ?? headPlace, headPlace);
  }

  /**
   * Returns the header of a segment. For a damaged header, infers it from the file name, the frames and the neighbours.
   * Throws `log_damaged` if the epoch is unknown, and the failures of `open`.
   */
  header(segment: KnownSegment): SegmentHeader {
    segment.header ??= this.#readHeader(segment) ?? this.#inferHeader(segment);
    return segment.header;
  }

  extent(index: number, headPlace: number): Extent {
    const segment = this.#known[index];
    invariant(segment !== undefined, 'The caller has the index from this list.');
    return {
      base: segment.base,
      tag: frameTag(this.header(segment).epoch),
      end: this.endOf(index, headPlace),
    };
  }

  /** Returns the epoch at a place: that of the last segment before it with a readable header. Throws `log_damaged`. */
  epochAt(place: number): Epoch {
    const before = this.#known.filter(({ base }) => base <= place).reverse();
    const epoch = firstOf(before, (segment) => this.#readHeader(segment))?.epoch ?? this.#fallbackEpoch;
    if (epoch === undefined) throw damagedLog('No segment header of the log is readable.', { dir: this.dir });
    return epoch;
  }

  /** Finds the end of the valid entries on disk. Only for a log without a writer. */
  findHead(): { readonly head: Head; readonly epoch: Epoch } {
    this.refresh();
    for (let i = this.#known.length - 1; i >= 0; i -= 1) {
      const segment = this.#known[i];
      invariant(segment !== undefined, 'The index is in range.');
      const end = this.#dataEnd(segment);
      if (end === undefined && i > 0) continue; // created by a writer that died before it wrote the header
      return { head: this.#findEnd(segment, end ?? segment.base), epoch: this.header(segment).epoch };
    }
    throw damagedLog('The log has no segment.', { dir: this.dir });
  }

  #findEnd(segment: KnownSegment, end: number): Head {
    const { baseOffset, epoch } = this.header(segment);
    let head: Head = { place: segment.base, offset: baseOffset };
    if (end - segment.base < FRAME_HEADER_BYTES) return head;
    const extent: Extent = { base: segment.base, tag: frameTag(epoch), end };
    return this.#withFile(segment, (fd) => {
      const records = readIndex(this.dir, segment.base, end).reverse();
      const start = records.find((record) => runSync(frameAt(extent, record.place), fd) !== undefined);
      const visit = (frame: { next: number; nextOffset: number }): void => {
        head = { place: frame.next, offset: frame.nextOffset };
      };
      runSync(findEnd(extent, start?.place ?? segment.base, visit), fd);
      return head;
    });
  }

  /** Returns the place directly after the file's last byte; undefined if the file is shorter than a header. */
  #dataEnd(segment: KnownSegment): number | undefined {
    return this.#withFile(segment, (fd) => {
      const size = fileSize(fd);
      return size < SEGMENT_HEADER_BYTES ? undefined : segment.base + size - SEGMENT_HEADER_BYTES;
    });
  }

  #readHeader(segment: KnownSegment): SegmentHeader | undefined {
    return this.#withFile(segment, (fd) => readSegmentHeader(fd, segment.base));
  }

  #inferHeader(segment: KnownSegment): SegmentHeader {
    const { base } = segment;
    const at = this.#known.indexOf(segment);
    const neighbours = [...this.#known.slice(0, at).reverse(), ...this.#known.slice(at + 1)];
    const near = firstOf(neighbours, (other) => other.header ?? this.#readHeader(other));
    const epoch = near?.epoch ?? this.#fallbackEpoch;
    if (epoch === undefined) throw damagedLog('No segment header of the log is readable.', { dir: this.dir });
    const end = this.#dataEnd(segment) ?? base;
    // From one place before the base, so that a frame at the base itself is found.
    const first =
      end - base < FRAME_HEADER_BYTES
        ? undefined
        : this.#withFile(segment, (fd) => runSync(nextValid({ base, tag: frameTag(epoch), end }, base - 1), fd));
    return { epoch, base, baseOffset: first?.offset ?? 0, timeBefore: near?.timeBefore ?? 0 };
  }

  #withFile<T>(segment: KnownSegment, use: (fd: number) => T): T {
    const file = this.#files.acquire(segment.path);
    try {
      return use(file.fd);
    } finally {
      this.#files.release(file);
    }
  }
}

/**
 * Returns the last index below `count` for which `holds` is true, or -1, by binary search. `holds` must be true up to
 * some index and false after it.
 */
export function lastIndex(count: number, holds: (index: number) => boolean): number {
  let low = -1;
  let high = count - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function firstOf<A, B>(items: readonly A[], find: (item: A) => B | undefined): B | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

export const isMissing = (cause: unknown): boolean => isErrno(cause, 'ENOENT');
