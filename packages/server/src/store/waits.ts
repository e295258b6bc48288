// When sessions began to wait for somebody, so that it can be looked back at. Goes with its session (a trigger does that).

import type { Database, Statement } from './sqlite.ts';

export interface Wait {
  /** ms since 1970. */
  readonly since: number;
  /** Bytes of output that it had written by then. */
  readonly offset: number;
  /** What it waits for, one line; empty: nobody said. */
  readonly text: string;
}

/** Of one session, the newest. */
export const MAX_WAITS = 200;
/** A gateway that starts anew finds a wait again nearly when it began; a program may begin to wait all the time. */
export const SAME_MS = 1000;

export class WaitStore {
  readonly #put: Statement;
  readonly #trim: Statement;
  readonly #list: Statement;

  constructor(db: Database) {
    this.#put = db.prepare(
      `INSERT INTO waits (session_id, since, offset, text) SELECT ?, ?, ?, ?
       WHERE NOT EXISTS (SELECT 1 FROM waits WHERE session_id = ? AND since > ? AND since < ?)`,
    );
    this.#trim = db.prepare(
      `DELETE FROM waits WHERE session_id = ? AND since <=
         (SELECT since FROM waits WHERE session_id = ? ORDER BY since DESC LIMIT 1 OFFSET ${MAX_WAITS})`,
    );
    this.#list = db.prepare('SELECT since, offset, text FROM waits WHERE session_id = ? ORDER BY since');
  }

  /** Nothing where one began within `SAME_MS` of it. Throws what SQLite does where the disk is full. */
  put(session: string, { since, offset, text }: Wait): void {
    const { changes } = this.#put.run(session, since, offset, text, session, since - SAME_MS, since + SAME_MS);
    if (Number(changes) > 0) this.#trim.run(session, session);
  }

  /** In their order. */
  list(session: string): readonly Wait[] {
    return this.#list.all(session) as unknown as readonly Wait[];
  }
}
