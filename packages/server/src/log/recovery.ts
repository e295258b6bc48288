// Reads the segments of a log whose writer is gone, and cuts a torn entry off the end. Appends nothing.

import { closeSync, constants, ftruncateSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Epoch, invariant } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, type FrameHead, frameTag } from './frame.ts';
import type { Head } from './log.ts';
import { type Extent, findEnd, nextValid, runSync } from './scan.ts';
import {
  damagedLog,
  encodeIndex,
  encodeSegmentHeader,
  fileSize,
  INDEX_STEP_BYTES,
  type IndexRecord,
  indexPath,
  listSegments,
  openFile,
  readSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentPath,
  writeFully,
} from './segment.ts';

export type WrittenSegment = SegmentHeader;

export interface RecoveredLog {
  readonly epoch: Epoch;
  readonly segments: WrittenSegment[];
  /** Descriptor of the last segment, open for writing. */
  readonly fd: number;
  readonly head: Head;
  /** Maximum time of all entries, in milliseconds. */
  readonly latest: number;
  readonly cutBytes: number;
}

/** Recovers the log in `dir`. Throws `log_damaged` without a segment, and if no header names the epoch. */
export function recoverSegments(dir: string): RecoveredLog {
  const bases = listSegments(dir);
  dropUnbegun(dir, bases);
  sweepIndexes(dir, bases);
  const segments = readHeaders(dir, bases);
  const last = segments.at(-1);
  invariant(last !== undefined, 'readHeaders throws when there is none.');
  const fd = openFile(segmentPath(dir, last.base), 'write');
  try {
    // All of the last segment is verified, not only its end: after a power loss a hole may be anywhere in it.
    const size = fileSize(fd);
    const extent: Extent = {
      base: last.base,
      tag: frameTag(last.epoch),
      end: last.base + Math.max(0, size - SEGMENT_HEADER_BYTES),
    };
    const records: IndexRecord[] = [];
    let latest = last.timeBefore;
    let nextIndexed = last.base;
    let head: Head = { place: last.base, offset: last.baseOffset };
    runSync(
      findEnd(extent, last.base, (frame: FrameHead) => {
        if (frame.place >= nextIndexed) {
          records.push({ place: frame.place, offset: frame.offset, timeBefore: latest });
          nextIndexed = frame.place + INDEX_STEP_BYTES;
        }
        latest = Math.max(latest, frame.time);
        head = { place: frame.next, offset: frame.nextOffset };
      }),
      fd,
    );
    const cutBytes = extent.end - head.place;
    if (cutBytes > 0) ftruncateSync(fd, head.place - last.base + SEGMENT_HEADER_BYTES);
    writeIndex(indexPath(dir, last.base), records);
    return { epoch: last.epoch, segments, fd, head, latest, cutBytes };
  } catch (cause) {
    closeSync(fd);
    throw cause;
  }
}

// A writer that died between creating a segment and writing its header left a file that never had an entry.
function dropUnbegun(dir: string, bases: number[]): void {
  const last = bases.at(-1);
  if (last === undefined || bases.length === 1) return;
  const path = segmentPath(dir, last);
  const fd = openFile(path, 'read');
  const begun = fileSize(fd) > SEGMENT_HEADER_BYTES || readSegmentHeader(fd, last) !== undefined;
  closeSync(fd);
  if (begun) return;
  rmSync(path);
  bases.pop();
}

// A crash between the removals of a segment's data and of its index leaves the index.
function sweepIndexes(dir: string, bases: readonly number[]): void {
  const expected = new Set(bases.map((base) => indexPath(dir, base)));
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (/^\d{16}\.idx$/.test(name) && !expected.has(path)) rmSync(path, { force: true });
  }
}

function readHeaders(dir: string, bases: readonly number[]): WrittenSegment[] {
  const headers = bases.map((base) => {
    const fd = openFile(segmentPath(dir, base), 'read');
    const header = readSegmentHeader(fd, base);
    closeSync(fd);
    return header;
  });
  return bases.map((base, i) => {
    const header = headers[i];
    if (header !== undefined) return header;
    const neighbour = headers[i - 1] ?? headers.find((other) => other !== undefined);
    if (neighbour === undefined) throw damagedLog('No segment header of the log is readable.', { dir });
    return repairHeader(dir, base, neighbour);
  });
}

// The frames supply the content of a damaged header: the epoch of a neighbour, the base from the file name, the offset
// of the first valid frame.
function repairHeader(dir: string, base: number, neighbour: SegmentHeader): WrittenSegment {
  const fd = openFile(segmentPath(dir, base), 'write');
  try {
    const end = base + Math.max(0, fileSize(fd) - SEGMENT_HEADER_BYTES);
    const tag = frameTag(neighbour.epoch);
    // From one place before the base, so that the frame at the base itself is found.
    const first = end - base < FRAME_HEADER_BYTES ? undefined : runSync(nextValid({ base, tag, end }, base - 1), fd);
    const header: SegmentHeader = {
      epoch: neighbour.epoch,
      base,
      baseOffset: first?.offset ?? neighbour.baseOffset,
      timeBefore: neighbour.timeBefore,
    };
    writeFully(fd, encodeSegmentHeader(header), 0);
    return header;
  } finally {
    closeSync(fd);
  }
}

function writeIndex(path: string, records: readonly IndexRecord[]): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  try {
    const fd = openSync(path, flags, 0o600);
    writeFileSync(fd, encodeIndex(records));
    closeSync(fd);
  } catch {
    // On a full disk the log works without an index, and its readers scan more.
  }
}
