// The log of one conversation: its one writer and its shared reader.

import { type ConversationEvent, defined, formatPosition } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import type { GroupSync } from '../../log/group-sync.ts';
import { type Entry, type Head, type LogReader, MAX_ENTRY_BYTES } from '../../log/log.ts';
import type { PageCache } from '../../log/page-cache.ts';
import type { SegmentFiles } from '../../log/segment-files.ts';
import { SegmentReader } from '../../log/segment-reader.ts';
import { SegmentWriter } from '../../log/segment-writer.ts';

/** The content of one log entry. Its events are stored all or none. */
export interface TranscriptEntry {
  readonly events: readonly ConversationEvent[];
  readonly driver?: DriverMark;
  /** Fence of the write lease, if it was ever granted. A rebuilt catalogue knows it from here. Never shown to viewers. */
  readonly fence?: number;
}

/**
 * Progress of the exchange with an agent's process at the time of this entry. A new gateway continues from here. Never
 * shown to viewers.
 */
export interface DriverMark {
  /** Id of the session of the process. */
  readonly session: string;
  /** Output offset of the session after the source of these events. */
  readonly offset: number;
  /** Number of lines sent to the stdin of the process so far, including this entry's. */
  readonly n: number;
  /** `AgentLink.state`, if it has changed. */
  readonly state?: object;
  /** Lines to send once this entry is stored. */
  readonly sent?: readonly string[];
  /** The end of input is to be sent after these lines. */
  readonly endsInput?: true;
  /** Text that is not yet among the events: a break between paragraphs, half of a character. */
  readonly carry?: TurnCarry;
}

export interface TurnCarry {
  readonly paragraph?: true;
  readonly said?: string;
  readonly thought?: string;
}

export interface TranscriptOptions {
  readonly segmentBytes: number;
  readonly retainBytes: number;
  readonly group: GroupSync;
  readonly pages: { readonly cache: PageCache; readonly files: SegmentFiles };
}

const TRIM_EVERY_BYTES = 1024 * 1024;

export class Transcript {
  readonly #writer: SegmentWriter;
  readonly #reader: SegmentReader;
  readonly #retainBytes: number;
  /** Minimum bytes of the newest events that trimming retains, because it removes whole segments. */
  readonly #retainedBytes: number;
  #trimAt: number;

  private constructor(writer: SegmentWriter, reader: SegmentReader, retainBytes: number, segmentBytes: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#retainBytes = retainBytes;
    this.#retainedBytes = Math.max(0, retainBytes - segmentBytes);
    this.#trimAt = writer.head.place + TRIM_EVERY_BYTES;
  }

  /** Opens or creates the log. Throws `disk_full`, `log_damaged`. */
  static open(dir: string, isNew: boolean, options: TranscriptOptions): Transcript {
    const { segmentBytes, group, retainBytes, pages } = options;
    const writer = isNew
      ? SegmentWriter.create(dir, { segmentBytes, group })
      : SegmentWriter.open(dir, { segmentBytes, group });
    const reader = SegmentReader.open(dir, { ...pages, head: writer.head, epoch: writer.epoch });
    return new Transcript(writer, reader, retainBytes, segmentBytes);
  }

  get log(): LogReader {
    return this.#reader;
  }

  get head(): Head {
    return this.#writer.head;
  }

  get position(): string {
    return formatPosition({ epoch: this.#writer.epoch, ...this.#writer.head });
  }

  get epoch(): string {
    return this.#writer.epoch;
  }

  /**
   * Stores an entry without waking readers. Throws `disk_full`; nothing has changed then. An entry that is too large is
   * split into several, with the mark in the last; if a later part throws, the earlier parts stay in the log.
   */
  append(entry: TranscriptEntry): Head {
    const bytes = Buffer.from(JSON.stringify(entry));
    const isSplit = entry.events.length > 1 || (entry.events.length === 1 && entry.driver !== undefined);
    if (bytes.length <= MAX_ENTRY_BYTES || !isSplit) return this.#writer.append('event', bytes, Date.now());
    const half = Math.max(1, entry.events.length >> 1);
    const { driver, ...shared } = entry;
    this.append({ ...shared, events: entry.events.slice(0, half) });
    return this.append({ ...shared, events: entry.events.slice(half), ...defined({ driver }) });
  }

  /** Place before which the next `wakeReaders` may remove the log. */
  get doomed(): number {
    const { place } = this.#writer.head;
    return place < this.#trimAt ? 0 : Math.max(0, place - this.#retainedBytes);
  }

  /** Wakes the readers that wait at the head, and trims the log. */
  wakeReaders(): void {
    this.#reader.advance(this.#writer.head);
    if (this.#writer.head.place < this.#trimAt) return;
    this.#trimAt = this.#writer.head.place + TRIM_EVERY_BYTES;
    this.#writer.trim({ maxBytes: this.#retainBytes });
    this.#reader.setOldest(this.#writer.oldest);
  }

  /** Reads the log from a place on, in order; each entry with the place after it. Skips damaged and removed parts. */
  async *readFrom(place: number): AsyncGenerator<{ readonly entry: TranscriptEntry; readonly place: number }> {
    const { log } = this;
    const cursor = new Cursor(log, { epoch: log.epoch, place: Math.max(place, log.oldest.place), offset: 0 });
    for (;;) {
      const reading = await cursor.next();
      if (reading.kind === 'head') return;
      if (reading.kind === 'gap') continue;
      for (const entry of reading.page.entries) yield { entry: parseEntry(entry), place: entry.next };
    }
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.#writer.close();
  }
}

/** Parses an entry without validation: the gateway wrote the entry, and its checksum was verified. */
export const parseEntry = ({ bytes }: Entry): TranscriptEntry =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as TranscriptEntry;
