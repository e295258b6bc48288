// Removes rows from the index, a few at a time: those of deleted and trimmed logs, and those beyond the limits of age,
// number and size.

import { TrustedTime } from '../base/trusted-time.ts';
import type { Database, Statement } from '../store/sqlite.ts';
import type { BlockIndex } from './block-index.ts';
import type { EventIndex } from './event-rows.ts';
import { stampOf } from './row-ids.ts';
import type { TextIndex } from './text-index.ts';

/** Maximum rows and documents removed per slice: some milliseconds. */
const SLICE = 256;
/** Delay between two checks of sizes and ages. */
const CHECK_MS = 60_000;

export interface RetentionLimits {
  readonly maxEvents: number;
  readonly maxIndexBytes: number;
  readonly retainMs: number;
}

interface RemovalTask {
  /** Removes a slice. Returns false when the work is done. */
  step(): boolean;
}

export interface IndexRetentionParts {
  readonly texts: TextIndex;
  readonly blocks: BlockIndex;
  readonly events: EventIndex;
  /** They have a limit of their own, a part of the whole. */
  readonly messages: { readonly bytes: number };
}

export class IndexRetention {
  readonly #db: Database;
  readonly #texts: TextIndex;
  readonly #blocks: BlockIndex;
  readonly #events: EventIndex;
  readonly #messages: { readonly bytes: number };
  readonly #limits: RetentionLimits;
  readonly #deleted: Statement;
  readonly #trimmed: Statement;
  readonly #oldestDocs: Statement;
  readonly #oldestEvents: Statement;
  readonly #pages: Statement;
  #removed = 0;
  /**
   * Clock without the state of earlier processes, which is not needed: the logs still have what a wrong clock would
   * remove here.
   */
  readonly #time = new TrustedTime();
  #checkedAt = Number.NEGATIVE_INFINITY;
  #work: RemovalTask[] = [];
  #bytes = 0;

