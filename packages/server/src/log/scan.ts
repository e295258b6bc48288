// Walking over frames in a segment file: from boundary to boundary, and from damage to the next valid frame.
// Written once as generators that ask for bytes; the caller drives them at once or without blocking.

import { read as readCallback, readSync } from 'node:fs';
import {
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_MAGIC_AT,
  type FrameHead,
  frameIsWhole,
  readFrameHeader,
} from './frame.ts';
import { SEGMENT_HEADER_BYTES } from './segment.ts';

/** Asks for bytes at `position` of the file, into `block` from `at` on. Answered with their count; fewer at the end. */
export interface Wanted {
  readonly block: Buffer;
  readonly at: number;
  readonly length: number;
  readonly position: number;
}
export type Reads<T> = Generator<Wanted, T, number>;

/** The part of a segment file that holds frames. */
export interface Extent {
  readonly base: number;
  readonly tag: number;
  /** Place behind the last byte that may be looked at. */
  readonly end: number;
}

/** 64 KiB: a scan stops soon after it found what it wants, and a larger read is no cheaper per byte. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Reads and verifies frames from `place` on, until `visit` returns true, a frame is not valid or `extent.end` comes.
 * Returns the place where it stopped: that of the frame that `visit` wanted or that is not valid, or the end.
 */
export function* walk(extent: Extent, place: number, visit: (head: FrameHead) => boolean): Reads<number> {
  let block = Buffer.allocUnsafe(BLOCK_BYTES);
  let from = place; // place of the first byte in block
  let filled = 0;
  let at = place;
  let offset = -1;
  while (at < extent.end) {
    const have = from + filled - at;
    const head = have >= FRAME_HEADER_BYTES ? readFrameHeader(block, at - from, at, extent.tag) : undefined;
    const need = head === undefined ? FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + head.length;
    if (have < need) {
      if (at + need > extent.end) return at;
      const bigger = need > block.length ? Buffer.allocUnsafe(need) : block;
      block.copy(bigger, 0, at - from, filled);
      block = bigger;
      from = at;
      filled = have + (yield* fill(extent, block, have, at));
      if (filled < need) return at;
      continue;
    }
    if (head === undefined || (offset >= 0 && head.offset !== offset) || !frameIsWhole(block, at - from, head))
      return at;
    if (visit(head)) return at;
    at = head.next;
    offset = head.nextOffset;
  }
  return at;
}

/**
 * The first valid frame behind the damaged one at `place`. The length in its header is believed if a valid frame lies
 * behind it; otherwise every byte is looked at, so that no frame that is whole is given up.
 */
export function* nextValid(extent: Extent, place: number): Reads<FrameHead | undefined> {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  if ((yield* fill(extent, header, 0, place)) === FRAME_HEADER_BYTES) {
    const behind = readFrameHeader(header, 0, place, extent.tag)?.next;
    const found = behind === undefined ? undefined : yield* frameAt(extent, behind);
    if (found !== undefined) return found;
  }
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let from = place + 1;
  let kept = 0;
  for (;;) {
    const filled = kept + (yield* fill(extent, block, kept, from));
    const last = filled - FRAME_HEADER_BYTES;
    let at = block.indexOf(FRAME_MAGIC, FRAME_MAGIC_AT);
    for (; at >= 0 && at - FRAME_MAGIC_AT <= last; at = block.indexOf(FRAME_MAGIC, at + 1)) {
      const start = at - FRAME_MAGIC_AT;
      if (readFrameHeader(block, start, from + start, extent.tag) === undefined) continue;
      const found = yield* frameAt(extent, from + start);
      if (found !== undefined) return found;
    }
    if (filled < block.length) return undefined;
    kept = FRAME_HEADER_BYTES - 1; // a header may begin in the last bytes
    block.copy(block, 0, filled - kept, filled);
    from += filled - kept;
  }
}

/** Where valid frames end: behind the last one, damage inside skipped. What follows is a torn tail. */
export function* findEnd(extent: Extent, place: number, visit: (head: FrameHead) => void): Reads<number> {
  let end = place;
  let from = place;
  for (;;) {
    const stopped = yield* walk(extent, from, (head) => {
      visit(head);
      end = head.next;
      return false;
    });
    if (stopped >= extent.end) return end;
    const found = yield* nextValid(extent, stopped);
    if (found === undefined) return end;
    from = found.place;
  }
}

/** The valid frame that begins at `place`, if there is one. */
export function* frameAt(extent: Extent, place: number): Reads<FrameHead | undefined> {
  let found: FrameHead | undefined;
  yield* walk(extent, place, (head) => {
    found = head;
    return true;
  });
  return found;
}

function* fill(extent: Extent, block: Buffer, at: number, from: number): Reads<number> {
  const place = from + at;
  const length = Math.min(block.length - at, extent.end - place);
  if (length <= 0) return 0;
  return yield { block, at, length, position: place - extent.base + SEGMENT_HEADER_BYTES };
}

/** Runs it in this turn. For what was written a moment ago, or where nothing else can go on anyway. */
export function runSync<T>(reads: Reads<T>, fd: number): T {
  let step = reads.next();
  while (step.done !== true) step = reads.next(readAllSync(fd, step.value));
  return step.value;
}

/** Runs it on the thread pool. */
export async function runAsync<T>(reads: Reads<T>, fd: number): Promise<T> {
  let step = reads.next();
  while (step.done !== true) step = reads.next(await readAll(fd, step.value));
  return step.value;
}

function readAllSync(fd: number, wanted: Wanted): number {
  let done = 0;
  while (done < wanted.length) {
    const count = readSync(fd, wanted.block, wanted.at + done, wanted.length - done, wanted.position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

async function readAll(fd: number, wanted: Wanted): Promise<number> {
  let done = 0;
  while (done < wanted.length) {
    const count = await readOnce(fd, wanted, done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

const readOnce = (fd: number, { block, at, length, position }: Wanted, done: number): Promise<number> =>
  new Promise((resolve, reject) => {
    readCallback(fd, block, at + done, length - done, position + done, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
