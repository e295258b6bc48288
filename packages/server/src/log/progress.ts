// The growth of a log over time: from its index, and from its frames where the index is too coarse, within a time
// limit. Reads a small part of a large log.

import { type EntryKind, type Epoch, isOutput } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, type FrameHead } from './frame.ts';
import type { Head } from './log.ts';
import { type Reads, walk } from './scan.ts';
import { readIndex, SEGMENT_HEADER_BYTES } from './segment.ts';
import { SegmentFiles } from './segment-files.ts';
import { isMissing, SegmentList } from './segment-list.ts';
import { inFile } from './segment-search.ts';

/** Maximum bytes of a log that is always read completely. */
const SMALL_BYTES = 8 * 1024 * 1024;
/** Maximum entries other than output whose bodies are read: the newest ones. */
const MAX_EVENTS = 2000;
/** Maximum bytes per body. A larger body has no use in one line of text. */
const MAX_BODY = 64 * 1024;

export interface ProgressQuery {
  /** Number of points in time. Times less than one step apart count as equal. */
  readonly points: number;
  /** End of the time. Default: the time of the last entry. */
  readonly to?: number;
  readonly timeoutMs: number;
}

/** Output bytes that were written between two times, in the order of the log. Times never decrease. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  readonly bytes: number;
}

/** An entry other than output. */
export interface LoggedEvent {
  readonly kind: EntryKind;
  readonly time: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface LogProgress {
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  readonly spans: readonly Span[];
  readonly events: readonly LoggedEvent[];
  readonly damaged: readonly { readonly time: number; readonly offset: number; readonly to: number }[];
  /** True if all entries were read: `events` and `damaged` are then complete. */
  readonly isWhole: boolean;
}

/** The part of a log between two records of the index. */
interface LogRange {
  readonly segment: number;
  readonly start: Head;
  readonly end: Head;
  /** Maximum time of all entries before this piece. */
  readonly timeBefore: number;
  /** Maximum time of the entries of this piece, if known. */
  latest: number | undefined;
  scan: RangeScan | undefined;
}

interface RangeScan {
  readonly spans: readonly Span[];
  readonly events: readonly FrameHead[];
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
  query: ProgressQuery,
): Promise<LogProgress> {
  const files = new SegmentFiles({ maxOpen: 4 });
  try {
    return await new ProgressReader(new SegmentList(dir, files, epoch), files, { oldest, head }, query).all();
  } finally {
    files.close();
  }
}

class ProgressReader {
  readonly #segments: SegmentList;
  readonly #files: SegmentFiles;
  readonly #pieces: LogRange[];
  readonly #until: number;
  readonly #query: ProgressQuery;

  constructor(
    segments: SegmentList,
    files: SegmentFiles,
    { oldest, head }: { readonly oldest: Head; readonly head: Head },
    query: ProgressQuery,
  ) {
    this.#segments = segments;
    this.#files = files;
    this.#query = query;
    this.#until = performance.now() + query.timeoutMs;
    this.#pieces = [...piecesOf(segments, oldest, head)];
  }

