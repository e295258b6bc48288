// Row ids that sort by time: ms since 1970 times 4096, plus a count. Rows that come later, from a rebuild or from a
// session that was read late, get their place in time. Ids fit in a double up to the year 2039.

import type { Database, Statement } from '../store/sqlite.ts';

const STEP = 4096;

/** Returns the first id of a ms. Times beyond the range of ids count as the last one. */
export const stampOf = (time: number): number =>
  Math.max(0, Math.min(Math.floor(time), Math.floor(Number.MAX_SAFE_INTEGER / STEP) - 1)) * STEP;
export const timeOf = (stamp: number): number => Math.floor(stamp / STEP);

/** Finds free ids in one table, after those of the same time. */
export class Stamps {
  readonly #last: Statement;

  constructor(db: Database, table: 'docs' | 'events') {
    this.#last = db.prepare(`SELECT max(id) AS id FROM ${table} WHERE id >= ? AND id < ?`);
  }

  next(time: number): number {
    for (let first = stampOf(time); ; first += STEP) {
      const { id } = this.#last.get(first, first + STEP) as { id: number | null };
      if (id === null) return first;
      if (id + 1 < first + STEP) return id + 1;
    }
  }
}
