// The rows of messages: what was said in each conversation and what waits to be, in its order. Knows no conversation but by id.

import { createHash } from 'node:crypto';
import { type Author, BinnacleError, type MessageInfo } from '@binnacle/protocol';
import type { Database, Statement } from './sqlite.ts';

export const MAX_PAGE = 200;
export const DEFAULT_PAGE = 50;
const CONTEXT_MESSAGES = 100;
/** Of one conversation, the newest; an id that is older than these can be used again. */
const KEPT_MESSAGES = 10_000;
/** How many are dropped at once. */
const DROP_STEP = 100;

/** What a run has said is a message, too. No id that a client may choose has a colon. */
export const answerId = (run: string): string => `answer:${run}`;

/** Two messages with one id are the same if these are. */
export const digestOf = ({ text, timeoutMs = 0 }: { readonly text: string; readonly timeoutMs?: number }): string =>
  createHash('sha256').update(`${timeoutMs}\n${text}`).digest('base64url');

export class MessageStore {
  readonly #add: Statement;
  readonly #find: Statement;
  readonly #put: Statement;
  readonly #drop: Statement;
  readonly #lastN: Statement;
  readonly #waiting: Statement;
  readonly #history: Statement;
  readonly #context: Statement;

  constructor(db: Database) {
    this.#add = db.prepare(
      // What is there already stays: an entry can come twice, where only some of it could be kept.
      'INSERT OR IGNORE INTO messages (conversation, n, id, state, digest, body) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#find = db.prepare('SELECT * FROM messages WHERE conversation = ? AND id = ?');
    this.#put = db.prepare('UPDATE messages SET n = ?, state = ?, body = ? WHERE conversation = ? AND id = ?');
    this.#drop = db.prepare("DELETE FROM messages WHERE conversation = ? AND n <= ? AND state <> 'queued'");
    this.#lastN = db.prepare('SELECT max(n) AS n FROM messages WHERE conversation = ?');
    // Who interrupts is next.
    this.#waiting = db.prepare(
      `SELECT * FROM messages WHERE conversation = ? AND state = 'queued'
       ORDER BY json_extract(body, '$.steer') <> 'interrupt', n`,
    );
    this.#history = db.prepare(
      `SELECT * FROM messages WHERE conversation = ? AND n < ? AND state <> 'queued' ORDER BY n DESC LIMIT ?`,
    );
    this.#context = db.prepare(
      `SELECT * FROM messages AS m WHERE conversation = ? AND n < ? AND state <> 'queued'
         AND NOT EXISTS (
           SELECT 1 FROM conversation_runs AS r
           WHERE r.conversation = m.conversation AND r.id = json_extract(m.body, '$.run')
             AND (json_extract(r.body, '$.command') IS NOT NULL OR json_extract(r.body, '$.isAsked') IS NOT NULL))
       ORDER BY n DESC LIMIT ?`,
    );
  }

  /** Behind all others. True: the oldest were dropped for it. */
  add(conversation: string, message: MessageInfo): boolean {
    const n = this.#nextN(conversation);
    this.#add.run(conversation, n, message.id, message.state, digestOf(message), JSON.stringify(message));
    if (n % DROP_STEP !== 0 || n <= KEPT_MESSAGES) return false;
    this.#drop.run(conversation, n - KEPT_MESSAGES);
    return true;
  }

  /** Nothing where it is not there. */
  change(conversation: string, id: string, change: Partial<MessageInfo>): void {
    const row = this.#row(conversation, id);
    if (row !== undefined) this.#write(conversation, row, change);
  }

  /** It takes its place among what was said when the agent has it, not when it was put into the queue. */
  deliver(conversation: string, id: string, run: string): void {
    const row = this.#row(conversation, id);
    if (row === undefined) return;
    const change = { state: 'delivered', run, ...(run === id ? { steer: 'queue' as const } : {}) } as const;
    this.#write(conversation, { ...row, n: this.#nextN(conversation) }, change);
  }

  find(conversation: string, id: string): MessageInfo | undefined {
    const row = this.#row(conversation, id);
    return row === undefined ? undefined : toMessage(row);
  }

  /** The digest of what was asked for first, whatever was edited since. */
  digest(conversation: string, id: string): string | undefined {
    return this.#row(conversation, id)?.digest;
  }

  /** Those that wait, in order. */
  waiting(conversation: string): MessageInfo[] {
    return this.#waiting.all(conversation).map(toMessage);
  }

  /** What was said, oldest first; those that wait are not among it. Throws `bad_request` for a `before` that is none. */
  history(
    conversation: string,
    page: { readonly before?: string | undefined; readonly limit?: number | undefined },
  ): { readonly messages: readonly MessageInfo[]; readonly before: string | null } {
    const limit = Math.min(page.limit ?? DEFAULT_PAGE, MAX_PAGE);
    const before = page.before === undefined ? Number.MAX_SAFE_INTEGER : Number(page.before);
    if (!Number.isSafeInteger(before))
      throw new BinnacleError('bad_request', { message: 'before is not one of ours.' });
    const rows = this.#history.all(conversation, before, limit + 1) as MessageRow[];
    const shown = rows.slice(0, limit).reverse();
    const first = shown[0];
    return {
      messages: shown.map(toMessage),
      before: rows.length > limit && first !== undefined ? String(first.n) : null,
    };
  }

  /**
   * What was said to the agent and by it before a message was delivered, newest `CONTEXT_MESSAGES` of it, and who says
   * that. What went to commands, and what plugins kept from it, is none of it.
   */
  contextOf(
    conversation: string,
    id: string,
  ): { readonly history: readonly Pick<MessageInfo, 'role' | 'text'>[]; readonly by: Author } {
    const row = this.#row(conversation, id);
    const by = row === undefined ? { user: null, name: '' } : toMessage(row).by;
    const rows = this.#context.all(conversation, row?.n ?? 0, CONTEXT_MESSAGES).reverse();
    // An answer without a word is there for people; models refuse it.
    const said = rows.map(toMessage).filter(({ state, text }) => state === 'delivered' && text !== '');
    return { history: said.map(({ role, text }) => ({ role, text })), by };
  }

  #row(conversation: string, id: string): MessageRow | undefined {
    return this.#find.get(conversation, id) as MessageRow | undefined;
  }

  #write(conversation: string, row: MessageRow, change: Partial<MessageInfo>): void {
    const { id, n } = row;
    const changed = { ...toMessage(row), ...change };
    this.#put.run(n, changed.state, JSON.stringify(changed), conversation, id);
  }

  #nextN(conversation: string): number {
    return ((this.#lastN.get(conversation) as { readonly n: number | null }).n ?? 0) + 1;
  }
}

interface MessageRow {
  readonly n: number;
  readonly id: string;
  readonly digest: string;
  readonly body: string;
}

// The rows were written by us, by this type.
const toMessage = (row: unknown): MessageInfo => JSON.parse((row as MessageRow).body) as MessageInfo;
