// Documents of the full-text index: their ranges of output, and the words in them. The text itself is not stored.

import { BinnacleError } from '@binnacle/protocol';
import type { Database, SqlValue, Statement } from '../store/sqlite.ts';
import { OF_SOURCE } from './event-rows.ts';
import { Stamps, timeOf } from './row-ids.ts';
import type { SearchRequest } from './wire.ts';

/**
 * Documents in the first window of a search, and maximum per window: each window is four times as large as the one
 * before.
 */
const FIRST_WINDOW = 4096;
const LAST_WINDOW = 262_144;
/** Maximum ms that one window counts for: it takes some ms, and more than this only while the machine is stopped. */
const MAX_WINDOW_MS = 1000;
const NO_BOUND = Number.MAX_SAFE_INTEGER;

export interface TextDocument {
  /** Output offset of its beginning. */
  readonly at: number;
  readonly bytes: number;
  readonly text: string;
  readonly time: number;
}

export interface FoundDoc {
  readonly id: number;
  readonly session: string;
  readonly at: number;
  readonly bytes: number;
  readonly time: number;
}

export class TextIndex {
  readonly #db: Database;
  readonly #stamps: Stamps;
  readonly #insert: Statement;
  readonly #insertText: Statement;
  readonly #resize: Statement;
  readonly #remove: Statement;
  readonly #removeText: Statement;
  readonly #behind: Statement;
  readonly #skip: Statement;
  readonly #bounds: Statement;
  #count: number;

  constructor(db: Database) {
    this.#db = db;
    this.#stamps = new Stamps(db, 'docs');
    this.#insert = db.prepare('INSERT INTO docs (id, log, at, bytes) VALUES (?, ?, ?, ?)');
    this.#insertText = db.prepare('INSERT INTO words (rowid, text) VALUES (?, ?)');
    this.#resize = db.prepare('UPDATE docs SET bytes = ? WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM docs WHERE id = ?');
    this.#removeText = db.prepare('DELETE FROM words WHERE rowid = ?');
    this.#behind = db.prepare('SELECT id FROM docs WHERE log = ? AND at >= ?');
    this.#skip = db.prepare('SELECT id FROM docs WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?');
    this.#bounds = db.prepare('SELECT min(id) AS low, max(id) AS high FROM docs WHERE log = ?');
    this.#count = (db.prepare('SELECT count(*) AS n FROM docs').get() as { n: number }).n;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a document. Returns its id. */
  add(log: number, doc: TextDocument): number {
    const id = this.#stamps.next(doc.time);
    this.#insert.run(id, log, doc.at, doc.bytes);
    this.#insertText.run(id, doc.text);
    this.#count += 1;
    return id;
  }

  /** Replaces a document that has grown. */
  replace(id: number, doc: TextDocument): void {
    this.#resize.run(doc.bytes, id);
    this.#removeText.run(id);
    this.#insertText.run(id, doc.text);
  }

  remove(id: number): void {
    this.#removeText.run(id);
    this.#count -= Number(this.#remove.run(id).changes);
  }

  /** Removes the documents of a log from an offset on. There are few, because they are being made again. */
  removeFrom(log: number, at: number): void {
    for (const { id } of this.#behind.all(log, at) as { id: number }[]) this.remove(id);
  }

  /** Restores the counts after a failed transaction. */
  recount(): void {
    this.#count = (this.#db.prepare('SELECT count(*) AS n FROM docs').get() as { n: number }).n;
  }

  /**
   * Finds documents, newest first, one more than requested if there are more. Searches in windows with `yieldToEventLoop` in
   * between, so that a search of everything blocks neither the index nor other queries. Throws `search_timeout`.
   */
  async find(request: SearchRequest, yieldToEventLoop: () => Promise<void>): Promise<FoundDoc[]> {
    let leftMs = request.timeoutMs;
    let at = performance.now();
    const { sql, values, low } = this.#where(request);
    const statement = this.#db.prepare(
      `SELECT d.id, l.id AS session, d.at, d.bytes FROM words JOIN docs d ON d.id = words.rowid JOIN logs l ON l.n = d.log
       WHERE words MATCH ? AND words.rowid < ? AND words.rowid >= ? AND l.gone = 0
         AND (l.conversation IS NULL OR l.conversation IN (SELECT value FROM json_each(?)))${sql}
       ORDER BY words.rowid DESC LIMIT ?`,
    );
    const conversations = JSON.stringify(request.conversations);
    // A prefix query collects its words from the whole index again for each window: one window is cheaper.
    let window = request.expression.includes('"*') ? NO_BOUND : FIRST_WINDOW;
    const found: FoundDoc[] = [];
    for (let before = request.after ?? NO_BOUND; ; ) {
      const from = Math.max(low, window === NO_BOUND ? 0 : this.#windowFrom(before, window));
      const want = request.limit + 1 - found.length;
      const rows = statement.all(request.expression, before, from, conversations, ...values, want) as Omit<
        FoundDoc,
        'time'
      >[];
      found.push(...rows.map((row) => ({ ...row, time: timeOf(row.id) })));
      if (found.length > request.limit || from <= low) return found;
      const now = performance.now();
      leftMs -= Math.min(now - at, MAX_WINDOW_MS);
      at = now;
      if (leftMs < 0) throw new BinnacleError('search_timeout');
      before = from;
      window = Math.min(LAST_WINDOW, window * 4);
      await yieldToEventLoop();
    }
  }

  #windowFrom(before: number, window: number): number {
    const row = this.#skip.get(before, window) as { id: number } | undefined;
    return row?.id ?? 0;
  }

  #where(request: SearchRequest): { readonly sql: string; readonly values: SqlValue[]; readonly low: number } {
    let sql = '';
    const values: SqlValue[] = [];
    let low = 0;
    if (request.session !== undefined) {
      const logs = this.#db
        .prepare('SELECT n FROM logs WHERE gone = 0 AND (id = ?1 OR foreign_id = ?1)')
        .all(request.session) as { n: number }[];
      sql += ' AND l.n IN (SELECT value FROM json_each(?))';
      values.push(JSON.stringify(logs.map(({ n }) => n)));
      const bounds = logs.map(({ n }) => this.#bounds.get(n) as { low: number | null });
      low = bounds.reduce((least, bound) => Math.min(least, bound.low ?? NO_BOUND), NO_BOUND);
    }
    if (request.source !== undefined) {
      sql += ` AND ${OF_SOURCE}`;
      values.push(request.source);
    }
    return { sql, values, low };
  }
}
