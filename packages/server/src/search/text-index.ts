// Documents of the index: their ranges of output, and where their words are: in the full-text index for the newest and
// the few, in the filter of a block for the many. The text itself is not stored.

import type { Database, SqlValue, Statement } from '../store/sqlite.ts';
import type { Block, BlockIndex, SearchRange } from './block-index.ts';
import type { CollectedTerms } from './block-terms.ts';
import { OF_SOURCE } from './event-rows.ts';
import { FIRST_WINDOW, inWindows } from './newest-first.ts';
import { bornAt, Stamps, stampOf, timeOf } from './row-ids.ts';
import type { SearchPace } from './search-pace.ts';
import type { SearchRequest } from './wire.ts';

const NO_BOUND = Number.MAX_SAFE_INTEGER;

export interface TextDocument {
  /** Output offset of its beginning. */
  readonly at: number;
  readonly bytes: number;
  readonly text: string;
  readonly time: number;
}

/** A document whose words are in a filter. */
export interface BlockDocument extends Omit<TextDocument, 'text'> {
  /** Its row, if the full-text index has it so far. */
  readonly id: number | undefined;
  /** Place in the log from which it can be read. */
  readonly place: number;
  /** True if its output is ASCII, and has the letters of each word together: words can be looked for in the bytes. */
  readonly isPlain: boolean;
}

/** Row of a document in a block. */
export interface BlockRow {
  readonly id: number;
  readonly at: number;
  readonly bytes: number;
  readonly is_plain: number;
}

export interface FoundDoc {
  readonly id: number;
  readonly session: string;
  readonly at: number;
  readonly bytes: number;
  readonly time: number;
  /** Its output, if the search has read it. */
  readonly output?: Uint8Array;
}

export class TextIndex {
  readonly #db: Database;
  readonly #blocks: BlockIndex;
  readonly #stamps: Stamps;
  readonly #insert: Statement;
  readonly #insertText: Statement;
  readonly #resize: Statement;
  readonly #move: Statement;
  readonly #remove: Statement;
  readonly #removeText: Statement;
  readonly #behind: Statement;
  readonly #skip: Statement;
  readonly #ofBlock: Statement;
  #count: number;

