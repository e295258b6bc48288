// The growth of a log over time: from its index, and from its frames where the index is too coarse, within a time
// limit. Reads a small part of a large log.

import { type EntryKind, type Epoch, isOutput } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, type FrameHead } from './frame.ts';
import type { Head } from './log.ts';
import { type Reads, walk } from './scan.ts';
import { readIndex, SEGMENT_HEADER_BYTES } from './segment.ts';
import { SegmentFiles } from './segment-files.ts';
import { isGone, SegmentList } from './segment-list.ts';
import { inFile } from './segment-search.ts';

/** Maximum bytes of a log that is always read completely. */
const SMALL_BYTES = 8 * 1024 * 1024;
/** Maximum entries other than output whose bodies are read: the newest ones. */
const MAX_TOLD = 2000;
/** Maximum bytes per body. A larger body has no use in one line of text. */
const MAX_BODY = 64 * 1024;

export interface ProgressAsk {
  /** Number of points in time. Times less than one step apart count as equal. */
  readonly points: number;
  /** End of the time. Default: the time of the last entry. */
  readonly to?: number;
  readonly withinMs: number;
}

/** Output bytes that were written between two times, in the order of the log. Times never decrease. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  readonly bytes: number;
}

/** An entry other than output. */
export interface Told {
  readonly kind: EntryKind;
  readonly time: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface Progress {
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  readonly spans: readonly Span[];
  readonly told: readonly Told[];
  readonly damaged: readonly { readonly time: number; readonly offset: number; readonly to: number }[];
  /** True if all entries were read: `told` and `damaged` are then complete. */
  readonly isWhole: boolean;
}

/** The part of a log between two records of the index. */
interface Piece {
  readonly segment: number;
  readonly start: Head;
  readonly end: Head;
  /** Maximum time of all entries before this piece. */
  readonly timeBefore: number;
  /** Maximum time of the entries of this piece, if known. */
  latest: number | undefined;
  looked: Looked | undefined;
}

interface Looked {
  readonly spans: readonly Span[];
  readonly told: readonly FrameHead[];
  /** End of the valid entries. */
  readonly stopped: Head;
  readonly first: number | undefined;
  readonly last: number;
}

/**
 * Returns the progress of the log in `dir`, whose ends are `oldest` and `head`. Throws `session_gone`, and the failures
 * of reads.
 */
export async function progressOf(
  dir: string,
  { epoch, oldest, head }: { readonly epoch: Epoch; readonly oldest: Head; readonly head: Head },
  ask: ProgressAsk,
): Promise<Progress> {
  const files = new SegmentFiles({ maxOpen: 4 });
  try {
    return await new Looking(new SegmentList(dir, files, epoch), files, { oldest, head }, ask).all();
  } finally {
    files.close();
  }
}

class Looking {
  readonly #segments: SegmentList;
  readonly #files: SegmentFiles;
  readonly #pieces: Piece[];
  readonly #until: number;
  readonly #ask: ProgressAsk;

  constructor(
    segments: SegmentList,
    files: SegmentFiles,
    { oldest, head }: { readonly oldest: Head; readonly head: Head },
    ask: ProgressAsk,
  ) {
    this.#segments = segments;
    this.#files = files;
    this.#ask = ask;
    this.#until = performance.now() + ask.withinMs;
    this.#pieces = [...piecesOf(segments, oldest, head)];
  }

