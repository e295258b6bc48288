// Rows of sessions whose programs run elsewhere: their owners, and the progress of each.

import type { ForeignInfo, SessionId } from '@binnacle/protocol';
import { transaction } from './schema.ts';
import type { NewSession, SessionChange, SessionStore } from './sessions.ts';
import type { Database, Statement } from './sqlite.ts';

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

export class ForeignStore {
  readonly #db: Database;
  readonly #sessions: SessionStore;
  readonly #insert: Statement;
  readonly #byId: Statement;
  readonly #bySession: Statement;
  readonly #save: Statement;
  readonly #silent: Statement;

  constructor(db: Database, sessions: SessionStore) {
    this.#db = db;
    this.#sessions = sessions;
    this.#insert = db.prepare(
      `INSERT INTO foreign_sessions
         (session, emitted_id, user, producer, source, labels, epoch, next_seq, place, offset, heard_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#byId = db.prepare('SELECT * FROM foreign_sessions WHERE emitted_id = ?');
    this.#bySession = db.prepare('SELECT * FROM foreign_sessions WHERE session = ?');
    this.#save = db.prepare(
      'UPDATE foreign_sessions SET epoch = ?, next_seq = ?, place = ?, offset = ?, heard_at = ? WHERE session = ?',
    );
    this.#silent = db.prepare(
      `SELECT session FROM foreign_sessions JOIN sessions ON sessions.id = session
       WHERE deleted_at IS NULL AND state NOT IN ('closed', 'lost') AND heard_at < ?`,
    );
  }

  /** Inserts the session, its foreign part and an earlier change, in one transaction. */
  insertWith(session: NewSession, foreign: ForeignInfo, change?: SessionChange): void {
    const { sessionId, user, producer, source, labels, heardAt } = foreign;
    transaction(this.#db, () => {
      this.#sessions.insert(session);
      this.#insert.run(session.id, sessionId, user, producer, source, JSON.stringify(labels), -1, 0, 0, 0, heardAt);
      if (change !== undefined) this.#sessions.update(session.id, change);
    });
  }

  /** Finds also a deleted session as long as its tombstone exists: its id is not reused. */
  find(emittedId: string): ForeignRecord | undefined {
    return recordOf(this.#byId.get(emittedId));
  }

  get(session: SessionId): ForeignRecord | undefined {
    return recordOf(this.#bySession.get(session));
  }

  /** Saves all in one transaction. */
  save(progress: Iterable<readonly [SessionId, ForeignProgress]>): void {
    transaction(this.#db, () => {
      for (const [session, { epoch, nextSeq, place, offset, heardAt }] of progress) {
        this.#save.run(epoch, nextSeq, place, offset, heardAt, session);
      }
    });
  }

  /** Ends sessions: stores the progress and the end of each, in one transaction. */
  end(ended: Iterable<readonly [SessionId, EndedForeignSession]>): void {
    transaction(this.#db, () => {
      for (const [session, { progress, change }] of ended) {
        // The session was deleted while the disk was too full for this write.
        if (this.#sessions.get(session)?.deleted !== false) continue;
        const { epoch, nextSeq, place, offset, heardAt } = progress;
        this.#save.run(epoch, nextSeq, place, offset, heardAt, session);
        this.#sessions.update(session, change);
      }
    });
  }

  /** Returns the running sessions without an event since `time` (ms since 1970). */
  listSilent(time: number): readonly SessionId[] {
    return (this.#silent.all(time) as readonly { readonly session: SessionId }[]).map(({ session }) => session);
  }
}

interface Row {
  readonly session: SessionId;
  readonly emitted_id: string;
  readonly user: string;
  readonly producer: string | null;
  readonly source: string;
  readonly labels: string;
  readonly epoch: number;
  readonly next_seq: number;
  readonly place: number;
  readonly offset: number;
  readonly heard_at: number;
}

function recordOf(found: unknown): ForeignRecord | undefined {
  if (found === undefined) return undefined;
  const row = found as Row;
  return {
    session: row.session,
    sessionId: row.emitted_id,
    user: row.user,
    producer: row.producer,
    source: row.source,
    labels: JSON.parse(row.labels) as Record<string, string>,
    epoch: row.epoch,
    nextSeq: row.next_seq,
    place: row.place,
    offset: row.offset,
    heardAt: row.heard_at,
  };
}
