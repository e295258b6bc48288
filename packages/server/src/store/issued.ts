// Makers of tokens and browser logins, as of the time of making.

import { BinnacleError } from '@binnacle/protocol';
import type { Database, Statement } from './sqlite.ts';

/** Maker of a token, as of the time when the token was made: the maker may have ended since. */
export interface MadeBy {
  /** Id of a token or a login; `admin`: the admin token. */
  readonly id: string;
  readonly name: string;
  readonly user: string;
}

/**
 * Maximum length of a line of tokens that make tokens. Each generation stores one more id per row, and no workflow is
 * deeper.
 */
export const MAX_GENERATIONS = 32;

export class IssuedStore {
  readonly #put: Statement;
  readonly #get: Statement;
  readonly #under: Statement;

  constructor(db: Database) {
    this.#put = db.prepare('INSERT INTO issued (id, by_id, by_name, by_user, line) VALUES (?, ?, ?, ?, ?)');
    this.#get = db.prepare('SELECT * FROM issued WHERE id = ?');
    this.#under = db.prepare('SELECT issued.id FROM issued, json_each(issued.line) AS one WHERE one.value = ?');
  }

  /** Throws `too_many_tokens` if `by` is the last of a line of `MAX_GENERATIONS`. */
  check(by: string): void {
    if (this.#lineOf(by).length < MAX_GENERATIONS) return;
    throw new BinnacleError('too_many_tokens', {
      message: 'This token was made by one that was made by one, and so on: it can make no more.',
      hint: 'Use a token nearer to the admin token.',
      details: { limit: MAX_GENERATIONS },
    });
  }

  put(id: string, by: MadeBy): void {
    this.#put.run(id, by.id, by.name, by.user, JSON.stringify(this.#lineOf(by.id)));
  }

  /** Returns null for tokens that are older than this table. */
  madeBy(id: string): MadeBy | null {
    const row = this.#get.get(id) as Row | undefined;
    return row === undefined ? null : { id: row.by_id, name: row.by_name, user: row.by_user };
  }

  /**
   * Returns the ids of all tokens and logins below `id`, directly or indirectly, even if those in between have ended.
   */
  under(id: string): ReadonlySet<string> {
    return new Set(this.#under.all(id).map((row) => (row as { readonly id: string }).id));
  }

  /** Returns the ids from the first of the line down to `by`. */
  #lineOf(by: string): readonly string[] {
    const row = this.#get.get(by) as Row | undefined;
    return [...(row === undefined ? [] : (JSON.parse(row.line) as string[])), by];
  }
}

interface Row {
  readonly by_id: string;
  readonly by_name: string;
  readonly by_user: string;
  readonly line: string;
}
