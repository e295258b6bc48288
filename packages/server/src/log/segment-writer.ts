// Appends a log to segment files. No other code changes them, except the recovery.

import { closeSync, ftruncateSync, rmSync, writevSync } from 'node:fs';
import {
  BinnacleError,
  type EntryKind,
  type Epoch,
  invariant,
  isDiskFull,
  isOutput,
  parseEpoch,
} from '@binnacle/protocol';
import { DurableFiles } from './durable-files.ts';
import { FRAME_HEADER_BYTES, frameTag, sealFrame, writeFrameHeader } from './frame.ts';
import type { GroupSync } from './group-sync.ts';
import { type Head, type LogWriter, MAX_ENTRY_BYTES, type NewEntry, type RetentionRule } from './log.ts';
import { recoverSegments, type WrittenSegment } from './recovery.ts';
import {
  createFile,
  createSegment,
  encodeIndex,
  encodeIndexRecord,
  encodeSegmentHeader,
  INDEX_RECORD_BYTES,
  INDEX_STEP_BYTES,
  indexPath,
  isErrno,
  listSegments,
  makeLogDir,
  openFile,
  readIndex,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  writeFully,
} from './segment.ts';

export interface SegmentWriterOptions {
  /**
   * Bytes after which a new segment begins, at the next entry. Default 32 MiB: the unit of retention, and a log
   * reopened after a crash verifies one segment in 20 to 30 ms. An entry larger than this has a segment to itself.
   */
  readonly segmentBytes?: number;
  /**
   * Maximum bytes of the log: when a segment is complete, the oldest segments are removed until the next one has room.
   * The last complete segment stays, so two segments are always possible. Default: no maximum; see `trim`.
   */
  readonly retainBytes?: number;
  /** Syncs this log together with others. Without a group, it is synced at each new segment, at close and on demand. */
  readonly group?: GroupSync;
  /** Epoch of the log. Default: a random one for `create`, the one on disk for `open`. */
  readonly epoch?: Epoch;
}

/** The result of the recovery of a reopened log. */
export interface Recovery {
  /** Bytes of a torn entry that were cut off the end. No reader has ever learned of them. */
  readonly cutBytes: number;
}

/**
 * Maximum bytes of a payload that is copied after its header; a larger one is written from its place by `writev`. For 4
 * KiB the copy took 5.3 us and `writev` 6.2 us in one run; at 64 KiB they cost about the same, and the buffer would
 * only be larger.
 */
const STAGED_BYTES = 32 * 1024;

export class SegmentWriter implements LogWriter {
  readonly epoch: Epoch;
  readonly recovery: Recovery;
  readonly #dir: string;
  readonly #segmentBytes: number;
  readonly #retainBytes: number;
  readonly #group: GroupSync | undefined;
  readonly #durable: DurableFiles;
  readonly #tag: number;
  /** Oldest first; the last segment is the active one. */
  readonly #segments: WrittenSegment[];
  readonly #stage: Buffer;
  readonly #stageRest: Buffer;
  #fd: number;
  #indexFd: number | undefined;
  #head: Head;
  #synced: Head;
  /** Maximum time of all entries so far. */
  #latest: number;
  /** Place from which the next index record is due. */
  #nextIndexed: number;
  #dirty: boolean;
  #closed: boolean;

  /**
   * Creates `dir` (mode 0700) and an empty log in it. Throws `bad_data_dir` if it contains a log already, and
   * `disk_full` without room on the disk.
   */
  static create(dir: string, options: SegmentWriterOptions = {}): SegmentWriter {
    makeLogDir(dir);
    if (listSegments(dir).length > 0) {
      throw new BinnacleError('bad_data_dir', { message: `${dir} holds a log already.`, hint: 'Open it instead.' });
    }
    const epoch = options.epoch ?? freshEpoch();
    const first = { base: 0, baseOffset: 0, timeBefore: 0, epoch };
    const fd = wrapDiskFull(() => createSegment(dir, first));
    return new SegmentWriter(dir, options, epoch, [first], fd, { place: 0, offset: 0 }, first.timeBefore, 0, false);
  }

