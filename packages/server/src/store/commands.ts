// Rows of sessions that were started as a command of the sandbox daemon's protocol: the facts that a session does not
// have.

import type { SessionId } from '@binnacle/protocol';
import type { Database, Statement } from './sqlite.ts';

export interface CommandRecord {
  readonly session: SessionId;
  /** Ms since 1970; null: no deadline. */
  readonly deadline: number | null;
  readonly timedOut: boolean;
}

export class CommandStore {
  readonly #put: Statement;
  readonly #get: Statement;
  readonly #remove: Statement;
  readonly #markTimedOut: Statement;
  readonly #due: Statement;

  constructor(db: Database) {
    // Rows are stored before the session starts, so that no crash can lose a deadline: some sessions never started, or
    // were removed.
    db.exec('DELETE FROM commands WHERE session_id NOT IN (SELECT id FROM sessions)');
    this.#put = db.prepare('INSERT INTO commands (session_id, deadline) VALUES (?, ?)');
    // A deleted session leaves a tombstone with its id for a while; its command is gone at once.
    this.#get = db.prepare(
      `SELECT commands.* FROM commands JOIN sessions ON sessions.id = session_id
       WHERE session_id = ? AND deleted_at IS NULL`,
    );
    this.#remove = db.prepare('DELETE FROM commands WHERE session_id = ?');
    this.#markTimedOut = db.prepare('UPDATE commands SET timed_out = 1 WHERE session_id = ?');
    this.#due = db.prepare(
      `SELECT commands.* FROM commands JOIN sessions ON sessions.id = session_id
       WHERE deadline IS NOT NULL AND deleted_at IS NULL AND state IN ('starting', 'running')`,
    );
  }

  put(session: SessionId, deadline: number | null): void {
    this.#put.run(session, deadline);
  }

  get(session: SessionId): CommandRecord | undefined {
    const row = this.#get.get(session);
    return row === undefined ? undefined : toRecord(row as Row);
  }

  remove(session: SessionId): void {
    this.#remove.run(session);
  }

  markTimedOut(session: SessionId): void {
    this.#markTimedOut.run(session);
  }

  /** Returns commands with a deadline that may still run, including those whose end was tried already. */
  listDue(): readonly CommandRecord[] {
    return this.#due.all().map((row) => toRecord(row as Row));
  }
}

interface Row {
  readonly session_id: SessionId;
  readonly deadline: number | null;
  readonly timed_out: number;
}

const toRecord = (row: Row): CommandRecord => ({
  session: row.session_id,
  deadline: row.deadline,
  timedOut: row.timed_out === 1,
});
