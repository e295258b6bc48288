// Reads of messages in the catalogue, by the process of the index. Only delivered messages: their text does not change, and
// they are numbered in order.

import { existsSync, statSync } from 'node:fs';
import { type Database, openDatabase, type Statement } from '../../store/sqlite.ts';

/** The catalogue could not be read. Not an error of the index, which is deleted when it is damaged. */
export class CatalogueError extends Error {}

export interface CatalogueMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** Unix time in milliseconds. */
  readonly at: number;
}

export class CatalogueMessages {
  /** Identity of the file. */
  readonly file: string;
  readonly #db: Database;
  readonly #version: Statement;
  readonly #conversations: Statement;
  readonly #next: Statement;
  readonly #message: Statement;

  private constructor(path: string) {
    const { ino, birthtimeMs } = statSync(path);
    this.file = `${ino} ${Math.floor(birthtimeMs)}`;
    this.#db = openDatabase(path);
    this.#db.exec('PRAGMA query_only = ON; PRAGMA busy_timeout = 1000; PRAGMA trusted_schema = OFF');
    this.#version = this.#db.prepare('PRAGMA data_version');
    this.#conversations = this.#db.prepare(
      `SELECT id, (SELECT min(n) FROM messages WHERE conversation = c.id) AS first,
         (SELECT max(n) FROM messages WHERE conversation = c.id) AS last FROM conversations c`,
    );
    this.#next = this.#db.prepare(
      `SELECT n, body FROM messages WHERE conversation = ? AND n > ? AND state = 'delivered' ORDER BY n LIMIT 1`,
    );
    this.#message = this.#db.prepare(
      `SELECT body FROM messages WHERE conversation = ? AND n = ? AND state = 'delivered'`,
    );
  }

  /** Throws `CatalogueError`, as all methods. */
  static open(path: string): CatalogueMessages {
    return read(() => {
      if (!existsSync(path)) throw new Error(`There is no ${path}.`);
      return new CatalogueMessages(path);
    });
  }

  close(): void {
    this.#db.close();
  }

  /** Number that changes with each commit of the gateway. */
  get version(): number {
    return read(() => (this.#version.get() as { readonly data_version: number }).data_version);
  }

  /** Ordinals of the oldest and newest message of each conversation; `last` is 0 if there is none. */
  conversations(): { readonly id: string; readonly first: number; readonly last: number }[] {
    const rows = read(() => this.#conversations.all()) as { id: string; first: number | null; last: number | null }[];
    return rows.map(({ id, first, last }) => ({ id, first: first ?? Number.MAX_SAFE_INTEGER, last: last ?? 0 }));
  }

  /** Returns the first message behind an ordinal. `message`: undefined if the row cannot be understood. */
  next(
    conversation: string,
    behind: number,
  ): { readonly n: number; readonly message: CatalogueMessage | undefined } | undefined {
    const row = read(() => this.#next.get(conversation, behind)) as { n: number; body: unknown } | undefined;
    return row && { n: row.n, message: parse(row.body) };
  }

  message(conversation: string, n: number): CatalogueMessage | undefined {
    const row = read(() => this.#message.get(conversation, n)) as { body: unknown } | undefined;
    return row && parse(row.body);
  }
}

function read<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new CatalogueError('The catalogue could not be read.', { cause });
  }
}

/** Returns undefined for a damaged row: SQLite has no checksums, and a rebuilt catalogue keeps whatever it finds. */
function parse(body: unknown): CatalogueMessage | undefined {
  try {
    const { id, role, text, at } = JSON.parse(String(body)) as Partial<CatalogueMessage>;
    const isWhole = typeof id === 'string' && typeof text === 'string' && Number.isSafeInteger(at);
    if (!isWhole || (role !== 'user' && role !== 'assistant')) return undefined;
    return { id, role, text, at: at as number };
  } catch {
    return undefined;
  }
}
