// Finds positions by offset and by time: first the segment, then the index record, then a bounded walk over frames.

import type { FrameHead } from './frame.ts';
import { type Extent, nextValid, type Reads, runAsync, walk } from './scan.ts';
import { type IndexRecord, readIndex } from './segment.ts';
import type { SegmentFiles } from './segment-files.ts';
import { lastIndex, type SegmentList } from './segment-list.ts';

/** A place and the output offset there. The offset may be inside the entry. */
export interface Spot {
  readonly place: number;
  readonly offset: number;
}

/** Finds the first place with `offset` output bytes before it, or the entry that contains that byte. */
export async function findOffset(
  segments: SegmentList,
  files: SegmentFiles,
  headPlace: number,
  offset: number,
): Promise<Spot> {
  // Strictly before, so that entries without output after byte `offset - 1` are not skipped.
  const inSegment = lastIndex(segments.all.length, (i) => headerAt(segments, i, headPlace).baseOffset < offset);
  const index = Math.max(0, inSegment);
  const extent = segments.extent(index, headPlace);
  const start = startOf(segments, extent, (record) => record.offset < offset);
  return await inFile(segments, files, index, offsetIn(extent, start, offset));
}

/** Finds the first entry at or after `time`; undefined if there is none. */
export async function findTime(
  segments: SegmentList,
  files: SegmentFiles,
  headPlace: number,
  time: number,
): Promise<Spot | undefined> {
  const all = segments.all;
  const first = Math.max(
    0,
    lastIndex(all.length, (i) => headerAt(segments, i, headPlace).timeBefore < time),
  );
  for (let index = first; index < all.length; index += 1) {
    const base = all[index]?.base ?? headPlace;
    if (base >= headPlace) return undefined;
    const extent = segments.extent(index, headPlace);
    const start = startOf(segments, extent, (record) => record.timeBefore < time);
    const spot = await inFile(
      segments,
      files,
      index,
      timeIn(extent, start, headerAt(segments, index, headPlace), time),
    );
    if (spot !== undefined) return spot;
  }
  return undefined;
}

/** The finding at a place without a valid frame. */
export type Verdict = 'boundary' | 'inside' | 'damaged';

/** Distinguishes an invalid position from a damaged entry, by a walk from the index record before the place. */
export async function inspectPlace(
  segments: SegmentList,
  files: SegmentFiles,
  index: number,
  headPlace: number,
  place: number,
): Promise<Verdict> {
  const extent = segments.extent(index, headPlace);
  const start = startOf(segments, extent, (record) => record.place <= place);
  return await inFile(segments, files, index, inspect(extent, start, place));
}

/** Runs reads on the file of a segment. */
export async function inFile<T>(
  segments: SegmentList,
  files: SegmentFiles,
  index: number,
  reads: Reads<T>,
): Promise<T> {
  const path = segments.all[index]?.path ?? '';
  const file = files.acquire(path);
  try {
    return await runAsync(reads, file.fd);
  } finally {
    files.release(file);
  }
}

// A segment that begins at the head may not have its header yet. It contains no entry that a search could find.
const BEYOND = { baseOffset: Number.POSITIVE_INFINITY, timeBefore: Number.POSITIVE_INFINITY };
function headerAt(segments: SegmentList, index: number, headPlace: number): typeof BEYOND {
  const segment = segments.all[index];
  return segment === undefined || segment.base >= headPlace ? BEYOND : segments.header(segment);
}

function startOf(segments: SegmentList, extent: Extent, before: (record: IndexRecord) => boolean): number {
  const records = readIndex(segments.dir, extent.base, extent.end);
  return records[lastIndex(records.length, (i) => before(records[i] ?? NOWHERE))]?.place ?? extent.base;
}
const NOWHERE: IndexRecord = { place: 0, offset: 0, timeBefore: 0 };

function* offsetIn(extent: Extent, start: number, offset: number): Reads<Spot> {
  let from = start;
  for (;;) {
    let spot: Spot | undefined;
    const stopped = yield* walk(extent, from, (head) => {
      if (head.nextOffset <= offset && head.offset < offset) return false;
      spot = { place: head.place, offset };
      return true;
    });
    if (spot !== undefined) return spot;
    const found: FrameHead | undefined = stopped >= extent.end ? undefined : yield* nextValid(extent, stopped);
    // Inside the damage, or after the last entry: a read from there reports which.
    if (found === undefined || found.offset > offset) return { place: stopped, offset };
    from = found.place;
  }
}

function* timeIn(
  extent: Extent,
  start: number,
  header: { readonly baseOffset: number },
  time: number,
): Reads<Spot | undefined> {
  let from = start;
  let offset = header.baseOffset;
  for (;;) {
    let spot: Spot | undefined;
    const stopped = yield* walk(extent, from, (head) => {
      offset = head.offset;
      if (head.time >= time) {
        spot = { place: head.place, offset };
        return true;
      }
      offset = head.nextOffset;
      return false;
    });
    if (spot !== undefined) return spot;
    if (stopped >= extent.end) return undefined;
    const found = yield* nextValid(extent, stopped);
    if (found === undefined) return undefined;
    // The requested entry may be in the damage: a read from the beginning of the damage reports it.
    if (found.time >= time) return { place: stopped, offset };
    from = found.place;
  }
}

function* inspect(extent: Extent, start: number, place: number): Reads<Verdict> {
  let from = start;
  for (;;) {
    let verdict: Verdict | undefined;
    const stopped = yield* walk(extent, from, (head) => {
      if (head.next <= place) return false;
      verdict = head.place === place ? 'boundary' : 'inside';
      return true;
    });
    if (verdict !== undefined) return verdict;
    if (stopped >= place) return 'damaged';
    const found = yield* nextValid(extent, stopped);
    if (found === undefined || found.place > place) return 'damaged';
    from = found.place;
  }
}