  async all(): Promise<LogProgress> {
    const pieces = this.#pieces;
    const [first, last] = [pieces[0], pieces.at(-1)];
    if (first === undefined || last === undefined) return this.#nothing();
    // The first and the last piece regardless of the time limit: they determine `from` and `to`.
    await this.#scan(last, Number.POSITIVE_INFINITY);
    if (first !== last) await this.#scan(first, Number.POSITIVE_INFINITY);
    const from = first.scan?.first ?? first.timeBefore;
    const to = Math.max(from, last.scan?.last ?? last.timeBefore, this.#query.to ?? 0);
    const stepMs = Math.max(1, Math.ceil((to - from + 1) / this.#query.points));
    await this.#refine(stepMs);
    const events = pieces.flatMap((piece) => (piece.scan?.events ?? []).map((frame) => ({ piece, frame })));
    return {
      ...{ from, to, stepMs },
      spans: [...this.#spans(from)],
      events: await this.#bodies(events.slice(-MAX_EVENTS)),
      damaged: pieces.flatMap(damageOf),
      isWhole: events.length <= MAX_EVENTS && pieces.every(({ scan }) => scan !== undefined),
    };
  }

  #nothing(): LogProgress {
    const to = this.#query.to ?? 0;
    return { from: to, to, stepMs: 1, spans: [], events: [], damaged: [], isWhole: true };
  }

  /** Reads pieces in order: first those that span several steps, then the newest. */
  async #refine(stepMs: number): Promise<void> {
    const pieces = this.#pieces;
    const bytes = (pieces.at(-1)?.end.place ?? 0) - (pieces[0]?.start.place ?? 0);
    const isSmall = bytes <= SMALL_BYTES;
    const wide = pieces.filter((piece) => widthOf(piece) > stepMs).sort((one, other) => widthOf(other) - widthOf(one));
    for (const piece of [...wide, ...[...pieces].reverse()]) {
      if (!isSmall && performance.now() > this.#until) return;
      await this.#scan(piece, isSmall ? Number.POSITIVE_INFINITY : this.#until);
    }
  }

  /** Reads one piece. Leaves it unread after the time limit, and if retention removed it meanwhile. */
  async #scan(piece: LogRange, until: number): Promise<void> {
    if (piece.scan !== undefined) return;
    try {
      piece.scan = await this.#walk(piece, until);
      piece.latest ??= piece.scan?.last;
    } catch (cause) {
      if (!isMissing(cause)) throw cause;
    }
  }

  async #walk({ segment, start, end, timeBefore }: LogRange, until: number): Promise<RangeScan | undefined> {
    const extent = { ...this.#segments.extent(segment, end.place), end: end.place };
    const spans: { from: number; to: number; offset: number; bytes: number }[] = [];
    const events: FrameHead[] = [];
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
        events.push(frame);
        if (events.length > 2 * MAX_EVENTS) events.splice(0, MAX_EVENTS);
      }
      isLate = performance.now() > until;
      return isLate;
    };
    await inFile(this.#segments, this.#files, segment, walk(extent, start.place, visit));
    return isLate ? undefined : { spans, events, stopped, first, last };
  }

  *#spans(from: number): Generator<Span> {
    let time = from;
    for (const piece of this.#pieces) {
      if (piece.scan !== undefined) {
        for (const span of piece.scan.spans) {
          time = Math.max(time, span.from);
          yield { ...span, from: time, to: time };
        }
        time = Math.max(time, piece.scan.last);
        continue;
      }
      const to = Math.max(time, piece.latest ?? time);
      const bytes = piece.end.offset - piece.start.offset;
      if (bytes > 0) yield { from: time, to, offset: piece.start.offset, bytes };
      time = to;
    }
  }

  async #bodies(events: readonly { readonly piece: LogRange; readonly frame: FrameHead }[]): Promise<LoggedEvent[]> {
    const all: LoggedEvent[] = [];
    for (const { piece, frame } of events) {
      const { kind, time, offset, length } = frame;
      if (length > MAX_BODY) continue;
      const bytes = Buffer.alloc(length);
      try {
        await inFile(this.#segments, this.#files, piece.segment, this.#body(piece, frame, bytes));
        all.push({ kind, time, offset, bytes });
      } catch (cause) {
        if (!isMissing(cause)) throw cause;
      }
    }
    return all;
  }

  *#body({ segment }: LogRange, { place, length }: FrameHead, block: Buffer): Reads<number> {
    const base = this.#segments.all[segment]?.base ?? place;
    const position = place - base + SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES;
    return yield { block, at: 0, length, position };
  }
}

const widthOf = ({ scan, timeBefore, latest }: LogRange): number =>
  scan === undefined ? (latest ?? timeBefore) - timeBefore : 0;

function damageOf({ scan, end }: LogRange): LogProgress['damaged'] {
  if (scan === undefined || scan.stopped.place >= end.place) return [];
  return [{ time: scan.last, offset: scan.stopped.offset, to: end.offset }];
}

function* piecesOf(segments: SegmentList, oldest: Head, head: Head): Generator<LogRange> {
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
      if (!isMissing(cause)) throw cause;
    }
  }
  for (const [n, { segment, start, timeBefore }] of starts.entries()) {
    const next = starts[n + 1];
    yield { segment, start, timeBefore, end: next?.start ?? head, latest: next?.timeBefore, scan: undefined };
  }
}
