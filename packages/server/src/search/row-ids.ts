// Row ids that sort by time: ms since 1970 times 4096, plus a count. Rows that come later, from a rebuild or from a
// session that was read late, get their place in time. Ids fit in a double up to the year 2039.

import type { Database, Statement } from '../store/sqlite.ts';

const STEP = 4096;

/** Returns the first id of a ms. Times beyond the range of ids count as the last one. */
export const stampOf = (time: number): number =>
  Math.max(0, Math.min(Math.floor(time), Math.floor(Number.MAX_SAFE_INTEGER / STEP) - 1)) * STEP;
export const timeOf = (stamp: number): number => Math.floor(stamp / STEP);

/** Time of arrival of a session, in ms: the beginning of its id. None of its rows is older. */
export const bornAt = (session: string): number => Number.parseInt(session.slice(0, 8) + session.slice(9, 13), 16) || 0;

/** Finds free ids in one table, after those of the same time. */
export class Stamps {
  readonly #newest: Statement;
  /** Last id that was given, and the first id of its ms: the next id of the same ms needs no look at the table. */
  #lastId = 0;
  #lastMs = -1;

  constructor(db: Database, table: 'docs' | 'events' | 'messages') {
    this.#newest = db.prepare(`SELECT max(id) AS id FROM ${table} WHERE id >= ? AND id < ?`);
  }

  next(time: number): number {
    for (let first = stampOf(time); ; first += STEP) {
      const last = first === this.#lastMs ? this.#lastId : this.#lastOf(first);
      const id = last === null ? first : last + 1;
      if (id >= first + STEP) continue;
      this.#lastId = id;
      this.#lastMs = first;
      return id;
    }
  }

  #lastOf(first: number): number | null {
    return (this.#newest.get(first, first + STEP) as { id: number | null }).id;
  }
}
