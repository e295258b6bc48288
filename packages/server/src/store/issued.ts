// Makers of tokens and browser logins, as of the time of making.

import { BinnacleError } from '@binnacle/protocol';
import { Store } from './table.ts';

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

interface IssuedRow {
  readonly id: string;
  readonly byId: string;
  readonly byName: string;
  readonly byUser: string;
  readonly line: readonly string[];
}

export class IssuedStore extends Store {
  readonly #issued = this.sql.table<IssuedRow>('issued', {
    id: 'text',
    byId: 'text',
    byName: 'text',
    byUser: 'text',
    line: 'json',
  });
  readonly #insert = this.#issued.insert();
  readonly #get = this.#issued.get('id');
  readonly #under = this.sql.values<string>(
    'SELECT issued.id FROM issued, json_each(issued.line) AS one WHERE one.value = ?',
  );

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
    this.#insert({ id, byId: by.id, byName: by.name, byUser: by.user, line: this.#lineOf(by.id) });
  }

  /** Returns null for tokens that are older than this table. */
  madeBy(id: string): MadeBy | null {
    const row = this.#get(id);
    return row === undefined ? null : { id: row.byId, name: row.byName, user: row.byUser };
  }

  /**
   * Returns the ids of all tokens and logins below `id`, directly or indirectly, even if those in between have ended.
   */
  under(id: string): ReadonlySet<string> {
    return new Set(this.#under(id));
  }

  /** Returns the ids from the first of the line down to `by`. */
  #lineOf(by: string): readonly string[] {
    return [...(this.#get(by)?.line ?? []), by];
  }
}
