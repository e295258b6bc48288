// The log of one conversation: the one place that appends to it, and the reader that everybody shares. Knows no run.

import { type ConversationEvent, formatPosition } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import type { GroupSync } from '../../log/group-sync.ts';
import { type Entry, type Head, type LogReader, MAX_ENTRY_BYTES } from '../../log/log.ts';
import type { PageCache } from '../../log/page-cache.ts';
import type { SegmentFiles } from '../../log/segment-files.ts';
import { SegmentReader } from '../../log/segment-reader.ts';
import { SegmentWriter } from '../../log/segment-writer.ts';

/** What one entry holds. Its events are there all together or not at all. */
export interface TranscriptEntry {
  readonly events: readonly ConversationEvent[];
  readonly driver?: DriverMark;
}

/**
 * How far the talk with an agent's process had come when the events of this entry were kept: a new gateway goes on
 * from here. Never shown to anybody.
 */
export interface DriverMark {
  /** The session that the process is. */
  readonly session: string;
  /** Output offset of the session behind what these events came from. */
  readonly offset: number;
  /** Lines that were sent to its stdin so far, with those of this entry. */
  readonly n: number;
  /** `AgentLink.state`, where it is another than before. */
  readonly state?: object;
  /** Lines that are to be sent once this is kept. */
  readonly sent?: readonly string[];
  /** The end of its input is to be sent behind them. */
  readonly endsInput?: true;
  /** What was said, and is not among the events yet: a break between paragraphs, half of a character. */
  readonly carry?: Carry;
}

export interface Carry {
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
  /** At least so much of the newest stays: whole segments go. */
  readonly #keptBytes: number;
  #trimAt: number;

  private constructor(writer: SegmentWriter, reader: SegmentReader, retainBytes: number, segmentBytes: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#retainBytes = retainBytes;
    this.#keptBytes = Math.max(0, retainBytes - segmentBytes);
    this.#trimAt = writer.head.place + TRIM_EVERY_BYTES;
  }

  /** Throws `disk_full`, `log_damaged`. */
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
   * When it returns, the entry is kept; nobody is woken yet. Throws `disk_full` and has changed nothing then.
   * What is too large for one entry becomes several, the mark with the last.
   */
  append(entry: TranscriptEntry): Head {
    const bytes = Buffer.from(JSON.stringify(entry));
    const isSplit = entry.events.length > 1 || (entry.events.length === 1 && entry.driver !== undefined);
    if (bytes.length <= MAX_ENTRY_BYTES || !isSplit) return this.#writer.append('event', bytes, Date.now());
    const half = Math.max(1, entry.events.length >> 1);
    this.append({ events: entry.events.slice(0, half) });
    return this.append({ ...entry, events: entry.events.slice(half) });
  }

  /** What is before this place may go with the next `tell`. */
  get doomed(): number {
    const { place } = this.#writer.head;
    return place < this.#trimAt ? 0 : Math.max(0, place - this.#keptBytes);
  }

  /** Wakes those who wait at the head. */
  tell(): void {
    this.#reader.advance(this.#writer.head);
    if (this.#writer.head.place < this.#trimAt) return;
    this.#trimAt = this.#writer.head.place + TRIM_EVERY_BYTES;
    this.#writer.trim({ maxBytes: this.#retainBytes });
    this.#reader.setOldest(this.#writer.oldest);
  }

  /** What is kept from a place on, in order, each with the place behind it. What is damaged or gone is left out. */
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

/** Written by us, and checked by its checksum. */
export const parseEntry = ({ bytes }: Entry): TranscriptEntry =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as TranscriptEntry;
