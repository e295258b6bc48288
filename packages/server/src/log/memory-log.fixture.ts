// A log in memory, for tests. It answers like a log of segment files, and stores nothing on disk.

import { BinnacleError, type EntryKind, type Epoch, invariant, isOutput, type Position } from '@binnacle/protocol';
import { FRAME_HEADER_BYTES, type FrameHead } from './frame.ts';
import {
  AT_ONCE,
  type Head,
  type LogReader,
  type LogWriter,
  MAX_ENTRY_BYTES,
  type NewEntry,
  type Reading,
  type RetentionRule,
} from './log.ts';
import { PAGE_BYTES, PageBuilder, type PageOptions, pageEnd } from './page.ts';
import { checkOffset, checkPosition } from './position-range.ts';
import { lastIndex } from './segment-list.ts';
import { isDue, Waiters } from './waiters.ts';

const MEMORY = { allocate: Buffer.allocUnsafeSlow };

export interface MemoryLogOptions extends PageOptions {
  readonly epoch: Epoch;
  /** Bytes after which a new segment begins: the unit of retention. Default 32 MiB. */
  readonly segmentBytes?: number;
}

interface MemoryEntry {
  readonly head: FrameHead;
  readonly bytes: Uint8Array;
}

export class MemoryLog implements LogWriter, LogReader {
  readonly epoch: Epoch;
  readonly #pageBytes: number;
  readonly #headroom: number;
  readonly #segmentBytes: number;
  readonly #waiters: Waiters;
  /** Ascending, without the entries before `oldest`. */
  readonly #entries: MemoryEntry[];
  /** Beginnings of the segments, oldest first. */
  readonly #segments: Head[];
  #head: Head;
  #synced: Head;

  constructor(options: MemoryLogOptions) {
    this.epoch = options.epoch;
    this.#pageBytes = options.pageBytes ?? PAGE_BYTES;
    this.#headroom = options.headroom ?? 0;
    this.#segmentBytes = options.segmentBytes ?? 32 * 1024 * 1024;
    this.#waiters = new Waiters();
    this.#entries = [];
    this.#segments = [{ place: 0, offset: 0 }];
    this.#head = { place: 0, offset: 0 };
    this.#synced = this.#head;
  }

  get head(): Head {
    return this.#head;
  }

  get synced(): Head {
    return this.#synced;
  }

  get oldest(): Head {
    const first = this.#segments[0];
    invariant(first !== undefined, 'A log has at least one segment.');
    return first;
  }

  append(kind: EntryKind, bytes: Uint8Array, time: number): Head {
    return this.appendAll([{ kind, bytes }], time);
  }

  appendAll(entries: readonly NewEntry[], time: number): Head {
    let size = 0;
    for (const { bytes } of entries) {
      invariant(bytes.length <= MAX_ENTRY_BYTES, 'The entry is too large.', { bytes: bytes.length });
      size += FRAME_HEADER_BYTES + bytes.length;
    }
    const filled = this.#head.place - (this.#segments.at(-1)?.place ?? 0);
    if (filled > 0 && size + filled > this.#segmentBytes) this.#segments.push(this.#head);
    for (const { kind, bytes } of entries) {
      const { place, offset } = this.#head;
      const next = place + FRAME_HEADER_BYTES + bytes.length;
      const nextOffset = isOutput(kind) ? offset + bytes.length : offset;
      const head = { kind, length: bytes.length, time, offset, place, next, nextOffset };
      this.#entries.push({ head, bytes: Uint8Array.from(bytes) });
      this.#head = { place: next, offset: nextOffset };
    }
    this.#waiters.wake(this.#head.place, 0);
    return this.#head;
  }

  cut(head: Head): void {
    invariant(head.place >= (this.#segments.at(-1)?.place ?? 0), 'Only the last segment can be cut.', { ...head });
    while ((this.#entries.at(-1)?.head.next ?? 0) > head.place) this.#entries.pop();
    this.#head = head;
  }

  async sync(): Promise<Head> {
    this.#synced = this.#head;
    return this.#synced;
  }

  trim({ maxBytes = Number.POSITIVE_INFINITY, olderThan = Number.NEGATIVE_INFINITY }: RetentionRule): void {
    for (;;) {
      const second = this.#segments[1];
      if (second === undefined) return;
      const count = this.#entries.findIndex(({ head }) => head.place >= second.place);
      const old = this.#entries.slice(0, count).every(({ head }) => head.time < olderThan);
      if (this.#head.place - second.place < maxBytes && !old) return;
      this.#entries.splice(0, count);
      this.#segments.shift();
    }
  }

  async close(): Promise<void> {
    await this.sync();
  }

  read(at: Position): Reading {
    const boundary = checkPosition(this, at);
    if (boundary !== undefined) return boundary;
    const full = pageEnd(at.place, this.#pageBytes);
    let index = this.#indexAt(at.place);
    if (this.#entries[index]?.head.place !== at.place) throw new BinnacleError('bad_position');
    const builder = new PageBuilder(at);
    for (; builder.place < full; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined) break;
      if (!builder.take(entry.head, entry.bytes)) throw new BinnacleError('bad_position');
    }
    if (!builder.empty) return { kind: 'page', page: builder.build(this.#headroom, builder.place >= full, MEMORY) };
    if (builder.ahead) throw new BinnacleError('bad_position');
    return this.read(builder.next);
  }

  wait(place: number, wake: () => void, pace = AT_ONCE): () => void {
    const head = this.#head.place;
    if (!isDue(head - place, pace)) return this.#waiters.add(place, head, wake, pace);
    wake();
    return () => undefined;
  }

  locate(offset: number): Position {
    checkOffset(this, offset);
    const entry = this.#entries.find(({ head }) => head.offset >= offset || head.nextOffset > offset);
    return { epoch: this.epoch, place: entry?.head.place ?? this.#head.place, offset };
  }

  async locateTime(time: number): Promise<Position> {
    const entry = this.#entries.find(({ head }) => head.time >= time);
    return { epoch: this.epoch, place: (entry?.head ?? this.#head).place, offset: (entry?.head ?? this.#head).offset };
  }

  #indexAt(place: number): number {
    return lastIndex(this.#entries.length, (i) => (this.#entries[i]?.head.place ?? 0) <= place);
  }
}