  /**
   * Opens a log whose writer is gone, and cuts a torn entry off its end. An `epoch` other than the one on disk begins a
   * new epoch: positions of the old one are refused from then on. Throws `log_damaged` if no header names the epoch.
   */
  static open(dir: string, options: SegmentWriterOptions = {}): SegmentWriter {
    const found = recoverSegments(dir);
    const { fd, head, latest, cutBytes } = found;
    const epoch = options.epoch ?? found.epoch;
    const writer = new SegmentWriter(dir, options, found.epoch, found.segments, fd, head, latest, cutBytes, true);
    if (epoch === found.epoch) return writer;
    writer.#beginEpoch(epoch);
    closeSync(writer.#fd);
    if (writer.#indexFd !== undefined) closeSync(writer.#indexFd);
    writer.#durable.abandon();
    options.group?.forget(writer);
    return SegmentWriter.open(dir, { ...options, epoch });
  }

  private constructor(
    dir: string,
    options: SegmentWriterOptions,
    epoch: Epoch,
    segments: WrittenSegment[],
    fd: number,
    head: Head,
    latest: number,
    cutBytes: number,
    reopened: boolean,
  ) {
    this.epoch = epoch;
    this.recovery = { cutBytes };
    this.#dir = dir;
    this.#segmentBytes = options.segmentBytes ?? 32 * 1024 * 1024;
    this.#retainBytes = options.retainBytes ?? Number.POSITIVE_INFINITY;
    this.#group = options.group;
    this.#tag = frameTag(epoch);
    this.#segments = segments;
    this.#stage = Buffer.allocUnsafe(FRAME_HEADER_BYTES + STAGED_BYTES);
    this.#stageRest = this.#stage.subarray(4, FRAME_HEADER_BYTES);
    this.#fd = fd;
    this.#head = head;
    this.#latest = latest;
    // The writes of an earlier process may be in the kernel only, so none of them counts as synced yet.
    this.#synced = reopened ? this.oldest : head;
    this.#durable = new DurableFiles(dir, reopened ? segments.map(({ base }) => segmentPath(dir, base)) : []);
    this.#indexFd = openIndex(indexPath(dir, this.#active.base), reopened);
    this.#nextIndexed = this.#active.base === head.place ? head.place : head.place + INDEX_STEP_BYTES;
    this.#dirty = true;
    this.#closed = false;
    this.#group?.mark(this);
  }

  get oldest(): Head {
    const first = this.#segments[0];
    invariant(first !== undefined, 'A log has at least one segment.');
    return { place: first.base, offset: first.baseOffset };
  }

  get head(): Head {
    return this.#head;
  }

  get synced(): Head {
    return this.#synced;
  }

  append(kind: EntryKind, bytes: Uint8Array, time: number): Head {
    const frameBytes = this.#makeRoom([{ kind, bytes }]);
    const { place, offset } = this.#head;
    writeFrameHeader(this.#stage, kind, bytes.length, this.#tag, time, offset, place);
    this.#write((start) => this.#writeStaged(bytes, frameBytes, start));
    return this.#advance(frameBytes, isOutput(kind) ? bytes.length : 0, time);
  }

  appendAll(entries: readonly NewEntry[], time: number): Head {
    const frames = Buffer.allocUnsafe(this.#makeRoom(entries));
    let { place, offset } = this.#head;
    let at = 0;
    for (const { kind, bytes } of entries) {
      const frame = frames.subarray(at, at + FRAME_HEADER_BYTES + bytes.length);
      writeFrameHeader(frame, kind, bytes.length, this.#tag, time, offset, place);
      frame.set(bytes, FRAME_HEADER_BYTES);
      sealFrame(frame, frame.subarray(4));
      at += frame.length;
      place += frame.length;
      if (isOutput(kind)) offset += bytes.length;
    }
    this.#write((start) => writeFully(this.#fd, frames, start));
    return this.#advance(frames.length, offset - this.#head.offset, time);
  }

  cut(head: Head): void {
    const { base } = this.#active;
    invariant(head.place >= base && head.place <= this.#head.place, 'Only the last segment can be cut.', { ...head });
    ftruncateSync(this.#fd, head.place - base + SEGMENT_HEADER_BYTES);
    // An index record after the cut would point into the middle of a later entry.
    const records = encodeIndex(readIndex(this.#dir, base, head.place));
    if (this.#indexFd !== undefined) {
      ftruncateSync(this.#indexFd, 0);
      writeFully(this.#indexFd, records, 0);
    }
    this.#nextIndexed = head.place;
    this.#head = head;
    this.#touch();
  }

  /**
   * Syncs all entries. Rejects with `disk_full` if the disk failed. From then on `synced` never changes: the kernel may
   * have dropped any of the later writes.
   */
  async sync(): Promise<Head> {
    if (this.#synced.place === this.#head.place && this.#durable.clean) return this.#synced;
    await this.#durable.sync(() => {
      const reached = this.#head;
      this.#dirty = false;
      return {
        fd: this.#fd,
        done: () => {
          this.#synced = reached;
        },
      };
    });
    return this.#synced;
  }

  trim(rule: RetentionRule): void {
    const { maxBytes = Number.POSITIVE_INFINITY, olderThan = Number.NEGATIVE_INFINITY } = rule;
    for (;;) {
      const [first, second] = this.#segments;
      if (first === undefined || second === undefined) return;
      const spare = this.#head.place - second.base >= maxBytes;
      if (!spare && second.timeBefore >= olderThan) return;
      this.#removeOldest(first);
    }
  }

  #trimToBounds(): void {
    while (this.#segments.length > 2) {
      const [first] = this.#segments;
      if (first === undefined || this.#head.place - first.base + this.#segmentBytes <= this.#retainBytes) return;
      this.#removeOldest(first);
    }
  }

  #removeOldest(first: WrittenSegment): void {
    const path = segmentPath(this.#dir, first.base);
    // Data first: an orphaned index is removed at the next open, but data without an index would cost scans.
    rmSync(path, { force: true });
    rmSync(indexPath(this.#dir, first.base), { force: true });
    this.#durable.forget(path);
    this.#segments.shift();
  }

  /** Syncs and closes. Rejects as `sync` does, after all files are closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#group?.forget(this);
    try {
      await this.sync();
    } finally {
      await this.#durable.close();
      closeSync(this.#fd);
      if (this.#indexFd !== undefined) closeSync(this.#indexFd);
    }
  }

  get #active(): WrittenSegment {
    const last = this.#segments.at(-1);
    invariant(last !== undefined, 'A log has at least one segment.');
    return last;
  }

  /**
   * Returns the bytes of the frames of `entries`. Begins a new segment if they do not fit: all of them go into one
   * segment.
   */
  #makeRoom(entries: readonly NewEntry[]): number {
    invariant(!this.#closed, 'The log is closed.');
    let frameBytes = 0;
    for (const { bytes } of entries) {
      invariant(bytes.length <= MAX_ENTRY_BYTES, 'The entry is too large.', { bytes: bytes.length });
      frameBytes += FRAME_HEADER_BYTES + bytes.length;
    }
    const filled = this.#head.place - this.#active.base;
    if (filled > 0 && filled + frameBytes > this.#segmentBytes) this.#roll();
    return frameBytes;
  }

  #advance(frameBytes: number, outputBytes: number, time: number): Head {
    const { place, offset } = this.#head;
    if (place >= this.#nextIndexed) this.#index(place, offset);
    if (time > this.#latest) this.#latest = time;
    this.#head = { place: place + frameBytes, offset: offset + outputBytes };
    this.#touch();
    return this.#head;
  }

  #touch(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#group?.mark(this);
  }

  // Positions are explicit, so the remains of a failed write are overwritten even if the truncation failed as well.
  #write(put: (start: number) => void): void {
    const start = this.#head.place - this.#active.base + SEGMENT_HEADER_BYTES;
    try {
      put(start);
    } catch (cause) {
      try {
        ftruncateSync(this.#fd, start);
      } catch {
        // The next append overwrites it, and an open after a crash cuts it off: it is no valid frame.
      }
      throw diskFull(cause);
    }
  }

  #writeStaged(bytes: Uint8Array, frameBytes: number, start: number): void {
    if (bytes.length <= STAGED_BYTES) {
      this.#stage.set(bytes, FRAME_HEADER_BYTES);
      const frame = this.#stage.subarray(0, frameBytes);
      sealFrame(frame, frame.subarray(4));
      writeFully(this.#fd, frame, start);
      return;
    }
    sealFrame(this.#stage, this.#stageRest, bytes);
    const header = this.#stage.subarray(0, FRAME_HEADER_BYTES);
    const done = writevSync(this.#fd, [header, bytes], start);
    if (done === frameBytes) return;
    if (done < FRAME_HEADER_BYTES) writeFully(this.#fd, header.subarray(done), start + done);
    const behind = Math.max(done, FRAME_HEADER_BYTES);
    writeFully(this.#fd, bytes.subarray(behind - FRAME_HEADER_BYTES), start + behind);
  }

  // If no new segment can be created, the old one grows: the append decides whether there is room.
  #roll(): void {
    const { place, offset } = this.#head;
    const next = { base: place, baseOffset: offset, timeBefore: this.#latest, epoch: this.epoch };
    let fd: number;
    try {
      fd = createSegment(this.#dir, next);
    } catch (cause) {
      invariant(!isErrno(cause, 'EEXIST'), 'Two writers append to one log.', { dir: this.#dir, place });
      return;
    }
    this.#durable.retire(this.#fd, segmentPath(this.#dir, this.#active.base));
    if (this.#indexFd !== undefined) closeSync(this.#indexFd);
    this.#fd = fd;
    this.#segments.push(next);
    this.#indexFd = openIndex(indexPath(this.#dir, place), false);
    this.#nextIndexed = place;
    this.#trimToBounds();
    // Callers of `sync` get the failure, because the next sync fails as well.
    this.sync().catch(() => undefined);
  }

  #index(place: number, offset: number): void {
    this.#nextIndexed = place + INDEX_STEP_BYTES;
    if (this.#indexFd === undefined) return;
    const record = Buffer.alloc(INDEX_RECORD_BYTES);
    encodeIndexRecord(record, 0, place, offset, this.#latest);
    try {
      writeFully(
        this.#indexFd,
        record,
        Math.floor((place - this.#active.base) / INDEX_STEP_BYTES) * INDEX_RECORD_BYTES,
      );
    } catch {
      // The index only shortens scans, and half a record does not match its checksum.
    }
  }

  // The new epoch begins with a new segment, because the segment header names the epoch.
  #beginEpoch(epoch: Epoch): void {
    const { place, offset } = this.#head;
    const header = { base: place, baseOffset: offset, timeBefore: this.#latest, epoch };
    wrapDiskFull(() => {
      if (this.#active.base === place) writeFully(this.#fd, encodeSegmentHeader(header), 0);
      else closeSync(createSegment(this.#dir, header));
    });
  }
}

function openIndex(path: string, exists: boolean): number | undefined {
  try {
    return exists ? openFile(path, 'write') : createFile(path);
  } catch {
    return undefined; // readers scan instead
  }
}

/** Returns a new random epoch. */
export function freshEpoch(): Epoch {
  return parseEpoch(crypto.randomUUID().replaceAll('-', '').slice(0, 16));
}

function diskFull(cause: unknown): BinnacleError {
  // An I/O error of the disk counts as a full disk: programs wait.
  if (isDiskFull(cause) || isErrno(cause, 'EIO')) return new BinnacleError('disk_full', { cause });
  return new BinnacleError('internal', { message: 'The log cannot be written.', cause });
}

function wrapDiskFull<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw diskFull(cause);
  }
}
