// Sessions and conversations of which a user wants no notifications.

import { BinnacleError } from '@binnacle/protocol';
import { type Database, type Statement, toDisk } from './sqlite.ts';

/** `target`: an id, for a conversation as well: its key can belong to another conversation later. */
export interface MutedTarget {
  readonly kind: 'session' | 'conversation';
  readonly target: string;
}

export const MAX_MUTES_OF_USER = 1000;

export class MuteStore {
  readonly #maxOfUser: number;
  readonly #put: Statement;
  readonly #drop: Statement;
  readonly #has: Statement;
  readonly #list: Statement;
  readonly #count: Statement;
  readonly #forget: Statement;
  readonly #prune: Statement;

  constructor(db: Database, maxOfUser = MAX_MUTES_OF_USER) {
    this.#maxOfUser = maxOfUser;
    this.#put = db.prepare('INSERT OR IGNORE INTO mutes (user, kind, target) VALUES (?, ?, ?)');
    this.#drop = db.prepare('DELETE FROM mutes WHERE user = ? AND kind = ? AND target = ?');
    this.#has = db.prepare('SELECT 1 FROM mutes WHERE user = ? AND kind = ? AND target = ?');
    this.#list = db.prepare('SELECT kind, target FROM mutes WHERE user = ? ORDER BY rowid');
    this.#count = db.prepare('SELECT count(*) AS n FROM mutes WHERE user = ?');
    this.#forget = db.prepare('DELETE FROM mutes WHERE kind = ? AND target = ?');
    this.#prune = db.prepare(
      `DELETE FROM mutes WHERE user = ? AND NOT EXISTS (
         SELECT 1 FROM sessions WHERE id = target AND deleted_at IS NULL
         UNION ALL SELECT 1 FROM conversations WHERE id = target)`,
    );
  }

  /** Throws `too_many_mutes`, `disk_full`. */
  put(user: string, { kind, target }: MutedTarget): void {
    const count = (): number => (this.#count.get(user) as { readonly n: number }).n;
    if (count() >= this.#maxOfUser && !this.has(user, { kind, target })) {
      // Retention removes sessions without their mutes.
      this.#prune.run(user);
      if (count() >= this.#maxOfUser) {
        throw new BinnacleError('too_many_mutes', { details: { limit: this.#maxOfUser } });
      }
    }
    toDisk(() => this.#put.run(user, kind, target));
  }

  drop(user: string, { kind, target }: MutedTarget): void {
    this.#drop.run(user, kind, target);
  }

  has(user: string, { kind, target }: MutedTarget): boolean {
    return this.#has.get(user, kind, target) !== undefined;
  }

  list(user: string): readonly MutedTarget[] {
    return this.#list.all(user) as unknown as readonly MutedTarget[];
  }

  /** Removes the mutes of all users for a target that is gone. */
  forget({ kind, target }: MutedTarget): void {
    this.#forget.run(kind, target);
  }
}