  constructor(db: Database, blocks: BlockIndex) {
    this.#db = db;
    this.#blocks = blocks;
    this.#stamps = new Stamps(db, 'docs');
    this.#insert = db.prepare('INSERT INTO docs (id, log, at, bytes, block, is_plain) VALUES (?, ?, ?, ?, ?, ?)');
    this.#insertText = db.prepare('INSERT INTO words (rowid, text) VALUES (?, ?)');
    this.#resize = db.prepare('UPDATE docs SET bytes = ? WHERE id = ?');
    this.#move = db.prepare('UPDATE docs SET bytes = ?, block = ?, is_plain = ? WHERE id = ?');
    this.#remove = db.prepare('DELETE FROM docs WHERE id = ? RETURNING block');
    this.#removeText = db.prepare('DELETE FROM words WHERE rowid = ?');
    this.#behind = db.prepare('SELECT id FROM docs WHERE log = ? AND at >= ?');
    this.#skip = db.prepare(
      'SELECT id FROM docs INDEXED BY docs_small WHERE block IS NULL AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?',
    );
    this.#ofBlock = db.prepare(
      'SELECT id, at, bytes, is_plain FROM docs WHERE log = ? AND at >= ? AND at < ? AND block = ? ORDER BY at',
    );
    this.#count = this.#counted();
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a document to the full-text index. Returns its id. */
  add(log: number, doc: TextDocument): number {
    const id = this.#addRow(log, doc);
    this.#insertText.run(id, doc.text);
    return id;
  }

  /** Replaces a document of the full-text index that has grown. */
  replace(id: number, doc: TextDocument): void {
    this.#resize.run(doc.bytes, id);
    this.#removeText.run(id);
    this.#insertText.run(id, doc.text);
  }

  /** Adds a block of consecutive documents, with the filter of their words. */
  addBlock(log: number, docs: readonly BlockDocument[], terms: CollectedTerms): void {
    const [begin, end] = [docs[0], docs.at(-1)];
    if (begin === undefined || end === undefined) return;
    const slot = this.#blocks.nextSlot;
    const ids = docs.map((doc) => {
      if (doc.id === undefined) return this.#addRow(log, doc, slot, doc.isPlain);
      this.#move.run(doc.bytes, slot, doc.isPlain ? 1 : 0, doc.id);
      this.#removeText.run(doc.id);
      return doc.id;
    });
    const bytes = end.at + end.bytes - begin.at;
    const first = ids.reduce((a, b) => Math.min(a, b));
    const last = ids.reduce((a, b) => Math.max(a, b));
    const begins = docs.map(({ at: offset, place: start }) => ({ place: start, offset }));
    this.#blocks.add({ log, place: begin.place, at: begin.at, bytes, first, last }, terms, begins);
  }

  remove(id: number): void {
    const row = this.#remove.get(id) as { block: number | null } | undefined;
    if (row === undefined) return;
    if (row.block === null) this.#removeText.run(id);
    else this.#blocks.lostDocument(row.block);
    this.#count -= 1;
  }

  /** Removes the documents of a log from an offset on. There are few, because they are being made again. */
  removeFrom(log: number, at: number): void {
    for (const { id } of this.#behind.all(log, at) as { id: number }[]) this.remove(id);
    this.#blocks.removeFrom(log, at);
  }

  /** Reads the state of the file again, after a failed transaction. */
  reload(): void {
    this.#count = this.#counted();
    this.#blocks.reload();
  }

  /** Returns the documents of a block that may match, in the order of the output. */
  documentsOf({ slot, log, at, bytes, only }: Block): BlockRow[] {
    if (only === undefined) return this.#ofBlock.all(log, at, at + bytes, slot) as unknown as BlockRow[];
    const offsets = [...only.keys()].sort((a, b) => a - b);
    return offsets.flatMap(
      (offset) => this.#ofBlock.all(log, at + offset, at + offset + 1, slot) as unknown as BlockRow[],
    );
  }

  /** Returns what a request may find. */
  rangeOf(request: SearchRequest): SearchRange {
    let sql = 'l.gone = 0 AND (l.conversation IS NULL OR l.conversation IN (SELECT value FROM json_each(?)))';
    const values: SqlValue[] = [JSON.stringify(request.conversations)];
    let low = 0;
    if (request.session !== undefined) {
      const logs = this.#db
        .prepare('SELECT n, id FROM logs WHERE gone = 0 AND (id = ?1 OR foreign_id = ?1)')
        .all(request.session) as { n: number; id: string }[];
      sql += ' AND l.n IN (SELECT value FROM json_each(?))';
      values.push(JSON.stringify(logs.map(({ n }) => n)));
      low = Math.min(NO_BOUND, ...logs.map(({ id }) => stampOf(bornAt(id))));
    }
    if (request.source !== undefined) {
      sql += ` AND ${OF_SOURCE}`;
      values.push(request.source);
    }
    return { sql, values, before: request.after ?? NO_BOUND, low };
  }

  /** Yields the documents of the full-text index that match, newest first. */
  async *find(
    expression: string,
    { sql, values, before, low }: SearchRange,
    pace: SearchPace,
  ): AsyncGenerator<FoundDoc> {
    const statement = this.#db.prepare(
      `SELECT d.id, l.id AS session, d.at, d.bytes FROM words JOIN docs d ON d.id = words.rowid JOIN logs l ON l.n = d.log
       WHERE words MATCH ? AND words.rowid < ? AND words.rowid >= ? AND ${sql} ORDER BY words.rowid DESC LIMIT ?`,
    );
    // A prefix query collects its words from the whole index again for each window: one window is cheaper.
    const first = expression.includes('"*') ? Number.POSITIVE_INFINITY : FIRST_WINDOW;
    const startOf = (below: number, rows: number): number | undefined =>
      (this.#skip.get(below, rows) as { id: number } | undefined)?.id;
    const rowsOf = (below: number, from: number, limit: number) =>
      statement.all(expression, below, from, ...values, limit) as unknown as Omit<FoundDoc, 'time'>[];
    for await (const row of inWindows({ before, low, first, startOf, rowsOf }, pace)) {
      yield { ...row, time: timeOf(row.id) };
    }
  }

  #addRow(
    log: number,
    { at, bytes, time }: Omit<TextDocument, 'text'>,
    block: number | null = null,
    isPlain = false,
  ): number {
    const id = this.#stamps.next(time);
    this.#insert.run(id, log, at, bytes, block, isPlain ? 1 : 0);
    this.#count += 1;
    return id;
  }

  #counted(): number {
    return (this.#db.prepare('SELECT count(*) AS n FROM docs').get() as { n: number }).n;
  }
}
