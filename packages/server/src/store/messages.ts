// Rows of messages: the history of each conversation and its queue, in order.

import { createHash } from 'node:crypto';
import { type Author, BinnacleError, type ConversationEvent, type MessageInfo, messageAfter } from '@binnacle/protocol';
import { Store } from './table.ts';

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

interface MessageRow {
  readonly conversation: string;
  /** Ordinal in the conversation. */
  readonly n: number;
  readonly id: string;
  readonly state: MessageInfo['state'];
  readonly digest: string;
  readonly body: MessageInfo;
}

export class MessageStore extends Store {
  readonly #messages = this.sql.table<MessageRow>('messages', {
    conversation: 'text',
    n: 'integer',
    id: 'text',
    state: 'text',
    digest: 'text',
    body: 'json',
  });
  // An existing row stays: an entry can be applied twice, if only a part of it was stored.
  readonly #insert = this.#messages.insertNew();
  readonly #get = this.#messages.get('conversation', 'id');
  readonly #update = this.#messages.update(['n', 'state', 'body'], ['conversation', 'id']);
  readonly #drop = this.sql.run("DELETE FROM messages WHERE conversation = ? AND n <= ? AND state <> 'queued'");
  readonly #lastN = this.sql.value<number>('SELECT max(n) AS n FROM messages WHERE conversation = ?');
  // Interrupting messages come first.
  readonly #waiting = this.#messages.list(
    `WHERE conversation = ? AND state = 'queued' ORDER BY json_extract(body, '$.steer') <> 'interrupt', n`,
  );
  readonly #history = this.#messages.list(
    `WHERE conversation = ? AND n < ? AND state <> 'queued' ORDER BY n DESC LIMIT ?`,
  );
  readonly #context = this.#messages.list(
    `WHERE conversation = ? AND n < ? AND state <> 'queued'
       AND NOT EXISTS (
         SELECT 1 FROM conversation_runs AS r
         WHERE r.conversation = messages.conversation AND r.id = json_extract(messages.body, '$.run')
           AND (json_extract(r.body, '$.command') IS NOT NULL OR json_extract(r.body, '$.isAsked') IS NOT NULL))
     ORDER BY n DESC LIMIT ?`,
  );

  /** Adds a message at the end. Returns true if the oldest were dropped for it. */
  add(conversation: string, message: MessageInfo): boolean {
    const { id, state } = message;
    const n = this.#nextN(conversation);
    this.#insert({ conversation, n, id, state, digest: messageDigest(message), body: message });
    if (n % DROP_STEP !== 0 || n <= MAX_STORED_MESSAGES) return false;
    this.#drop(conversation, n - MAX_STORED_MESSAGES);
    return true;
  }

  /**
   * Applies an event to its message, if there is one. A delivered message moves to its place in the history: it counts
   * from its delivery to the agent, not from its arrival in the queue.
   */
  apply(conversation: string, event: MessageChange): void {
    const row = this.#get(conversation, event.id);
    if (row === undefined) return;
    const body = messageAfter(row.body, event);
    const n = event.type === 'message_delivered' ? this.#nextN(conversation) : row.n;
    this.#update({ n, state: body.state, body }, conversation, event.id);
  }

  find(conversation: string, id: string): MessageInfo | undefined {
    return this.#get(conversation, id)?.body;
  }

  /** Returns the digest of the first version, regardless of later edits. */
  digest(conversation: string, id: string): string | undefined {
    return this.#get(conversation, id)?.digest;
  }

  /** Returns the queue, in order. */
  waiting(conversation: string): MessageInfo[] {
    return this.#waiting(conversation).map(({ body }) => body);
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
    const rows = this.#history(conversation, before, limit + 1);
    const shown = rows.slice(0, limit).reverse();
    const first = shown[0];
    return {
      messages: shown.map(({ body }) => body),
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
    const row = this.#get(conversation, id);
    const by = row?.body.by ?? { user: null, name: '' };
    const rows = this.#context(conversation, row?.n ?? 0, CONTEXT_MESSAGES).reverse();
    // An empty answer exists for people; models refuse it.
    const delivered = rows.filter(({ body: { state, text } }) => state === 'delivered' && text !== '');
    return { history: delivered.map(({ body: { role, text } }) => ({ role, text })), by };
  }

  #nextN(conversation: string): number {
    return (this.#lastN(conversation) ?? 0) + 1;
  }
}
