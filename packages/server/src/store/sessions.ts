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
import { isDuplicate } from './sqlite.ts';
import { type Columns, Store } from './table.ts';

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

/** In the order of the record. */
export const FOREIGN_INFO = {
  sessionId: ['emitted_id', 'text'],
  source: 'text',
  labels: 'json',
  user: 'text',
  producer: 'text',
  heardAt: 'integer',
} as const satisfies Columns<ForeignInfo>;

type SessionRow = Omit<SessionRecord, 'spec' | 'head' | 'deleted' | 'foreign'> & {
  /** Empty for a deleted session. Older rows lack some fields. */
  readonly spec: Partial<SessionSpec>;
  readonly headPlace: number | null;
  readonly headOffset: number | null;
  readonly deletedAt: number | null;
};
type ForeignRow = ForeignInfo & { readonly place: number; readonly offset: number };
/** A session with its foreign part, whose columns are null for a session that runs here. */
type JoinedRow = SessionRow & { readonly [F in keyof ForeignRow]: ForeignRow[F] | null };

export class SessionStore extends Store {
  readonly #sessions = this.sql.table<SessionRow>('sessions', {
    id: 'text',
    name: 'text',
    spec: 'json',
    state: 'text',
    runner: 'text',
    epoch: 'text',
    pid: 'integer',
    exitCode: 'integer',
    signal: 'text',
    headPlace: 'integer',
    headOffset: 'integer',
    createdAt: 'integer',
    exitedAt: 'integer',
    lostReason: 'text',
    deletedAt: 'integer',
    conversation: 'text',
    hidden: 'boolean',
  });
  readonly #foreign = this.sql.table<ForeignRow>('foreign_sessions', {
    ...FOREIGN_INFO,
    place: 'integer',
    offset: 'integer',
  });
  readonly #joined = this.#sessions.leftJoin<JoinedRow, ForeignRow>(
    this.#foreign,
    'foreign_sessions.session = sessions.id',
  );
  readonly #insert = this.#sessions.insert(
    ...(['id', 'name', 'spec', 'state', 'runner', 'epoch', 'createdAt', 'conversation', 'hidden'] as const),
  );
  readonly #update = this.#sessions.update(
    [
      ...(['name', 'spec', 'state', 'runner', 'epoch', 'pid', 'exitCode', 'signal'] as const),
      ...(['headPlace', 'headOffset', 'exitedAt', 'lostReason'] as const),
    ],
    ['id'],
    'deleted_at IS NULL',
  );
  readonly #get = this.#joined.find('WHERE id = ?');
  readonly #first = this.#joined.list('WHERE deleted_at IS NULL ORDER BY id DESC LIMIT ?');
  readonly #after = this.#joined.list('WHERE deleted_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?');
  readonly #unfinished = this.#joined.list("WHERE deleted_at IS NULL AND state NOT IN ('closed', 'lost') ORDER BY id");
  readonly count = this.sql.count('sessions WHERE deleted_at IS NULL');
  /** Returns the visible sessions of a conversation, newest first, up to a limit. */
  readonly idsOfConversation = this.sql.values<SessionId>(
    'SELECT id FROM sessions WHERE conversation = ? AND deleted_at IS NULL AND hidden = 0 ORDER BY id DESC LIMIT ?',
  );
  readonly #states = this.db.prepare(
    'SELECT state, count(*) AS n FROM sessions WHERE deleted_at IS NULL GROUP BY state',
  );
  readonly #bury = this.sql.run(
    `UPDATE sessions SET deleted_at = ?, name = '', spec = '{}' WHERE id = ? AND deleted_at IS NULL`,
  );
  readonly #dropLease = this.sql.run('DELETE FROM leases WHERE session_id = ?');
  readonly #forget = this.sql.run(
    `DELETE FROM sessions WHERE deleted_at IS NOT NULL AND rowid NOT IN
       (SELECT rowid FROM sessions WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC LIMIT ${MAX_TOMBSTONES})`,
  );
  #buried = 0;

  /** Throws `invariant` if the id is taken: ids are generated here. */
  insert(session: NewSession): SessionRecord {
    const { id, name, spec, state = 'starting', runner = null, epoch = null } = session;
    const { conversation = null, hidden = false } = session;
    const createdAt = Math.round(session.createdAt ?? Date.now());
    try {
      this.#insert({ id, name, spec: storedSpec(spec), state, runner, epoch, createdAt, conversation, hidden });
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
    this.#update(
      {
        ...{ name, spec: storedSpec(spec), state, runner, epoch, pid, exitCode, signal },
        ...{ headPlace: head?.place ?? null, headOffset: head?.offset ?? null, exitedAt, lostReason },
      },
      id,
    );
    return { ...after, exitedAt };
  }

  /** Returns deleted sessions as well: see `deleted`. */
  get(id: SessionId): SessionRecord | undefined {
    const row = this.#get(id);
    return row && toRecord(row);
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
    const found: JoinedRow[] = [];
    let { after } = options;
    // Invisible rows make no page shorter, and no `next` leads to an empty page.
    for (let batch = limit + 1; found.length <= limit; batch = MAX_PAGE) {
      const rows = after === undefined ? this.#first(batch) : this.#after(after, batch);
      found.push(...rows.filter(({ id, conversation, hidden }) => isSeen({ id, conversation, hidden })));
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
    return this.#unfinished().map(toRecord);
  }

  /** Returns the ids of all rows, including deleted sessions. */
  ids(): ReadonlyMap<string, 'kept' | 'deleted'> {
    const rows = this.db.prepare('SELECT id, deleted_at FROM sessions').all() as {
      readonly id: string;
      readonly deleted_at: number | null;
    }[];
    return new Map(rows.map(({ id, deleted_at }) => [id, deleted_at === null ? 'kept' : 'deleted']));
  }

  /** Counts sessions that are not deleted. Leaves out states without sessions. */
  countByState(): Readonly<Partial<Record<SessionState, number>>> {
    const rows = this.#states.all() as readonly { readonly state: SessionState; readonly n: number }[];
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }

  /** Deletes a session and its lease; a tombstone with the id stays. Returns false if there was nothing to delete. */
  remove(id: SessionId): boolean {
    return transaction(this.db, () => {
      const buried = this.#bury(Date.now(), id);
      this.#dropLease(id);
      this.#buried += 1;
      if (this.#buried % FORGET_EVERY === 0) this.#forget();
      return buried > 0;
    });
  }
}

const EMPTY_SPEC: SessionSpec = { argv: [], mode: 'pipe', cwd: '', envNames: [], cols: 80, rows: 24, takesRuns: false };

function toRecord(row: JoinedRow): SessionRecord {
  const { sessionId, source, labels, user, producer, heardAt } = row;
  const place = row.headPlace ?? row.place;
  return {
    id: row.id,
    name: row.name,
    spec: { ...EMPTY_SPEC, ...row.spec },
    state: row.state,
    runner: row.runner,
    epoch: row.epoch,
    pid: row.pid,
    exitCode: row.exitCode,
    signal: row.signal,
    head: place === null ? null : { place, offset: row.headOffset ?? row.offset ?? 0 },
    createdAt: row.createdAt,
    exitedAt: row.exitedAt,
    lostReason: row.lostReason,
    deleted: row.deletedAt !== null,
    conversation: row.conversation,
    hidden: row.hidden,
    // The columns of an existing row are not null.
    foreign: sessionId === null ? null : ({ sessionId, source, labels, user, producer, heardAt } as ForeignInfo),
  };
}

// Field by field, so that a caller who passes more than a SessionSpec (an env with values) cannot store it.
const storedSpec = ({ argv, mode, cwd, envNames, cols, rows, takesRuns, labels }: SessionSpec): SessionSpec => ({
  ...{ argv, mode, cwd, envNames, cols, rows, takesRuns },
  ...(labels && { labels }),
});
