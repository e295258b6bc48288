// An index over real logs in this thread, for tests: what the process of the index is made of, without the process.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EntryKind, TrafficMark } from '@binnacle/protocol';
import { SegmentWriter } from '../log/segment-writer.ts';
import type { Database } from '../store/sqlite.ts';
import { EventIndex } from './event-rows.ts';
import { openIndex } from './index-db.ts';
import { Indexer } from './indexer.ts';
import { parseQuery } from './query.ts';
import { Readers } from './readers.ts';
import { IndexRetention, type RetentionLimits } from './retention.ts';
import { Snippets } from './snippets.ts';
import { TextIndex } from './text-index.ts';
import type { FoundHit, LogNews } from './wire.ts';

const NO_LIMITS = { maxEvents: 1e9, maxIndexBytes: 1e12, retainMs: 1e12 };

/** A log begins a new segment between entries only. */
const ENTRY_BYTES = 32 * 1024;

export class IndexParts {
  readonly db: Database;
  readonly isNew: boolean;
  readonly texts: TextIndex;
  readonly events: EventIndex;
  readonly readers: Readers;
  readonly follow: Indexer;
  readonly snippets: Snippets;
  readonly retention: IndexRetention;
  readonly warnings: string[] = [];

  constructor(dir: string, limits: Partial<RetentionLimits>) {
    const { db, isNew } = openIndex(join(dir, 'index.sqlite'));
    this.db = db;
    this.isNew = isNew;
    this.texts = new TextIndex(db);
    this.events = new EventIndex(db);
    this.readers = new Readers(dir);
    this.follow = new Indexer({ db, texts: this.texts, events: this.events }, this.readers, {
      did: () => undefined,
      warn: (message) => this.warnings.push(message),
    });
    this.snippets = new Snippets(this.readers);
    this.retention = new IndexRetention(db, this.texts, this.events, { ...NO_LIMITS, ...limits });
  }

  async catchUp(): Promise<void> {
    while (this.follow.hasWork) await this.follow.step();
  }

  async search(q: string, more: { session?: string; limit?: number; after?: number } = {}): Promise<FoundHit[]> {
    const expression = parseQuery(q);
    const ask = { kind: 'search', expression, conversations: [], limit: 50, timeoutMs: 10_000, ...more } as const;
    const found = await this.texts.find(ask, async () => undefined);
    return await this.snippets.of(found.slice(0, ask.limit), expression);
  }

  /** All documents of a log: offset and text, as it stands in the log. */
  async documents(id: string): Promise<{ readonly at: number; readonly bytes: number }[]> {
    return this.db
      .prepare('SELECT at, bytes FROM docs JOIN logs ON n = log WHERE logs.id = ? AND gone = 0 ORDER BY at')
      .all(id) as { at: number; bytes: number }[];
  }

  close(): void {
    this.snippets.close();
    this.db.close();
  }
}

export class IndexFixture {
  readonly dir = mkdtempSync(join(tmpdir(), 'binnacle-index-'));
  readonly #writers = new Map<string, SegmentWriter>();
  readonly #limits: Partial<RetentionLimits>;
  /** What each entry is said to have come at. */
  now = 1_750_000_000_000;
  parts: IndexParts;

  constructor(limits: Partial<RetentionLimits> = {}) {
    this.#limits = limits;
    this.parts = new IndexParts(this.dir, limits);
  }

  writer(id: string): SegmentWriter {
    let writer = this.#writers.get(id);
    if (writer === undefined) {
      writer = SegmentWriter.create(join(this.dir, id, 'log'), { segmentBytes: 64 * 1024 });
      this.#writers.set(id, writer);
    }
    return writer;
  }

  append(id: string, bytes: string | Uint8Array, kind: EntryKind = 'tty'): void {
    const all = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < all.length; at += ENTRY_BYTES) {
      this.writer(id).append(kind, all.subarray(at, at + ENTRY_BYTES), this.now);
    }
  }

  mark(id: string, traffic: Partial<TrafficMark['traffic']>): void {
    const mark: TrafficMark = { traffic: { epoch: null, seq: null, bytes: 0, ...traffic } };
    this.append(id, JSON.stringify(mark), 'event');
  }

  news(id: string, more: Partial<LogNews> = {}): LogNews {
    const { head, oldest } = this.writer(id);
    return { id, head, oldest, isFinal: false, conversation: null, foreign: null, ...more };
  }

  /** As the gateway would, of all that there is. */
  report(more: Partial<LogNews> = {}): void {
    for (const id of this.#writers.keys()) this.parts.follow.accept(this.news(id, more));
  }

  /** As if the process had been killed: what was committed is there. */
  again(): void {
    this.parts.close();
    this.reopen();
  }

  reopen(): void {
    this.parts = new IndexParts(this.dir, this.#limits);
  }

  async close(): Promise<void> {
    this.parts.close();
    for (const writer of this.#writers.values()) await writer.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
