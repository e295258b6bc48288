// Addresses to which the answers of runs are posted, until they were accepted there. Removed with the conversation.

import { Store } from './table.ts';

export interface ReplyRecord {
  readonly conversation: string;
  readonly run: string;
  readonly url: string;
  readonly tries: number;
  readonly dueAt: number;
}

export class ReplyStore extends Store {
  readonly #replies = this.sql.table<ReplyRecord>('replies', {
    conversation: 'text',
    run: 'text',
    url: 'text',
    tries: 'integer',
    dueAt: 'integer',
  });
  readonly put = this.#replies.upsert(['conversation', 'run'], ['tries', 'dueAt']);
  /** Returns the replies, earliest due time first. */
  readonly list = this.#replies.list('ORDER BY due_at LIMIT 1000');
  readonly find = this.#replies.get('conversation', 'run');
  readonly remove = this.#replies.remove('conversation', 'run');
}
