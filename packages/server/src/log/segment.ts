// Segment files by name and header: the content of a log's directory.

import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { BinnacleError, type Epoch, parseEpoch } from '@binnacle/protocol';
import { readU64, writeU64 } from './frame.ts';

/**
 * Header, little-endian: 0 magic "BLG" · 3 version u8 · 4 epoch, 32 bytes padded with zeros · 36 base place u64 ·
 * 44 base offset u64 · 52 time f64 · 60 crc32 of the 60 bytes before.
 */
export const SEGMENT_HEADER_BYTES = 64;
/** Bytes of log per index record, approximately: a search reads no more than this and one entry. */
export const INDEX_STEP_BYTES = 256 * 1024;

export interface SegmentHeader {
  readonly epoch: Epoch;
  /** Place of the first byte after the header. */
  readonly base: number;
  /** Output offset there. */
  readonly baseOffset: number;
  /** Maximum time of all entries of the log before this segment; 0 for the first segment. Milliseconds since 1970. */
  readonly timeBefore: number;
}

/**
 * A record of the sparse index: an entry that begins at `place`. All entries before it have times up to `timeBefore`.
 */
export interface IndexRecord {
  readonly place: number;
  readonly offset: number;
  readonly timeBefore: number;
}
/** Little-endian: 0 place u64 · 8 offset u64 · 16 time f64 · 24 zero u32 · 28 crc32 of the 28 bytes before. */
export const INDEX_RECORD_BYTES = 32;

const DATA_NAME = /^(\d{16})\.log$/;
// 16 digits hold every place below 2^53, and names then sort by place.
const stem = (base: number): string => base.toString().padStart(16, '0');
export const segmentPath = (dir: string, base: number): string => join(dir, `${stem(base)}.log`);
export const indexPath = (dir: string, base: number): string => join(dir, `${stem(base)}.idx`);

/** Returns the base places of the segments in `dir`, ascending; none if the directory does not exist. */
export function listSegments(dir: string): number[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return [];
    throw cause;
  }
  return names
    .flatMap((name) => DATA_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.write('BLG\x01', 0, 'latin1');
  bytes.write(header.epoch, 4, 32, 'latin1');
  writeU64(bytes, 36, header.base);
  writeU64(bytes, 44, header.baseOffset);
  bytes.writeDoubleLE(header.timeBefore, 52);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Decodes the header of the segment at `base`. Returns undefined for any other bytes. */
export function decodeSegmentHeader(bytes: Buffer, base: number): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.toString('latin1', 0, 4) !== 'BLG\x01') return undefined;
  if (bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60)) || readU64(bytes, 36) !== base) return undefined;
  const epoch = parseEpoch(bytes.toString('latin1', 4, 36).replace(/\0+$/, ''));
  return { epoch, base, baseOffset: readU64(bytes, 44), timeBefore: bytes.readDoubleLE(52) };
}

export function readSegmentHeader(fd: number, base: number): SegmentHeader | undefined {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const count = readSync(fd, bytes, 0, SEGMENT_HEADER_BYTES, 0);
  return decodeSegmentHeader(bytes.subarray(0, count), base);
}

/** Creates the log's directory, readable by its owner alone. */
export function makeLogDir(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
}

// O_NOFOLLOW and O_EXCL: a link that an attacker created in the directory is neither followed nor written through.
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
export const createFile = (path: string): number => openSync(path, CREATE, 0o600);
export const openFile = (path: string, access: 'read' | 'write'): number =>
  openSync(path, (access === 'read' ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NOFOLLOW);

/** Creates a segment with its header and returns its descriptor. Leaves no file after a failure. */
export function createSegment(dir: string, header: SegmentHeader): number {
  const path = segmentPath(dir, header.base);
  const fd = createFile(path);
  try {
    writeFully(fd, encodeSegmentHeader(header), 0);
    return fd;
  } catch (cause) {
    closeSync(fd);
    rmSync(path, { force: true });
    throw cause;
  }
}

/** Writes all of `bytes`, by several calls if needed: a full disk takes a part before it answers with an error. */
export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

export function encodeIndexRecord(target: Buffer, at: number, place: number, offset: number, timeBefore: number): void {
  writeU64(target, at, place);
  writeU64(target, at + 8, offset);
  target.writeDoubleLE(timeBefore, at + 16);
  target.writeUInt32LE(0, at + 24);
  target.writeUInt32LE(crc32(target.subarray(at, at + 28)), at + 28);
}

export function encodeIndex(records: readonly IndexRecord[]): Buffer {
  const bytes = Buffer.alloc(records.length * INDEX_RECORD_BYTES);
  records.forEach((record, i) => {
    encodeIndexRecord(bytes, i * INDEX_RECORD_BYTES, record.place, record.offset, record.timeBefore);
  });
  return bytes;
}

/**
 * Returns the valid records of a segment's index before `end`, ascending. Missing and damaged records are left out: the
 * index only shortens a scan, and the frames themselves are authoritative.
 */
export function readIndex(dir: string, base: number, end: number): IndexRecord[] {
  let bytes: Buffer;
  try {
    const fd = openFile(indexPath(dir, base), 'read');
    try {
      bytes = readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (cause instanceof Error) return []; // without a readable index the scan is longer
    throw cause;
  }
  const records: IndexRecord[] = [];
  let place = base - 1;
  for (let at = 0; at + INDEX_RECORD_BYTES <= bytes.length; at += INDEX_RECORD_BYTES) {
    if (bytes.readUInt32LE(at + 28) !== crc32(bytes.subarray(at, at + 28))) continue;
    const record = {
      place: readU64(bytes, at),
      offset: readU64(bytes, at + 8),
      timeBefore: bytes.readDoubleLE(at + 16),
    };
    if (record.place <= place || record.place >= end) continue;
    records.push(record);
    place = record.place;
  }
  return records;
}

export const fileSize = (fd: number): number => fstatSync(fd).size;

export function isErrno(cause: unknown, ...codes: string[]): cause is NodeJS.ErrnoException {
  return cause instanceof Error && 'code' in cause && codes.includes(String(cause.code));
}

export const damagedLog = (message: string, details: Record<string, unknown>): BinnacleError =>
  new BinnacleError('log_damaged', { message, details });
