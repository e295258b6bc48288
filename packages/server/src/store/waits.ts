// Times at which sessions began to wait for a person, for the history. A trigger removes them with the session.

import { Store } from './table.ts';

export interface StoredWait {
  /** ms since 1970. */
  readonly since: number;
  /** Bytes of output before the wait. */
  readonly offset: number;
  /** The reason of the wait in one line; empty if unknown. */
  readonly text: string;
}

/** Maximum waits per session; the newest are retained. */
export const MAX_WAITS = 200;
/**
 * Maximum difference of two times of the same wait. A restarted gateway finds a wait again at nearly the same time; a
 * program may begin to wait all the time.
 */
export const SAME_MS = 1000;

export class WaitStore extends Store {
  readonly #put = this.sql.run(
    `INSERT INTO waits (session_id, since, offset, text) SELECT ?, ?, ?, ?
     WHERE NOT EXISTS (SELECT 1 FROM waits WHERE session_id = ? AND since > ? AND since < ?)`,
  );
  readonly #trim = this.sql.run(
    `DELETE FROM waits WHERE session_id = ? AND since <=
       (SELECT since FROM waits WHERE session_id = ? ORDER BY since DESC LIMIT 1 OFFSET ${MAX_WAITS})`,
  );
  readonly #waits = this.sql.table<StoredWait>('waits', { since: 'integer', offset: 'integer', text: 'text' });
  /** Returns the waits of a session in order. */
  readonly list = this.#waits.list('WHERE session_id = ? ORDER BY since');

  /** Stores a wait, unless another began within `SAME_MS`. Throws the failures of SQLite on a full disk. */
  put(session: string, { since, offset, text }: StoredWait): void {
    const added = this.#put(session, since, offset, text, session, since - SAME_MS, since + SAME_MS);
    if (added > 0) this.#trim(session, session);
  }
}
