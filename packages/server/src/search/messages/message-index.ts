// Messages of conversations: takes their words from the catalogue, and finds them. The text stays in the catalogue.
// Nobody reports messages: the index scans for new ones now and then, and before a search.

import { BinnacleError } from '@binnacle/protocol';
import type { Database, SqlValue, Statement } from '../../store/sqlite.ts';
import { FIRST_WINDOW, inWindows, LAST_WINDOW } from '../newest-first.ts';
import { expressionOf } from '../query.ts';
import { Stamps, timeOf } from '../row-ids.ts';
import type { SearchPace } from '../search-pace.ts';
import type { Snippets } from '../snippets.ts';
import type { FoundMessageHit, MessagesRequest } from '../wire.ts';
import { CatalogueError, CatalogueMessages } from './catalogue-messages.ts';

/** Maximum messages and characters that one step takes: some ms. */
const STEP_MESSAGES = 100;
const STEP_CHARS = 512 * 1024;
/** Maximum messages that one step removes. */
const REMOVE_MESSAGES = 256;
/** Minimum ms between two scans of all conversations, without a search. */
const SCAN_MS = 10_000;
/** Ms without a try after the catalogue could not be read. */
const PAUSE_MS = 30_000;
/** Bytes of the index for each character of messages, measured. */
const BYTES_PER_CHAR = 0.6;
const NO_BOUND = Number.MAX_SAFE_INTEGER;

/** A conversation in which messages are to be taken or removed. */
interface Backlog {
  readonly id: string;
  /** Ordinals of its oldest and newest message in the catalogue. */
  readonly first: number;
  readonly last: number;
  /** True if all that the index has of it is to be removed first. */
  readonly isStale: boolean;
}

interface ConversationRow {
  readonly n: number;
  readonly id: string;
  /** Ordinal of the newest message that the index has. */
  readonly taken: number;
}

interface MatchRow {
  readonly id: number;
  readonly conversation: string;
  readonly n: number;
}

interface MessageRow {
  readonly id: number;
  readonly chars: number;
}

export interface MessageIndexParts {
  /** The index. */
  readonly db: Database;
  /** Path of the catalogue. */
  readonly catalogue: string;
  readonly snippets: Snippets;
  /** Maximum bytes of the index for messages; the oldest are removed. */
  readonly maxBytes: number;
  /** Called once when the catalogue cannot be read, until it can again. */
  warn(message: string, facts: { readonly err: string }): void;
}

export class MessageIndex {
  readonly #parts: MessageIndexParts;
  readonly #db: Database;
  readonly #stamps: Stamps;
  readonly #known: Statement;
  readonly #row: Statement;
  readonly #addRow: Statement;
  readonly #setTaken: Statement;
  readonly #removeRow: Statement;
  readonly #add: Statement;
  readonly #addText: Statement;
  readonly #old: Statement;
  readonly #oldest: Statement;
  readonly #remove: Statement;
  readonly #removeText: Statement;
  readonly #skip: Statement;
  /** Undefined while the catalogue cannot be read. */
  #source: CatalogueMessages | undefined;
  #backlog: Backlog[] = [];
  /** Version of the catalogue at the last scan. */
  #version: number | undefined;
  #scannedAt = Number.NEGATIVE_INFINITY;
  #isScanDue = true;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #hasWarned = false;
  /** Characters of all messages in the index. */
  #chars = 0;

