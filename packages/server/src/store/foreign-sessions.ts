// Rows of sessions whose programs run elsewhere: their owners, and the progress of each.

import type { ForeignInfo, SessionId } from '@binnacle/protocol';
import { transaction } from './schema.ts';
import { FOREIGN_INFO, type NewSession, type SessionChange, type SessionStore } from './sessions.ts';
import type { Database } from './sqlite.ts';
import { Store } from './table.ts';

/** The progress of a session. Events after `place` in its log are not included yet. */
export interface ForeignProgress {
  /** Epoch of its producer. -1: without a producer, or before its first event. */
  readonly epoch: number;
  /** Sequence number of the producer's next event. */
  readonly nextSeq: number;
  readonly place: number;
  readonly offset: number;
  /** Time of the last event, ms since 1970. */
  readonly heardAt: number;
}

export interface EndedForeignSession {
  readonly progress: ForeignProgress;
  readonly change: SessionChange;
}

export interface ForeignRecord extends ForeignProgress, Omit<ForeignInfo, 'heardAt'> {
  readonly session: SessionId;
}

export class ForeignStore extends Store {
  readonly #sessions: SessionStore;
  readonly #foreign = this.sql.table<ForeignRecord>('foreign_sessions', {
    session: 'text',
    ...FOREIGN_INFO,
    epoch: 'integer',
    nextSeq: 'integer',
    place: 'integer',
    offset: 'integer',
    heardAt: 'integer',
  });
  readonly #insert = this.#foreign.insert();
  /** Finds also a deleted session as long as its tombstone exists: its id is not reused. */
  readonly find = this.#foreign.get('sessionId');
  readonly get = this.#foreign.get('session');
  readonly #save = this.#foreign.update(['epoch', 'nextSeq', 'place', 'offset', 'heardAt'], ['session']);
  /** Returns the running sessions without an event since a time (ms since 1970). */
  readonly listSilent = this.sql.values<SessionId>(
    `SELECT session FROM foreign_sessions JOIN sessions ON sessions.id = session
     WHERE deleted_at IS NULL AND state NOT IN ('closed', 'lost') AND heard_at < ?`,
  );

  constructor(db: Database, sessions: SessionStore) {
    super(db);
    this.#sessions = sessions;
  }

  /** Inserts the session, its foreign part and an earlier change, in one transaction. */
  insertWith(session: NewSession, foreign: ForeignInfo, change?: SessionChange): void {
    transaction(this.db, () => {
      this.#sessions.insert(session);
      this.#insert({ ...foreign, session: session.id, epoch: -1, nextSeq: 0, place: 0, offset: 0 });
      if (change !== undefined) this.#sessions.update(session.id, change);
    });
  }

  /** Saves all in one transaction. */
  save(progress: Iterable<readonly [SessionId, ForeignProgress]>): void {
    transaction(this.db, () => {
      for (const [session, made] of progress) this.#save(made, session);
    });
  }

  /** Ends sessions: stores the progress and the end of each, in one transaction. */
  end(ended: Iterable<readonly [SessionId, EndedForeignSession]>): void {
    transaction(this.db, () => {
      for (const [session, { progress, change }] of ended) {
        // The session was deleted while the disk was too full for this write.
        if (this.#sessions.get(session)?.deleted !== false) continue;
        this.#save(progress, session);
        this.#sessions.update(session, change);
      }
    });
  }
}
