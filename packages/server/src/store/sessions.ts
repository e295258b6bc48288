// Rows of sessions. They never contain the value of an environment variable.

import {
  BinnacleError,
  type ForeignInfo,
  type LostReason,
  type SessionId,
  type SessionMode,
  type SessionState,
} from '@binnacle/protocol';
import { transaction } from './schema.ts';
import { type Database, isDuplicate, type Statement } from './sqlite.ts';

/** The request of a session. `envNames` only: values are often secrets, and are never stored. */
export interface SessionSpec {
  readonly argv: readonly string[];
  readonly mode: SessionMode;
  readonly cwd: string;
  readonly envNames: readonly string[];
  readonly cols: number;
  readonly rows: number;
  readonly takesRuns: boolean;
  /** Labels of a session that runs here; undefined without labels. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Times are in whole ms since 1970. */
export interface SessionRecord {
  readonly id: SessionId;
  readonly name: string;
  readonly spec: SessionSpec;
  readonly state: SessionState;
  readonly runner: string | null;
  readonly epoch: string | null;
  readonly pid: number | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** End of its log: known once it is final. For a running foreign session: the end according to its row. */
  readonly head: { readonly place: number; readonly offset: number } | null;
  readonly createdAt: number;
  readonly exitedAt: number | null;
  /** Null for a session that is not lost, and for an unrecorded reason. */
  readonly lostReason: LostReason | null;
  readonly deleted: boolean;
  /** Visible only with access to that conversation. Null: visible to all who may see sessions. */
  readonly conversation: string | null;
  /** True for an agent's own process, which no user sees. */
  readonly hidden: boolean;
  /** Set if its program runs elsewhere; see store/foreign-sessions.ts. */
  readonly foreign: ForeignInfo | null;
}

export interface NewSession {
  readonly id: SessionId;
  readonly name: string;
  readonly spec: SessionSpec;
  /** Default: now. */
  readonly createdAt?: number;
  /** Default `starting`. */
  readonly state?: SessionState;
  readonly runner?: string | null;
  readonly epoch?: string | null;
  readonly conversation?: string | null;
  readonly hidden?: boolean;
}

/** Changes in a session's life. Absent values stay unchanged. */
export type SessionChange = Partial<
  Pick<
    SessionRecord,
    'name' | 'state' | 'runner' | 'epoch' | 'pid' | 'exitCode' | 'signal' | 'head' | 'exitedAt' | 'lostReason'
  > &
    Pick<SessionSpec, 'cols' | 'rows'>
>;

/** Returns true for a session that the reader may see; without an id, for the sessions of a conversation in general. */
export type SessionFilter = (
  record: Pick<SessionRecord, 'conversation' | 'hidden'> & { readonly id?: SessionId },
) => boolean;

export interface SessionPage {
  readonly records: readonly SessionRecord[];
  /** Pass as `after` for the next page; null on the last. */
  readonly next: SessionId | null;
}

/** Maximum rows of deleted sessions, which distinguish `session_gone` from `session_not_found`. */
const MAX_TOMBSTONES = 10_000;
/** Deletions per prune of tombstones; a prune on each deletion would be O(n) per deletion. */
const FORGET_EVERY = 100;
const MAX_PAGE = 1000;
const DEFAULT_PAGE = 100;

/** Limits a requested page size: 1 to 1000, default 100. */
export const pageSize = (requested?: number): number => Math.max(1, Math.min(MAX_PAGE, requested ?? DEFAULT_PAGE));

const ROWS = `SELECT sessions.*, emitted_id, user, producer, source, labels, place, offset, heard_at
  FROM sessions LEFT JOIN foreign_sessions ON foreign_sessions.session = sessions.id`;

export class SessionStore {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #get: Statement;
  readonly #first: Statement;
  readonly #after: Statement;
  readonly #unfinished: Statement;
  readonly #count: Statement;
  readonly #states: Statement;
  readonly #bury: Statement;
  readonly #dropLease: Statement;
  readonly #forget: Statement;
  readonly #ofConversation: Statement;
  #buried = 0;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(
      `INSERT INTO sessions (id, name, spec, state, runner, epoch, created_at, conversation, hidden)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare(
      `UPDATE sessions SET name = ?, spec = ?, state = ?, runner = ?, epoch = ?, pid = ?, exit_code = ?, signal = ?,
         head_place = ?, head_offset = ?, exited_at = ?, lost_reason = ? WHERE id = ? AND deleted_at IS NULL`,
    );
    this.#get = db.prepare(`${ROWS} WHERE id = ?`);
    this.#first = db.prepare(`${ROWS} WHERE deleted_at IS NULL ORDER BY id DESC LIMIT ?`);
    this.#after = db.prepare(`${ROWS} WHERE deleted_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?`);
    this.#unfinished = db.prepare(`${ROWS} WHERE deleted_at IS NULL AND state NOT IN ('closed', 'lost') ORDER BY id`);
    this.#count = db.prepare('SELECT count(*) AS n FROM sessions WHERE deleted_at IS NULL');
    this.#ofConversation = db.prepare(
      'SELECT id FROM sessions WHERE conversation = ? AND deleted_at IS NULL AND hidden = 0 ORDER BY id DESC LIMIT ?',
    );
    this.#states = db.prepare('SELECT state, count(*) AS n FROM sessions WHERE deleted_at IS NULL GROUP BY state');
    this.#bury = db.prepare(
      `UPDATE sessions SET deleted_at = ?, name = '', spec = '{}' WHERE id = ? AND deleted_at IS NULL`,
    );
    this.#dropLease = db.prepare('DELETE FROM leases WHERE session_id = ?');
    this.#forget = db.prepare(
      `DELETE FROM sessions WHERE deleted_at IS NOT NULL AND rowid NOT IN
         (SELECT rowid FROM sessions WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC LIMIT ${MAX_TOMBSTONES})`,
    );
  }

  /** Throws `invariant` if the id is taken: ids are generated here. */
  insert(session: NewSession): SessionRecord {
    const { id, name, spec, state = 'starting', runner = null, epoch = null } = session;
    const { conversation = null, hidden = false } = session;
    const createdAt = Math.round(session.createdAt ?? Date.now());
    try {
      this.#insert.run(id, name, specText(spec), state, runner, epoch, createdAt, conversation, hidden ? 1 : 0);
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      throw new BinnacleError('invariant', { message: `The session id ${id} is taken.`, cause: error });
    }
    return this.require(id);
  }

  /** Throws `session_not_found` or `session_gone`. */
  update(id: SessionId, change: SessionChange): SessionRecord {
    const { cols, rows, ...columns } = change;
    const before = this.require(id);
    const spec = { ...before.spec, cols: cols ?? before.spec.cols, rows: rows ?? before.spec.rows };
    const after = { ...before, ...columns, spec };
    const exitedAt = after.exitedAt === null ? null : Math.round(after.exitedAt);
    const { name, state, runner, epoch, pid, exitCode, signal, head, lostReason } = after;
    const end = [head?.place ?? null, head?.offset ?? null] as const;
    this.#update.run(
      name,
      specText(spec),
      state,
      runner,
      epoch,
      pid,
      exitCode,
      signal,
      ...end,
      exitedAt,
      lostReason,
      id,
    );
    return { ...after, exitedAt };
  }

  /** Returns deleted sessions as well: see `deleted`. */
  get(id: SessionId): SessionRecord | undefined {
    const row = this.#get.get(id);
    return row === undefined ? undefined : toRecord(row as Row);
  }

  /** Throws `session_not_found`, or `session_gone` for a deleted session. */
  require(id: SessionId): SessionRecord {
    const record = this.get(id);
    if (record === undefined) throw new BinnacleError('session_not_found');
    if (record.deleted) throw new BinnacleError('session_gone');
    return record;
  }

  /** Lists the sessions that `isSeen` allows, newest first. `limit`: 1 to 1000, default 100. */
  list(
    options: { readonly after?: string; readonly limit?: number } = {},
    isSeen: SessionFilter = () => true,
  ): SessionPage {
    const limit = pageSize(options.limit);
    const found: Row[] = [];
    let { after } = options;
    // Invisible rows make no page shorter, and no `next` leads to an empty page.
    for (let batch = limit + 1; found.length <= limit; batch = MAX_PAGE) {
      const rows = (after === undefined ? this.#first.all(batch) : this.#after.all(after, batch)) as Row[];
      found.push(
        ...rows.filter((row) => isSeen({ id: row.id, conversation: row.conversation, hidden: row.hidden !== 0 })),
      );
      if (rows.length < batch) break;
      after = rows.at(-1)?.id;
    }
    const records = found.slice(0, limit).map(toRecord);
    return { records, next: found.length > limit ? (records.at(-1)?.id ?? null) : null };
  }

  /**
   * Returns the sessions that a new gateway must recover: all that are not `closed`, `lost` or deleted. Oldest first.
   */
  listUnfinished(): readonly SessionRecord[] {
    return this.#unfinished.all().map((row) => toRecord(row as Row));
  }

  /** Returns the ids of all rows, including deleted sessions. */
  ids(): ReadonlyMap<string, 'kept' | 'deleted'> {
    const rows = this.#db.prepare('SELECT id, deleted_at FROM sessions').all() as {
      readonly id: string;
      readonly deleted_at: number | null;
    }[];
    return new Map(rows.map(({ id, deleted_at }) => [id, deleted_at === null ? 'kept' : 'deleted']));
  }

  count(): number {
    return (this.#count.get() as { readonly n: number }).n;
  }

  /** Returns the visible sessions of a conversation, newest first. */
  idsOfConversation(conversation: string, limit: number): readonly SessionId[] {
    return this.#ofConversation.all(conversation, limit).map((row) => (row as { readonly id: SessionId }).id);
  }

  /** Counts sessions that are not deleted. Leaves out states without sessions. */
  countByState(): Readonly<Partial<Record<SessionState, number>>> {
    const rows = this.#states.all() as readonly { readonly state: SessionState; readonly n: number }[];
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }

  /** Deletes a session and its lease; a tombstone with the id stays. Returns false if there was nothing to delete. */
  remove(id: SessionId): boolean {
    return transaction(this.#db, () => {
      const { changes } = this.#bury.run(Date.now(), id);
      this.#dropLease.run(id);
      this.#buried += 1;
      if (this.#buried % FORGET_EVERY === 0) this.#forget.run();
      return Number(changes) > 0;
    });
  }
}

interface Row {
  readonly id: SessionId;
  readonly name: string;
  readonly spec: string;
  readonly state: SessionState;
  readonly runner: string | null;
  readonly epoch: string | null;
  readonly pid: number | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly head_place: number | null;
  readonly head_offset: number | null;
  readonly created_at: number;
  readonly exited_at: number | null;
  readonly lost_reason: LostReason | null;
  readonly deleted_at: number | null;
  readonly conversation: string | null;
  readonly hidden: number;
  readonly emitted_id: string | null;
  readonly user: string | null;
  readonly producer: string | null;
  readonly source: string | null;
  readonly labels: string | null;
  readonly place: number | null;
  readonly offset: number | null;
  readonly heard_at: number | null;
}

const EMPTY_SPEC: SessionSpec = { argv: [], mode: 'pipe', cwd: '', envNames: [], cols: 80, rows: 24, takesRuns: false };

function toRecord(row: Row): SessionRecord {
  return {
    id: row.id,
    name: row.name,
    spec: { ...EMPTY_SPEC, ...(JSON.parse(row.spec) as Partial<SessionSpec>) },
    state: row.state,
    runner: row.runner,
    epoch: row.epoch,
    pid: row.pid,
    exitCode: row.exit_code,
    signal: row.signal,
    head: headOf(row),
    createdAt: row.created_at,
    exitedAt: row.exited_at,
    lostReason: row.lost_reason,
    deleted: row.deleted_at !== null,
    conversation: row.conversation,
    hidden: row.hidden !== 0,
    foreign: foreignOf(row),
  };
}

function headOf(row: Row): SessionRecord['head'] {
  const place = row.head_place ?? row.place;
  return place === null ? null : { place, offset: row.head_offset ?? row.offset ?? 0 };
}

function foreignOf({ emitted_id, user, producer, source, labels, heard_at }: Row): ForeignInfo | null {
  if (emitted_id === null) return null;
  return {
    sessionId: emitted_id,
    source: source ?? '',
    labels: JSON.parse(labels ?? '{}') as Record<string, string>,
    user: user ?? '',
    producer,
    heardAt: heard_at ?? 0,
  };
}

// Field by field, so that a caller who passes more than a SessionSpec (an env with values) cannot store it.
function specText(spec: SessionSpec): string {
  const { argv, mode, cwd, envNames, cols, rows, takesRuns, labels } = spec;
  return JSON.stringify({ argv, mode, cwd, envNames, cols, rows, takesRuns, labels });
}