  async all(): Promise<Progress> {
    const pieces = this.#pieces;
    const [first, last] = [pieces[0], pieces.at(-1)];
    if (first === undefined || last === undefined) return this.#nothing();
    // The first and the last piece regardless of the time limit: they determine `from` and `to`.
    await this.#look(last, Number.POSITIVE_INFINITY);
    if (first !== last) await this.#look(first, Number.POSITIVE_INFINITY);
    const from = first.looked?.first ?? first.timeBefore;
    const to = Math.max(from, last.looked?.last ?? last.timeBefore, this.#ask.to ?? 0);
    const stepMs = Math.max(1, Math.ceil((to - from + 1) / this.#ask.points));
    await this.#refine(stepMs);
    const told = pieces.flatMap((piece) => (piece.looked?.told ?? []).map((frame) => ({ piece, frame })));
    return {
      ...{ from, to, stepMs },
      spans: [...this.#spans(from)],
      told: await this.#bodies(told.slice(-MAX_TOLD)),
      damaged: pieces.flatMap(damageOf),
      isWhole: told.length <= MAX_TOLD && pieces.every(({ looked }) => looked !== undefined),
    };
  }

  #nothing(): Progress {
    const to = this.#ask.to ?? 0;
    return { from: to, to, stepMs: 1, spans: [], told: [], damaged: [], isWhole: true };
  }

  /** Reads pieces in order: first those that span several steps, then the newest. */
  async #refine(stepMs: number): Promise<void> {
    const pieces = this.#pieces;
    const bytes = (pieces.at(-1)?.end.place ?? 0) - (pieces[0]?.start.place ?? 0);
    const isSmall = bytes <= SMALL_BYTES;
    const wide = pieces.filter((piece) => widthOf(piece) > stepMs).sort((one, other) => widthOf(other) - widthOf(one));
    for (const piece of [...wide, ...[...pieces].reverse()]) {
      if (!isSmall && performance.now() > this.#until) return;
      await this.#look(piece, isSmall ? Number.POSITIVE_INFINITY : this.#until);
    }
  }

  /** Reads one piece. Leaves it unread after the time limit, and if retention removed it meanwhile. */
  async #look(piece: Piece, until: number): Promise<void> {
    if (piece.looked !== undefined) return;
    try {
      piece.looked = await this.#walk(piece, until);
      piece.latest ??= piece.looked?.last;
    } catch (cause) {
      if (!isGone(cause)) throw cause;
    }
  }

  async #walk({ segment, start, end, timeBefore }: Piece, until: number): Promise<Looked | undefined> {
    const extent = { ...this.#segments.extent(segment, end.place), end: end.place };
    const spans: { from: number; to: number; offset: number; bytes: number }[] = [];
    const told: FrameHead[] = [];
    let stopped = start;
    let first: number | undefined;
    let last = timeBefore;
    let isLate = false;
    const visit = (frame: FrameHead): boolean => {
      first ??= frame.time;
      last = Math.max(last, frame.time);
      stopped = { place: frame.next, offset: frame.nextOffset };
      if (isOutput(frame.kind)) {
        const span = spans.at(-1);
        // Output of one burst becomes one span.
        if (span !== undefined && last - span.from < 1) span.bytes += frame.length;
        else spans.push({ from: last, to: last, offset: frame.offset, bytes: frame.length });
      } else if (frame.kind !== 'input') {
        told.push(frame);
        if (told.length > 2 * MAX_TOLD) told.splice(0, MAX_TOLD);
      }
      isLate = performance.now() > until;
      return isLate;
    };
    await inFile(this.#segments, this.#files, segment, walk(extent, start.place, visit));
    return isLate ? undefined : { spans, told, stopped, first, last };
  }

  *#spans(from: number): Generator<Span> {
    let time = from;
    for (const piece of this.#pieces) {
      if (piece.looked !== undefined) {
        for (const span of piece.looked.spans) {
          time = Math.max(time, span.from);
          yield { ...span, from: time, to: time };
        }
        time = Math.max(time, piece.looked.last);
        continue;
      }
      const to = Math.max(time, piece.latest ?? time);
      const bytes = piece.end.offset - piece.start.offset;
      if (bytes > 0) yield { from: time, to, offset: piece.start.offset, bytes };
      time = to;
    }
  }

  async #bodies(told: readonly { readonly piece: Piece; readonly frame: FrameHead }[]): Promise<Told[]> {
    const all: Told[] = [];
    for (const { piece, frame } of told) {
      const { kind, time, offset, length } = frame;
      if (length > MAX_BODY) continue;
      const bytes = Buffer.alloc(length);
      try {
        await inFile(this.#segments, this.#files, piece.segment, this.#body(piece, frame, bytes));
        all.push({ kind, time, offset, bytes });
      } catch (cause) {
        if (!isGone(cause)) throw cause;
      }
    }
    return all;
  }

  *#body({ segment }: Piece, { place, length }: FrameHead, block: Buffer): Reads<number> {
    const base = this.#segments.all[segment]?.base ?? place;
    const position = place - base + SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES;
    return yield { block, at: 0, length, position };
  }
}

const widthOf = ({ looked, timeBefore, latest }: Piece): number =>
  looked === undefined ? (latest ?? timeBefore) - timeBefore : 0;

function damageOf({ looked, end }: Piece): Progress['damaged'] {
  if (looked === undefined || looked.stopped.place >= end.place) return [];
  return [{ time: looked.last, offset: looked.stopped.offset, to: end.offset }];
}

function* piecesOf(segments: SegmentList, oldest: Head, head: Head): Generator<Piece> {
  const starts: { segment: number; start: Head; timeBefore: number }[] = [];
  for (const [segment, known] of segments.all.entries()) {
    if (known.base >= head.place) break;
    const end = segments.endOf(segment, head.place);
    if (end <= oldest.place) continue;
    try {
      const { base, baseOffset, timeBefore } = segments.header(known);
      starts.push({ segment, start: { place: base, offset: baseOffset }, timeBefore });
      for (const record of readIndex(segments.dir, base, end)) {
        const { place, offset } = record;
        if (place > base) starts.push({ segment, start: { place, offset }, timeBefore: record.timeBefore });
      }
    } catch (cause) {
      if (!isGone(cause)) throw cause;
    }
  }
  for (const [n, { segment, start, timeBefore }] of starts.entries()) {
    const next = starts[n + 1];
    yield { segment, start, timeBefore, end: next?.start ?? head, latest: next?.timeBefore, looked: undefined };
  }
}
