// One framed entry as stored on disk: header, checksum, payload.

import { crc32 } from 'node:zlib';
import { type EntryKind, isOutput, KINDS, kindName } from '@binnacle/protocol';
import { MAX_ENTRY_BYTES } from './log.ts';

/**
 * Header, little-endian: 0 crc32 u32 over all that follows, payload included · 4 payload length u32 · 8 kind u8 ·
 * 9 version u8 · 10 magic u16 · 12 tag u32 of the epoch · 16 time f64 in ms · 24 output offset u64 · 32 own place u64.
 */
export const FRAME_HEADER_BYTES = 40;
export const MAX_FRAME_BYTES = FRAME_HEADER_BYTES + MAX_ENTRY_BYTES;
/** The bytes of the version and the magic as stored on disk, for a search. */
export const FRAME_MAGIC = Buffer.from([1, 0xb1, 0x0c]);
/** Offset of `FRAME_MAGIC` in a frame. */
export const FRAME_MAGIC_AT = 9;
const VERSION = 1;
const MAGIC = 0x0cb1;

export interface FrameHead {
  readonly kind: EntryKind;
  /** Payload bytes. */
  readonly length: number;
  readonly time: number;
  readonly offset: number;
  readonly place: number;
  /** Place directly after the frame. */
  readonly next: number;
  /** Output offset directly after the frame. */
  readonly nextOffset: number;
}

/**
 * Returns the tag that every frame of an epoch contains. Program output could imitate a frame at exactly its place, and
 * after a power loss a disk may return blocks of a deleted log. Neither contains the tag of this epoch, so neither is
 * taken for a frame of this log.
 */
export const frameTag = (epoch: string): number => crc32(epoch);

/** Writes the header, without the checksum, to the front of `target`. */
export function writeFrameHeader(
  target: Buffer,
  kind: EntryKind,
  length: number,
  tag: number,
  time: number,
  offset: number,
  place: number,
): void {
  target.writeUInt32LE(length, 4);
  target[8] = KINDS[kind];
  target[9] = VERSION;
  target.writeUInt16LE(MAGIC, 10);
  target.writeUInt32LE(tag, 12);
  target.writeDoubleLE(time, 16);
  writeU64(target, 24, offset);
  writeU64(target, 32, place);
}

/**
 * Writes the checksum. `rest` is the header after the checksum, with or without the payload; `payload` is the payload
 * if `rest` is without it.
 */
export function sealFrame(target: Buffer, rest: Uint8Array, payload?: Uint8Array): void {
  const sum = crc32(rest);
  target.writeUInt32LE(payload === undefined ? sum : crc32(payload, sum), 0);
}

/**
 * Reads the header at `at` in `block`, which must contain `FRAME_HEADER_BYTES` there. Returns undefined unless it is
 * the header of a frame at `place`. Does not verify the checksum: see `frameIsWhole`.
 */
export function readFrameHeader(block: Buffer, at: number, place: number, tag: number): FrameHead | undefined {
  const kind = kindName(block.readUInt8(at + 8));
  if (kind === undefined || block[at + 9] !== VERSION || block.readUInt16LE(at + 10) !== MAGIC) return undefined;
  const length = block.readUInt32LE(at + 4);
  if (length > MAX_ENTRY_BYTES || block.readUInt32LE(at + 12) !== tag || readU64(block, at + 32) !== place) {
    return undefined;
  }
  const offset = readU64(block, at + 24);
  return {
    kind,
    length,
    time: block.readDoubleLE(at + 16),
    offset,
    place,
    next: place + FRAME_HEADER_BYTES + length,
    nextOffset: isOutput(kind) ? offset + length : offset,
  };
}

/** Returns whether the frame of `head` at `at` matches its checksum. All of the frame must be in `block`. */
export const frameIsWhole = (block: Buffer, at: number, head: FrameHead): boolean =>
  block.readUInt32LE(at) === crc32(block.subarray(at + 4, at + FRAME_HEADER_BYTES + head.length));

// Two 32-bit halves: values stay below 2^53, and BigInt would allocate on the hot path.
export function writeU64(target: Buffer, at: number, value: number): void {
  target.writeUInt32LE(value >>> 0, at);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Reads an unsigned 64-bit number. Damaged bytes may give a number above 2^53, which equals no place and no offset. */
export const readU64 = (source: Buffer, at: number): number =>
  source.readUInt32LE(at) + source.readUInt32LE(at + 4) * 0x1_0000_0000;
