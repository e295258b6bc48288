// Sessions and conversations of which a user wants no notifications.

import { BinnacleError } from '@binnacle/protocol';
import { type Database, toDisk } from './sqlite.ts';
import { Store } from './table.ts';

/** `target`: an id, for a conversation as well: its key can belong to another conversation later. */
export interface MutedTarget {
  readonly kind: 'session' | 'conversation';
  readonly target: string;
}

export const MAX_MUTES_OF_USER = 1000;

export class MuteStore extends Store {
  readonly #maxOfUser: number;
  readonly #mutes = this.sql.table<MutedTarget>('mutes', { kind: 'text', target: 'text' });
  readonly #ofUsers = this.sql.table<MutedTarget & { readonly user: string }>('mutes', {
    user: 'text',
    kind: 'text',
    target: 'text',
  });
  readonly #put = this.#ofUsers.insertNew();
  readonly #drop = this.#ofUsers.remove('user', 'kind', 'target');
  readonly #get = this.#ofUsers.get('user', 'kind', 'target');
  readonly list = this.#mutes.list('WHERE user = ? ORDER BY rowid');
  readonly #count = this.sql.count('mutes WHERE user = ?');
  readonly #forget = this.#mutes.remove('kind', 'target');
  readonly #prune = this.sql.run(
    `DELETE FROM mutes WHERE user = ? AND NOT EXISTS (
       SELECT 1 FROM sessions WHERE id = target AND deleted_at IS NULL
       UNION ALL SELECT 1 FROM conversations WHERE id = target)`,
  );

  constructor(db: Database, maxOfUser = MAX_MUTES_OF_USER) {
    super(db);
    this.#maxOfUser = maxOfUser;
  }

  /** Throws `too_many_mutes`, `disk_full`. */
  put(user: string, { kind, target }: MutedTarget): void {
    if (this.#count(user) >= this.#maxOfUser && !this.has(user, { kind, target })) {
      // Retention removes sessions without their mutes.
      this.#prune(user);
      if (this.#count(user) >= this.#maxOfUser) {
        throw new BinnacleError('too_many_mutes', { details: { limit: this.#maxOfUser } });
      }
    }
    toDisk(() => this.#put({ user, kind, target }));
  }

  drop(user: string, { kind, target }: MutedTarget): void {
    this.#drop(user, kind, target);
  }

  has(user: string, { kind, target }: MutedTarget): boolean {
    return this.#get(user, kind, target) !== undefined;
  }

  /** Removes the mutes of all users for a target that is gone. */
  forget({ kind, target }: MutedTarget): void {
    this.#forget(kind, target);
  }
}
