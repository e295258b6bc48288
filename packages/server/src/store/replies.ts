// Addresses to which the answers of runs are posted, until they were accepted there. Removed with the conversation.

import type { Database, Statement } from './sqlite.ts';

export interface ReplyRecord {
  readonly conversation: string;
  readonly run: string;
  readonly url: string;
  readonly tries: number;
  readonly dueAt: number;
}

export class ReplyStore {
  readonly #put: Statement;
  readonly #list: Statement;
  readonly #find: Statement;
  readonly #remove: Statement;

  constructor(db: Database) {
    this.#put = db.prepare(
      `INSERT INTO replies (conversation, run, url, tries, due_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (conversation, run) DO UPDATE SET tries = excluded.tries, due_at = excluded.due_at`,
    );
    this.#list = db.prepare('SELECT * FROM replies ORDER BY due_at LIMIT 1000');
    this.#find = db.prepare('SELECT * FROM replies WHERE conversation = ? AND run = ?');
    this.#remove = db.prepare('DELETE FROM replies WHERE conversation = ? AND run = ?');
  }

  put({ conversation, run, url, tries, dueAt }: ReplyRecord): void {
    this.#put.run(conversation, run, url, tries, dueAt);
  }

  /** Returns the replies, earliest due time first. */
  list(): readonly ReplyRecord[] {
    return this.#list.all().map(toReply);
  }

  find(conversation: string, run: string): ReplyRecord | undefined {
    const row = this.#find.get(conversation, run);
    return row === undefined ? undefined : toReply(row);
  }

  remove(conversation: string, run: string): void {
    this.#remove.run(conversation, run);
  }
}

// The rows were written by this store, with this type.
function toReply(row: unknown): ReplyRecord {
  const { due_at: dueAt, ...reply } = row as Omit<ReplyRecord, 'dueAt'> & { readonly due_at: number };
  return { ...reply, dueAt };
}
