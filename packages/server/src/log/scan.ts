// Scans over frames in a segment file: from boundary to boundary, and from damage to the next valid frame. They are
// generators that yield the reads they need, so that a caller can run them synchronously or asynchronously.

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

/**
 * A request to read from `position` of the file into `block` at `at`. The answer is the byte count, which is smaller at
 * the end of the file.
 */
export interface BlockRead {
  readonly block: Buffer;
  readonly at: number;
  readonly length: number;
  readonly position: number;
}
export type Reads<T> = Generator<BlockRead, T, number>;

/** The part of a segment file that holds frames. */
export interface Extent {
  readonly base: number;
  readonly tag: number;
  /** Place directly after the last byte that may be read. */
  readonly end: number;
}

/** Bytes per read: 64 KiB, because a scan stops soon after a match, and a larger read is no cheaper per byte. */
const BLOCK_BYTES = 64 * 1024;

/**
 * Reads and verifies frames from `place` on, until `visit` returns true, a frame is invalid or `extent.end` is reached.
 * Returns the place where it stopped: that of the frame that `visit` accepted or that is invalid, or the end.
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
 * Finds the first valid frame after the damaged one at `place`. Uses the length in the damaged header if a valid frame
 * follows there; otherwise checks every byte, so that no whole frame is lost.
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
  let overlap = 0;
  for (;;) {
    const filled = overlap + (yield* fill(extent, block, overlap, from));
    const last = filled - FRAME_HEADER_BYTES;
    let at = block.indexOf(FRAME_MAGIC, FRAME_MAGIC_AT);
    for (; at >= 0 && at - FRAME_MAGIC_AT <= last; at = block.indexOf(FRAME_MAGIC, at + 1)) {
      const start = at - FRAME_MAGIC_AT;
      if (readFrameHeader(block, start, from + start, extent.tag) === undefined) continue;
      const found = yield* frameAt(extent, from + start);
      if (found !== undefined) return found;
    }
    if (filled < block.length) return undefined;
    overlap = FRAME_HEADER_BYTES - 1; // a header may begin in the last bytes
    block.copy(block, 0, filled - overlap, filled);
    from += filled - overlap;
  }
}

/** Returns the end of the last valid frame, and skips damage inside. The bytes after that end are a torn tail. */
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

/** Returns the valid frame that begins at `place`, if there is one. */
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

/** Runs reads synchronously: for bytes written a moment ago, and where nothing else can continue anyway. */
export function runSync<T>(reads: Reads<T>, fd: number): T {
  let step = reads.next();
  while (step.done !== true) step = reads.next(readAllSync(fd, step.value));
  return step.value;
}

/** Runs reads on the thread pool. */
export async function runAsync<T>(reads: Reads<T>, fd: number): Promise<T> {
  let step = reads.next();
  while (step.done !== true) step = reads.next(await readAll(fd, step.value));
  return step.value;
}

function readAllSync(fd: number, request: BlockRead): number {
  let done = 0;
  while (done < request.length) {
    const count = readSync(fd, request.block, request.at + done, request.length - done, request.position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

async function readAll(fd: number, request: BlockRead): Promise<number> {
  let done = 0;
  while (done < request.length) {
    const count = await readOnce(fd, request, done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

const readOnce = (fd: number, { block, at, length, position }: BlockRead, done: number): Promise<number> =>
  new Promise((resolve, reject) => {
    readCallback(fd, block, at + done, length - done, position + done, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