  constructor(db: Database, parts: IndexRetentionParts, limits: RetentionLimits) {
    this.#db = db;
    this.#texts = parts.texts;
    this.#blocks = parts.blocks;
    this.#events = parts.events;
    this.#messages = parts.messages;
    this.#limits = limits;
    this.#deleted = db.prepare('SELECT n FROM logs WHERE gone = 1 LIMIT 1');
    this.#trimmed = db.prepare(
      `SELECT l.n, l.kept_from FROM logs l WHERE l.gone = 0 AND l.kept_from > 0 AND
         (EXISTS (SELECT 1 FROM docs d WHERE d.log = l.n AND d.at < l.kept_from AND d.at + d.bytes <= l.kept_from)
          OR EXISTS (SELECT 1 FROM events e WHERE e.log = l.n AND e.offset < l.kept_from
                       AND e.offset + e.size <= l.kept_from))`,
    );
    this.#oldestDocs = db.prepare('SELECT id FROM docs WHERE id < ? ORDER BY id LIMIT ?');
    this.#oldestEvents = db.prepare('SELECT id FROM events WHERE id < ? ORDER BY id LIMIT ?');
    this.#pages = db.prepare(
      `SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count) AS used,
         (SELECT page_size FROM pragma_page_size) AS size`,
    );
    this.#measure();
  }

  /** Rows and documents removed so far. */
  get removed(): number {
    return this.#removed;
  }

  /** Bytes of the file in use, without its free pages. */
  get bytes(): number {
    this.#measure();
    return this.#bytes;
  }

  /** Checks again at once, after a deletion or a trim. */
  checkSoon(): void {
    this.#checkedAt = Number.NEGATIVE_INFINITY;
  }

  /** Removes one slice. Returns false if there was nothing to remove. */
  step(now: number = this.#time.now()): boolean {
    if (this.#events.count > this.#limits.maxEvents) {
      return this.#dropEvents(Math.min(SLICE, this.#events.count - this.#limits.maxEvents));
    }
    while (this.#work.length > 0) {
      if (this.#work[0]?.step() === true) return true;
      this.#work.shift();
    }
    if (performance.now() - this.#checkedAt < CHECK_MS) return false;
    this.#checkedAt = performance.now();
    this.#plan(now);
    return this.#work.length > 0;
  }

  #plan(now: number): void {
    this.#measure();
    const cutoff = stampOf(now - this.#limits.retainMs);
    const trimmed = this.#trimmed.all() as { n: number; kept_from: number }[];
    this.#work = [
      { step: () => this.#dropDeleted() },
      ...trimmed.map(({ n, kept_from }) => ({ step: () => this.#dropTrimmed(n, kept_from) })),
      { step: () => this.#dropOldDocs(cutoff, SLICE) },
      { step: () => this.#dropOldEvents(cutoff) },
      ...this.#overSize(),
      { step: () => this.#blocks.removeEmpty() },
    ];
  }

  #measure(): void {
    const { used, size } = this.#pages.get() as { used: number; size: number };
    this.#bytes = used * size;
  }

  /**
   * Returns the work that brings the index to its maximum size. FTS5 frees the space of a document only by a merge, so
   * the number to remove is computed in advance from the excess.
   */
  #overSize(): RemovalTask[] {
    if (this.#bytes <= this.#limits.maxIndexBytes) return [];
    const excess = this.#bytes - this.#limits.maxIndexBytes;
    const share = Math.min(1, excess / Math.max(1, this.#bytes - this.#messages.bytes));
    let docs = Math.ceil(this.#texts.count * share);
    let events = Math.ceil(this.#events.count * share);
    return [
      {
        step: () => {
          if (docs <= 0) return false;
          const slice = Math.min(SLICE, docs);
          docs -= slice;
          return this.#dropOldDocs(Number.MAX_SAFE_INTEGER, slice);
        },
      },
      {
        step: () => {
          if (events <= 0) return false;
          const slice = Math.min(SLICE, events);
          events -= slice;
          return this.#dropEvents(slice);
        },
      },
      this.#merging(),
    ];
  }

  #merging(): RemovalTask {
    const changes = this.#db.prepare('SELECT total_changes() AS n');
    const merge = this.#db.prepare(`INSERT INTO words (words, rank) VALUES ('merge', ?)`);
    let isFirst = true;
    return {
      step: () => {
        const before = (changes.get() as { n: number }).n;
        // Negative: begins to merge everything into one segment, as `optimize` would in a single step.
        merge.run(isFirst ? -200 : 200);
        isFirst = false;
        return (changes.get() as { n: number }).n - before >= 2;
      },
    };
  }

  #dropDeleted(): boolean {
    const log = this.#deleted.get() as { n: number } | undefined;
    if (log === undefined) return false;
    if (this.#dropDocsWhere('log = ?', log.n)) return true;
    if (this.#dropEventsWhere('log = ?', log.n)) return true;
    this.#db.prepare('DELETE FROM commands WHERE log = ?').run(log.n);
    this.#db.prepare('DELETE FROM hours WHERE log = ?').run(log.n);
    this.#db.prepare('DELETE FROM logs WHERE n = ?').run(log.n);
    return true;
  }

  #dropTrimmed(n: number, retainedFrom: number): boolean {
    return (
      this.#dropDocsWhere('log = ? AND at < ? AND at + bytes <= ?', n, retainedFrom, retainedFrom) ||
      this.#dropEventsWhere('log = ? AND offset < ? AND offset + size <= ?', n, retainedFrom, retainedFrom)
    );
  }

  #dropDocsWhere(condition: string, ...values: number[]): boolean {
    return this.#dropDocs(
      this.#db.prepare(`SELECT id FROM docs WHERE ${condition} LIMIT ${SLICE}`).all(...values) as { id: number }[],
    );
  }

  #dropEventsWhere(condition: string, ...values: number[]): boolean {
    return this.#dropRows(
      this.#db.prepare(`SELECT id FROM events WHERE ${condition} LIMIT ${SLICE}`).all(...values) as { id: number }[],
    );
  }

  #dropOldDocs(before: number, count: number): boolean {
    return this.#dropDocs(this.#oldestDocs.all(before, count) as { id: number }[]);
  }

  #dropOldEvents(before: number): boolean {
    return this.#dropRows(this.#oldestEvents.all(before, SLICE) as { id: number }[]);
  }

  #dropEvents(count: number): boolean {
    return this.#dropRows(this.#oldestEvents.all(Number.MAX_SAFE_INTEGER, count) as { id: number }[]);
  }

  #dropDocs(rows: readonly { readonly id: number }[]): boolean {
    for (const { id } of rows) this.#texts.remove(id);
    this.#removed += rows.length;
    return rows.length > 0;
  }

  #dropRows(rows: readonly { readonly id: number }[]): boolean {
    for (const { id } of rows) this.#events.remove(id);
    this.#removed += rows.length;
    return rows.length > 0;
  }
}
