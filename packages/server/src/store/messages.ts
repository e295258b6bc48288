// Rows of messages: the history of each conversation and its queue, in order.

import { createHash } from 'node:crypto';
import { type Author, BinnacleError, type ConversationEvent, type MessageInfo, messageAfter } from '@binnacle/protocol';
import type { Database, Statement } from './sqlite.ts';

export const MAX_PAGE = 200;
export const DEFAULT_PAGE = 50;
const CONTEXT_MESSAGES = 100;
/** Maximum messages per conversation, newest first. The ids of older ones can be used again. */
const MAX_STORED_MESSAGES = 10_000;
/** Number of messages that are dropped at once. */
const DROP_STEP = 100;

/** Returns the message id of a run's answer, which is a message, too. Ids from clients cannot contain a colon. */
export const answerId = (run: string): string => `answer:${run}`;

/** Returns the digest of a message. Two messages with one id are the same if their digests are equal. */
export const messageDigest = ({
  text,
  timeoutMs = 0,
}: {
  readonly text: string;
  readonly timeoutMs?: number;
}): string => createHash('sha256').update(`${timeoutMs}\n${text}`).digest('base64url');

type MessageChange = Extract<
  ConversationEvent,
  { readonly type: 'message_edited' | 'message_cancelled' | 'message_delivered' }
>;

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
      // An existing row stays: an entry can be applied twice, if only a part of it was stored.
      'INSERT OR IGNORE INTO messages (conversation, n, id, state, digest, body) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#find = db.prepare('SELECT * FROM messages WHERE conversation = ? AND id = ?');
    this.#put = db.prepare('UPDATE messages SET n = ?, state = ?, body = ? WHERE conversation = ? AND id = ?');
    this.#drop = db.prepare("DELETE FROM messages WHERE conversation = ? AND n <= ? AND state <> 'queued'");
    this.#lastN = db.prepare('SELECT max(n) AS n FROM messages WHERE conversation = ?');
    // Interrupting messages come first.
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

  /** Adds a message at the end. Returns true if the oldest were dropped for it. */
  add(conversation: string, message: MessageInfo): boolean {
    const n = this.#nextN(conversation);
    this.#add.run(conversation, n, message.id, message.state, messageDigest(message), JSON.stringify(message));
    if (n % DROP_STEP !== 0 || n <= MAX_STORED_MESSAGES) return false;
    this.#drop.run(conversation, n - MAX_STORED_MESSAGES);
    return true;
  }

  /**
   * Applies an event to its message, if there is one. A delivered message moves to its place in the history: it counts
   * from its delivery to the agent, not from its arrival in the queue.
   */
  apply(conversation: string, event: MessageChange): void {
    const row = this.#row(conversation, event.id);
    if (row === undefined) return;
    const message = messageAfter(toMessage(row), event);
    const n = event.type === 'message_delivered' ? this.#nextN(conversation) : row.n;
    this.#put.run(n, message.state, JSON.stringify(message), conversation, event.id);
  }

  find(conversation: string, id: string): MessageInfo | undefined {
    const row = this.#row(conversation, id);
    return row === undefined ? undefined : toMessage(row);
  }

  /** Returns the digest of the first version, regardless of later edits. */
  digest(conversation: string, id: string): string | undefined {
    return this.#row(conversation, id)?.digest;
  }

  /** Returns the queue, in order. */
  waiting(conversation: string): MessageInfo[] {
    return this.#waiting.all(conversation).map(toMessage);
  }

  /** Returns the history without the queue, oldest first. Throws `bad_request` for an invalid `before`. */
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
   * Returns the newest `CONTEXT_MESSAGES` messages to and from the agent before the delivery of a message, and the
   * author of that message. Leaves out messages to commands, and those that plugins withheld from the agent.
   */
  contextOf(
    conversation: string,
    id: string,
  ): { readonly history: readonly Pick<MessageInfo, 'role' | 'text'>[]; readonly by: Author } {
    const row = this.#row(conversation, id);
    const by = row === undefined ? { user: null, name: '' } : toMessage(row).by;
    const rows = this.#context.all(conversation, row?.n ?? 0, CONTEXT_MESSAGES).reverse();
    // An empty answer exists for people; models refuse it.
    const delivered = rows.map(toMessage).filter(({ state, text }) => state === 'delivered' && text !== '');
    return { history: delivered.map(({ role, text }) => ({ role, text })), by };
  }

  #row(conversation: string, id: string): MessageRow | undefined {
    return this.#find.get(conversation, id) as MessageRow | undefined;
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

// The rows were written by this store, with this type.
const toMessage = (row: unknown): MessageInfo => JSON.parse((row as MessageRow).body) as MessageInfo;
