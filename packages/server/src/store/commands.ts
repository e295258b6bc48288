// Rows of sessions that were started as a command of the sandbox daemon's protocol: the facts that a session does not
// have.

import type { SessionId } from '@binnacle/protocol';
import type { Database } from './sqlite.ts';
import { Store } from './table.ts';

export interface CommandRecord {
  readonly session: SessionId;
  /** Ms since 1970; null: no deadline. */
  readonly deadline: number | null;
  readonly timedOut: boolean;
}

export class CommandStore extends Store {
  readonly #commands = this.sql.table<CommandRecord>('commands', {
    session: ['session_id', 'text'],
    deadline: 'integer',
    timedOut: 'boolean',
  });
  readonly #insert = this.#commands.insert('session', 'deadline');
  // A deleted session leaves a tombstone with its id for a while; its command is gone at once.
  readonly get = this.#commands.find(
    'JOIN sessions ON sessions.id = session_id WHERE session_id = ? AND deleted_at IS NULL',
  );
  readonly remove = this.#commands.remove('session');
  readonly markTimedOut = this.sql.run('UPDATE commands SET timed_out = 1 WHERE session_id = ?');
  /** Returns commands with a deadline that may still run, including those whose end was tried already. */
  readonly listDue = this.#commands.list(
    `JOIN sessions ON sessions.id = session_id
     WHERE deadline IS NOT NULL AND deleted_at IS NULL AND state IN ('starting', 'running')`,
  );

  constructor(db: Database) {
    super(db);
    // Rows are stored before the session starts, so that no crash can lose a deadline: some sessions never started, or
    // were removed.
    db.exec('DELETE FROM commands WHERE session_id NOT IN (SELECT id FROM sessions)');
  }

  put(session: SessionId, deadline: number | null): void {
    this.#insert({ session, deadline });
  }
}
