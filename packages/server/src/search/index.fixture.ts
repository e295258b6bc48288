// An index over real logs in this thread, for tests: what the process of the index is made of, without the process.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defined, type EntryKind, type TrafficMark } from '@binnacle/protocol';
import { SegmentWriter } from '../log/segment-writer.ts';
import type { Database } from '../store/sqlite.ts';
import { BlockIndex } from './block-index.ts';
import { TermWriter } from './block-terms.ts';
import { EventIndex } from './event-rows.ts';
import { openIndex } from './index-db.ts';
import { BlockMaker } from './logs/block-maker.ts';
import { Indexer } from './logs/indexer.ts';
import { Readers } from './logs/readers.ts';
import { expressionOf, parseQuery } from './query.ts';
import { IndexRetention, type RetentionLimits } from './retention.ts';
import { Snippets } from './snippets.ts';
import { TextIndex } from './text-index.ts';
import { TextSearch } from './text-search.ts';
import { Tokenizer } from './tokenizer.ts';
import type { FoundHit, LogNews, SearchRequest } from './wire.ts';

export interface FixtureOptions extends Partial<RetentionLimits> {
  readonly blockBytes?: number;
  /** Blocks are made apart from the index, as by its thread, of logs that are this far behind. Default: none. */
  readonly farBytes?: number;
  /** False: blocks cannot be made apart, as by a thread that cannot start. */
  readonly canMake?: boolean;
}

const NO_LIMITS = { maxEvents: 1e9, maxIndexBytes: 1e12, retainMs: 1e12 };

/** A log begins a new segment between entries only. */
const ENTRY_BYTES = 32 * 1024;

export class IndexParts {
  readonly db: Database;
  readonly isNew: boolean;
  readonly tokenizer = new Tokenizer();
  readonly blocks: BlockIndex;
  readonly texts: TextIndex;
  readonly textSearch: TextSearch;
  readonly events: EventIndex;
  readonly readers: Readers;
  readonly follow: Indexer;
  readonly snippets: Snippets;
  readonly retention: IndexRetention;
  readonly warnings: string[] = [];
  readonly #maker: BlockMaker | undefined;
  #wake: () => void = () => undefined;

  constructor(dir: string, { blockBytes, farBytes, canMake = true, ...limits }: FixtureOptions) {
    const { db, isNew } = openIndex(join(dir, 'index.sqlite'));
    this.db = db;
    this.isNew = isNew;
    this.blocks = new BlockIndex(db);
    this.texts = new TextIndex(db, this.blocks);
    this.events = new EventIndex(db);
    this.readers = new Readers(dir);
    const { texts, blocks, events, tokenizer, readers } = this;
    const writer = new TermWriter(tokenizer);
    this.textSearch = new TextSearch({ texts, blocks, tokenizer, readers });
    this.#maker = farBytes === undefined ? undefined : new BlockMaker(dir);
    this.follow = new Indexer(
      { db, texts, events, writer, ...defined({ blockBytes }) },
      this.readers,
      { did: () => undefined, warn: (message) => this.warnings.push(message), wake: () => this.#wake() },
      defined({ blocks: canMake ? this.#maker : { make: () => Promise.reject(new Error('none')) }, farBytes }),
    );
    this.snippets = new Snippets(this.readers);
    this.retention = new IndexRetention(
      db,
      { messages: { bytes: 0 }, texts, blocks, events },
      { ...NO_LIMITS, ...limits },
    );
  }

  async catchUp(): Promise<void> {
    for (;;) {
      while (this.follow.hasWork) await this.follow.step();
      if (this.follow.behind() === 0) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Indexes one slice, and fails before it is committed. */
  async fail(): Promise<void> {
    this.db.exec('BEGIN');
    await this.follow.step();
    this.rollBack();
  }

  /** Ends a transaction that failed, as the process does. */
  rollBack(): void {
    this.db.exec('ROLLBACK');
    this.texts.reload();
    this.events.recount();
    this.follow.reset();
  }

  async search(q: string, more: Partial<SearchRequest> = {}): Promise<FoundHit[]> {
    const terms = parseQuery(q);
    const request = { kind: 'search', terms, conversations: [], limit: 50, timeoutMs: 10_000, ...more } as const;
    const { docs } = await this.textSearch.find(request, async () => undefined);
    return await this.snippets.of(docs, expressionOf(terms));
  }

  /** All documents of a log: offset and text, as it stands in the log. */
  async documents(id: string): Promise<{ readonly at: number; readonly bytes: number }[]> {
    return this.db
      .prepare('SELECT at, bytes FROM docs JOIN logs ON n = log WHERE logs.id = ? AND gone = 0 ORDER BY at')
      .all(id) as { at: number; bytes: number }[];
  }

  close(): void {
    this.snippets.close();
    this.tokenizer.close();
    this.#maker?.close();
    this.db.close();
  }
}

export class IndexFixture {
  readonly dir = mkdtempSync(join(tmpdir(), 'binnacle-index-'));
  readonly #writers = new Map<string, SegmentWriter>();
  readonly #options: FixtureOptions;
  /** What each entry is said to have come at. */
  now = 1_750_000_000_000;
  parts: IndexParts;

  constructor(options: FixtureOptions = {}) {
    this.#options = options;
    this.parts = new IndexParts(this.dir, options);
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
    this.parts = new IndexParts(this.dir, this.#options);
  }

  async close(): Promise<void> {
    this.parts.close();
    for (const writer of this.#writers.values()) await writer.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
