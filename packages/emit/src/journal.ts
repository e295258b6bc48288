// The buffer of one life of an emitter on disk: records appended to segments, read back when they are sent, removed by
// whole segments. A torn last record is cut.

import { closeSync, ftruncateSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { EventHead } from './fields.ts';
import { readRegular } from './regular-file.ts';

/** Place of a record. */
export interface RecordPlace {
  readonly segment: number;
  readonly at: number;
  readonly length: number;
}

export interface JournalEvent {
  readonly id: string;
  readonly seq: number;
  readonly head: EventHead;
  readonly output: Uint8Array;
}

/** Contents of an earlier process's journal. */
export interface RecoveredJournal {
  /** By session, each in the order of `seq`. */
  readonly events: ReadonlyMap<string, readonly RecoveredEvent[]>;
  /** Unreadable bytes, without a torn last record, which was never confirmed. */
  readonly damagedBytes: number;
}
export interface RecoveredEvent {
  readonly seq: number;
  readonly size: number;
  readonly place: RecordPlace;
}

interface Segment {
  readonly path: string;
  fd: number;
  bytes: number;
  /** Records that are still needed. */
  needed: Set<RecordPlace>;
}

// length of what follows the checksum (4), crc32 of that (4), kind (1)
const PREFIX_BYTES = 8;
const EVENT = 1;
const DONE = 2;
const MIN_SEGMENT_BYTES = 256 * 1024;
const MAX_SEGMENT_BYTES = 16 * 1024 * 1024;
const SEGMENT = /^(\d{10})\.log$/;

export class Journal {
  private readonly dir: string;
  private readonly segmentBytes: number;
  private readonly segments: Map<number, Segment>;
  /** The segment that is appended to. */
  private active: number | null;
  private last: number;

  constructor(dir: string, bufferBytes: number) {
    this.dir = dir;
    this.segmentBytes = Math.max(MIN_SEGMENT_BYTES, Math.min(MAX_SEGMENT_BYTES, Math.floor(bufferBytes / 8)));
    this.segments = new Map();
    this.active = null;
    this.last = 0;
  }

  /** On disk, whether still needed or not. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.segments.values()) sum += bytes;
    return sum;
  }

  /** Stores the record beyond the life of the process. Throws errors of the file system; then nothing is stored. */
  append(event: JournalEvent): RecordPlace {
    const head = Buffer.from(JSON.stringify({ id: event.id, seq: event.seq, head: event.head }));
    const body = Buffer.allocUnsafe(4 + head.length + event.output.length);
    body.writeUInt32LE(head.length, 0);
    head.copy(body, 4);
    body.set(event.output, 4 + head.length);
    const place = this.write(EVENT, body);
    this.segments.get(place.segment)?.needed.add(place);
    return place;
  }

  /** Undefined where it cannot be read back. */
  read(place: RecordPlace): JournalEvent | undefined {
    try {
      return eventIn(this.bytesAt(place));
    } catch {
      return undefined;
    }
  }

  /** This session is delivered up to `seq`: a restart does not send it again. Frees `places`. */
  done(id: string, seq: number, places: Iterable<RecordPlace>): void {
    for (const place of places) {
      const segment = this.segments.get(place.segment);
      if (segment?.needed.delete(place) !== true || segment.needed.size > 0) continue;
      if (place.segment !== this.active || segment.bytes >= this.segmentBytes) this.remove(place.segment);
    }
    if (this.segments.size === 0) return;
    try {
      this.write(DONE, Buffer.from(JSON.stringify({ id, seq })));
    } catch {
      // Without this note the next process sends the event again, and the gateway finds the duplicate.
    }
  }

  /**
   * Moves the few needed records of large segments together. `moved` is called with each; the caller
   * then uses the new place.
   */
  compact(limit: number, moved: (id: string, seq: number, place: RecordPlace) => void): void {
    if (this.bytes <= limit) return;
    const [oldest] = this.segments;
    if (oldest === undefined || oldest[0] === this.active) return;
    const [number, segment] = oldest;
    for (const place of [...segment.needed]) {
      const event = this.read(place);
      if (event === undefined) return;
      moved(event.id, event.seq, this.append(event));
      segment.needed.delete(place);
    }
    this.remove(number);
  }

  /** Records that an earlier process left here. Later ones go to a new segment. */
  recover(): RecoveredJournal {
    const found = new Map<string, Map<number, RecoveredEvent>>();
    const done = new Map<string, number>();
    let damagedBytes = 0;
    const numbers = readdirSync(this.dir).flatMap((name) => SEGMENT.exec(name)?.[1] ?? []);
    for (const number of numbers.map(Number).sort((a, b) => a - b)) {
      this.last = number;
      const path = this.pathOf(number);
      const bytes = readRegular(path);
      const segment: Segment = { path, fd: -1, bytes: bytes.length, needed: new Set() };
      this.segments.set(number, segment);
      let at = 0;
      while (at < bytes.length) {
        const body = bodyAt(bytes, at);
        if (body === undefined) break;
        const place = { segment: number, at, length: PREFIX_BYTES + body.length };
        at += place.length;
        if (body[0] === DONE) {
          const { id, seq } = JSON.parse(body.toString('utf8', 1)) as { id: string; seq: number };
          done.set(id, Math.max(seq, done.get(id) ?? -1));
          continue;
        }
        const { id, seq, output } = eventIn(body);
        const events = found.get(id) ?? new Map<number, RecoveredEvent>();
        found.set(id, events);
        // A record that was moved stands twice where the process died in between.
        events.set(seq, { seq, size: output.length, place });
      }
      if (at < bytes.length && !isTorn(bytes, at)) damagedBytes += bytes.length - at;
    }
    const events = new Map<string, RecoveredEvent[]>();
    for (const [id, all] of found) {
      const after = done.get(id) ?? -1;
      const needed = [...all.values()].filter(({ seq }) => seq > after).sort((a, b) => a.seq - b.seq);
      if (needed.length === 0) continue;
      events.set(id, needed);
      for (const { place } of needed) this.segments.get(place.segment)?.needed.add(place);
    }
    for (const [number, { needed }] of [...this.segments]) if (needed.size === 0) this.remove(number);
    return { events, damagedBytes };
  }

  /** Closes the files. What is not needed any more goes. */
  close(): void {
    for (const [number, segment] of [...this.segments]) {
      if (segment.needed.size === 0) this.remove(number);
      else if (segment.fd >= 0) closeSync(segment.fd);
      segment.fd = -1;
    }
    this.active = null;
  }

  private write(kind: number, content: Buffer): RecordPlace {
    const record = Buffer.allocUnsafe(PREFIX_BYTES + 1 + content.length);
    record.writeUInt32LE(1 + content.length, 0);
    record[PREFIX_BYTES] = kind;
    content.copy(record, PREFIX_BYTES + 1);
    record.writeUInt32LE(crc32(record.subarray(PREFIX_BYTES)), 4);
    const [number, segment] = this.activeSegment();
    const at = segment.bytes;
    let written = 0;
    try {
      while (written < record.length)
        written += writeSync(segment.fd, record, written, record.length - written, at + written);
    } catch (error) {
      // A part of a record would hide all that follows it.
      if (written > 0) this.cut(segment, at);
      throw error;
    }
    segment.bytes = at + record.length;
    return { segment: number, at, length: record.length };
  }

  private cut(segment: Segment, at: number): void {
    try {
      ftruncateSync(segment.fd, at);
    } catch {
      this.active = null;
    }
  }

  private activeSegment(): [number, Segment] {
    const now = this.active === null ? undefined : this.segments.get(this.active);
    if (this.active !== null && now !== undefined && now.bytes < this.segmentBytes) return [this.active, now];
    const number = this.last + 1;
    const path = this.pathOf(number);
    const fd = openSync(path, 'wx+', 0o600);
    this.last = number;
    const before = this.active;
    this.active = number;
    const segment: Segment = { path, fd, bytes: 0, needed: new Set() };
    this.segments.set(number, segment);
    if (before !== null && now?.needed.size === 0) this.remove(before);
    return [number, segment];
  }

  private bytesAt({ segment: number, at, length }: RecordPlace): Buffer {
    const segment = this.segments.get(number);
    if (segment === undefined) throw new Error('The segment is gone.');
    if (segment.fd < 0) segment.fd = openSync(segment.path, 'r');
    const record = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const count = readSync(segment.fd, record, read, length - read, at + read);
      if (count === 0) break;
      read += count;
    }
    const body = bodyAt(record.subarray(0, read), 0);
    if (body === undefined) throw new Error('The record does not match its checksum.');
    return body;
  }

  private remove(number: number): void {
    const segment = this.segments.get(number);
    if (segment === undefined) return;
    this.segments.delete(number);
    if (this.active === number) this.active = null;
    try {
      if (segment.fd >= 0) closeSync(segment.fd);
      rmSync(segment.path, { force: true });
    } catch {
      // Left where it is, it is read and found to be done by the next process.
    }
  }

  private pathOf(number: number): string {
    return join(this.dir, `${String(number).padStart(10, '0')}.log`);
  }
}

/** Undefined where there is no whole record with a right checksum. */
function bodyAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + PREFIX_BYTES > bytes.length) return undefined;
  const end = at + PREFIX_BYTES + bytes.readUInt32LE(at);
  if (end > bytes.length || end === at + PREFIX_BYTES) return undefined;
  const body = bytes.subarray(at + PREFIX_BYTES, end);
  return crc32(body) === bytes.readUInt32LE(at + 4) ? body : undefined;
}

/** The file ends within this record. */
const isTorn = (bytes: Buffer, at: number): boolean =>
  at + PREFIX_BYTES > bytes.length || at + PREFIX_BYTES + bytes.readUInt32LE(at) > bytes.length;

function eventIn(body: Buffer): JournalEvent {
  const headEnd = 5 + body.readUInt32LE(1);
  const { id, seq, head } = JSON.parse(body.toString('utf8', 5, headEnd)) as Omit<JournalEvent, 'output'>;
  return { id, seq, head, output: body.subarray(headEnd) };
}