  constructor(parts: MessageIndexParts) {
    const { db } = parts;
    this.#parts = parts;
    this.#db = db;
    this.#stamps = new Stamps(db, 'messages');
    this.#known = db.prepare(
      'SELECT id, taken, (SELECT min(n) FROM messages WHERE conversation = conversations.n) AS oldest FROM conversations',
    );
    this.#row = db.prepare('SELECT n, id, taken FROM conversations WHERE id = ?');
    this.#addRow = db.prepare('INSERT INTO conversations (id, taken) VALUES (?, 0)');
    this.#setTaken = db.prepare('UPDATE conversations SET taken = ? WHERE n = ?');
    this.#removeRow = db.prepare('DELETE FROM conversations WHERE n = ?');
    this.#add = db.prepare('INSERT INTO messages (id, conversation, n, chars) VALUES (?, ?, ?, ?)');
    this.#addText = db.prepare('INSERT INTO message_words (rowid, text) VALUES (?, ?)');
    this.#old = db.prepare(`SELECT id, chars FROM messages WHERE conversation = ? AND n < ? LIMIT ${REMOVE_MESSAGES}`);
    this.#oldest = db.prepare(`SELECT id, chars FROM messages ORDER BY id LIMIT ${REMOVE_MESSAGES}`);
    this.#remove = db.prepare('DELETE FROM messages WHERE id = ?');
    this.#removeText = db.prepare('DELETE FROM message_words WHERE rowid = ?');
    this.#skip = db.prepare('SELECT id FROM messages WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?');
    this.reset();
    this.#guarded(() => this.#opened());
  }

  close(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  /** Estimated bytes of the index for messages. */
  get bytes(): number {
    return this.#chars * BYTES_PER_CHAR;
  }

  /** Returns the maximum number of messages of these conversations, default all, that the index does not have yet. */
  behind(conversations?: readonly string[]): number {
    this.#guarded(() => this.#scan());
    const selected = conversations && new Set(conversations);
    return this.#backlog
      .filter(({ id }) => selected?.has(id) ?? true)
      .reduce((sum, { id, last }) => sum + Math.max(0, last - (this.#rowOf(id)?.taken ?? 0)), 0);
  }

  /** Scans for new messages at the next step, however short ago the last scan was. */
  scanSoon(): void {
    this.#isScanDue = true;
  }

  /** Forgets the state in memory, after a failed transaction. */
  reset(): void {
    // The catalogue is opened again: the note of which file it is may be lost with the transaction.
    this.close();
    this.#backlog = [];
    this.#version = undefined;
    this.#isScanDue = true;
    this.#chars = (this.#db.prepare('SELECT ifnull(sum(chars), 0) AS n FROM messages').get() as { n: number }).n;
  }

  /**
   * Takes or removes some messages. Returns the characters that it took; undefined if there was nothing to do, or the
   * catalogue cannot be read now. Throws only errors of the index.
   */
  step(): number | undefined {
    if (this.bytes > this.#parts.maxBytes) {
      this.#removeAll(this.#oldest.all() as MessageRow[]);
      return 0;
    }
    return this.#guarded(() => {
      if (this.#isScanDue || (this.#backlog.length === 0 && performance.now() - this.#scannedAt >= SCAN_MS)) {
        this.#scan();
      }
      const next = this.#backlog.at(-1);
      if (next === undefined) return undefined;
      const { chars, isDone } = this.#take(next);
      if (isDone) this.#backlog.pop();
      return chars;
    });
  }

  /**
   * Finds messages, newest first. Yields more than one page; the caller stops. Throws `index_unavailable` if the
   * catalogue cannot be read.
   */
  async *find(request: MessagesRequest, pace: SearchPace): AsyncGenerator<FoundMessageHit> {
    const { conversations } = request;
    if (conversations?.length === 0) return;
    if (this.#guarded(() => this.#opened()) === undefined) throw new BinnacleError('index_unavailable');
    const values: SqlValue[] = conversations === undefined ? [] : [JSON.stringify(conversations)];
    const only = conversations === undefined ? '' : ' AND t.id IN (SELECT value FROM json_each(?))';
    const statement = this.#db.prepare(
      `SELECT m.id, t.id AS conversation, m.n
       FROM message_words JOIN messages m ON m.id = message_words.rowid JOIN conversations t ON t.n = m.conversation
       WHERE message_words MATCH ? AND message_words.rowid < ? AND message_words.rowid >= ?${only}
       ORDER BY message_words.rowid DESC LIMIT ?`,
    );
    const expression = expressionOf(request.terms);
    // A prefix query collects its words from the whole index again for each window.
    const first = expression.includes('"*') ? LAST_WINDOW : FIRST_WINDOW;
    const startOf = (below: number, rows: number): number | undefined =>
      (this.#skip.get(below, rows) as { readonly id: number } | undefined)?.id;
    const rowsOf = (below: number, from: number, limit: number) =>
      statement.all(expression, below, from, ...values, limit) as unknown as MatchRow[];
    const windows = { before: request.after ?? NO_BOUND, low: 0, first, startOf, rowsOf };
    for await (const row of inWindows(windows, pace)) {
      const hit = this.#hitOf(row, expression);
      if (hit !== undefined) yield hit;
      // A message may have some 100 KB.
      await pace.step();
    }
  }

  /** Returns undefined for a message that was deleted, or is another one than the index has. */
  #hitOf({ id, conversation, n }: MatchRow, expression: string): FoundMessageHit | undefined {
    if (this.#source === undefined) throw new BinnacleError('index_unavailable');
    const message = this.#source.message(conversation, n);
    if (message === undefined) return undefined;
    const snippet = this.#parts.snippets.ofText(message.text, expression);
    return snippet && { id, conversation, message: message.id, role: message.role, time: timeOf(id), ...snippet };
  }

  /** Runs an act that reads the catalogue. If the catalogue cannot be read, there is no other try for a while. */
  #guarded<T>(act: () => T): T | undefined {
    if (performance.now() < this.#pausedUntil) return undefined;
    try {
      const done = act();
      this.#hasWarned = false;
      return done;
    } catch (error) {
      if (!(error instanceof CatalogueError)) throw error;
      this.close();
      this.#backlog = [];
      this.#version = undefined;
      this.#pausedUntil = performance.now() + PAUSE_MS;
      if (!this.#hasWarned) this.#parts.warn('the index cannot read the catalogue', { err: String(error.cause) });
      this.#hasWarned = true;
      return undefined;
    }
  }

  #opened(): CatalogueMessages {
    if (this.#source !== undefined) return this.#source;
    const source = CatalogueMessages.open(this.#parts.catalogue);
    const known = this.#db.prepare('SELECT file FROM catalogue').get() as { readonly file: string } | undefined;
    if (known?.file !== source.file) this.#startOver(source.file);
    this.#source = source;
    return source;
  }

  /** Empties the tables: they are of another catalogue, one that was lost, or replaced by a backup. */
  #startOver(file: string): void {
    for (const table of ['catalogue', 'conversations', 'messages']) this.#db.exec(`DELETE FROM ${table}`);
    this.#db.exec(`INSERT INTO message_words (message_words) VALUES ('delete-all')`);
    this.#db.prepare('INSERT INTO catalogue (file) VALUES (?)').run(file);
    this.#chars = 0;
  }

  /** Makes the backlog anew, if the catalogue has changed. */
  #scan(): void {
    const source = this.#opened();
    this.#isScanDue = false;
    this.#scannedAt = performance.now();
    // Read before the rows: a change between the two is found by the next scan.
    const { version } = source;
    if (version === this.#version) return;
    const conversations = this.#known.all() as { id: string; taken: number; oldest: number | null }[];
    const known = new Map(conversations.map((conversation) => [conversation.id, conversation]));
    const backlog: Backlog[] = [];
    for (const { id, first, last } of source.conversations()) {
      const { taken = 0, oldest = null } = known.get(id) ?? {};
      known.delete(id);
      const isStale = last < taken;
      if (isStale || last > taken || (oldest ?? NO_BOUND) < first) backlog.push({ id, first, last, isStale });
    }
    for (const id of known.keys()) backlog.push({ id, first: NO_BOUND, last: 0, isStale: true });
    this.#backlog = backlog;
    this.#version = version;
  }

  #take({ id, first, last, isStale }: Backlog): { readonly chars: number; readonly isDone: boolean } {
    const conversation = this.#rowOf(id);
    if (conversation !== undefined) {
      const old = this.#old.all(conversation.n, isStale ? NO_BOUND : first) as MessageRow[];
      this.#removeAll(old);
      if (old.length > 0) return { chars: 0, isDone: false };
      if (isStale) {
        this.#removeRow.run(conversation.n);
        // A conversation that is still there, with ordinals that begin again, is found anew by the next scan.
        this.#version = undefined;
        this.#isScanDue = true;
        return { chars: 0, isDone: true };
      }
    }
    if (last === 0) return { chars: 0, isDone: true };
    return this.#takeNew(conversation ?? this.#begin(id));
  }

  #takeNew({ n: conversation, id, taken }: ConversationRow): { readonly chars: number; readonly isDone: boolean } {
    let chars = 0;
    let at = taken;
    try {
      for (let count = 0; count < STEP_MESSAGES && chars < STEP_CHARS; count += 1) {
        const next = this.#source?.next(id, at);
        if (next === undefined) return { chars, isDone: true };
        at = next.n;
        // A row that cannot be understood has no text to find.
        if (next.message === undefined) continue;
        const { text, at: time } = next.message;
        const row = this.#stamps.next(time);
        this.#add.run(row, conversation, next.n, text.length);
        this.#addText.run(row, text);
        this.#chars += text.length;
        chars += text.length;
      }
      return { chars, isDone: false };
    } finally {
      // Also after a failure to read: what was taken by then must not be taken again.
      if (at !== taken) this.#setTaken.run(at, conversation);
    }
  }

  #removeAll(rows: readonly MessageRow[]): void {
    for (const { id, chars } of rows) {
      this.#remove.run(id);
      this.#removeText.run(id);
      this.#chars -= chars;
    }
  }

  #begin(id: string): ConversationRow {
    this.#addRow.run(id);
    return this.#row.get(id) as ConversationRow;
  }

  #rowOf(id: string): ConversationRow | undefined {
    return this.#row.get(id) as ConversationRow | undefined;
  }
}
