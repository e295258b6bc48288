// Rows of emitted events: one per event, without its output, and sums by hour.

import type { SessionId, StoredEvent, TrafficMark, TrafficStats } from '@binnacle/protocol';
import type { Database, SqlValue, Statement } from '../store/sqlite.ts';
import { Stamps, stampOf, timeOf } from './row-ids.ts';
import type { Answers, EventsRequest, SearchScope, StatsRequest } from './wire.ts';

const HOUR_MS = 3600_000;
const PREVIEW_CHARS = 500;
/** The `source` of the gateway's own sessions. */
const LOCAL = 'local';
export const OF_SOURCE = `coalesce(l.source, '${LOCAL}') = ?`;

/** Place of an event, and the beginning of the output before it. */
export interface NewEvent {
  /** In ms since 1970. */
  readonly time: number;
  readonly offset: number;
  readonly output: string;
}

/** Command to which the current events of a log belong. */
interface Command {
  readonly n: number | null;
  readonly preview: string | null;
}

interface LastCommand extends Command {
  readonly folded: string | null;
}

export class EventIndex {
  readonly #db: Database;
  readonly #stamps: Stamps;
  readonly #insert: Statement;
  readonly #sum: Statement;
  readonly #insertCommand: Statement;
  readonly #lastCommand: Statement;
  readonly #remove: Statement;
  readonly #following: Statement;
  readonly #removeCommand: Statement;
  #count: number;

  constructor(db: Database) {
    this.#db = db;
    this.#stamps = new Stamps(db, 'events');
    this.#insert = db.prepare(
      `INSERT INTO events (id, log, seq, at, command, command_preview, response_preview, exit_code, signal, is_final,
         size, lost_bytes, offset) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#sum = db.prepare(
      `INSERT INTO hours (hour, log, events, bytes, failures) VALUES (?, ?, 1, ?, ?)
       ON CONFLICT (hour, log) DO UPDATE SET events = events + 1, bytes = bytes + excluded.bytes,
         failures = failures + excluded.failures`,
    );
    this.#insertCommand = db.prepare('INSERT INTO commands (log, folded) VALUES (?, ?) RETURNING n');
    this.#lastCommand = db.prepare(
      `SELECT e.command AS n, e.command_preview AS preview, c.folded FROM events e LEFT JOIN commands c ON c.n = e.command
       WHERE e.log = ? ORDER BY e.id DESC LIMIT 1`,
    );
    this.#remove = db.prepare('DELETE FROM events WHERE id = ? RETURNING log, command');
    this.#following = db.prepare('SELECT command FROM events WHERE log = ? AND id > ? ORDER BY id LIMIT 1');
    this.#removeCommand = db.prepare('DELETE FROM commands WHERE n = ?');
    this.#count = (db.prepare('SELECT count(*) AS n FROM events').get() as { n: number }).n;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Adds a row. `time`: arrival of the event. `offset`: end of its output. `output`: beginning of the output as text.
   */
  add(log: number, { traffic }: TrafficMark, at: NewEvent): void {
    const command = this.#commandOf(log, traffic);
    const exitCode = traffic.exit_code ?? null;
    const signal = traffic.signal ?? null;
    const isFinal = traffic.is_final === true;
    const preview = traffic.response_preview ?? (at.output === '' ? null : at.output.slice(0, PREVIEW_CHARS));
    this.#insert.run(
      this.#stamps.next(at.time),
      log,
      traffic.seq ?? null,
      traffic.at === undefined ? null : Math.round(traffic.at),
      command.n,
      command.preview,
      preview,
      exitCode,
      signal,
      isFinal ? 1 : 0,
      traffic.bytes,
      traffic.lost_bytes ?? 0,
      Math.max(0, at.offset - traffic.bytes),
    );
    this.#count += 1;
    const failed = isFinal && (signal !== null || (exitCode !== null && exitCode !== 0));
    this.#sum.run(Math.floor(at.time / HOUR_MS) * HOUR_MS, log, traffic.bytes, failed ? 1 : 0);
  }

  /**
   * Removes a row. Callers remove the oldest row of a log first: a command is removed with the last event that belongs
   * to it.
   */
  remove(id: number): void {
    const row = this.#remove.get(id) as { log: number; command: number | null } | undefined;
    if (row === undefined) return;
    this.#count -= 1;
    if (row.command === null) return;
    const next = this.#following.get(row.log, id) as { command: number | null } | undefined;
    if (next?.command !== row.command) this.#removeCommand.run(row.command);
  }

  recount(): void {
    this.#count = (this.#db.prepare('SELECT count(*) AS n FROM events').get() as { n: number }).n;
  }

  /** Lists events, newest first. */
  list(request: EventsRequest): Answers['events'] {
    const where = new QueryConditions(request);
    const bySession = request.session_id !== undefined;
    if (request.session_id !== undefined)
      where.and('(l.id = ? OR l.foreign_id = ?)', request.session_id, request.session_id);
    if (request.source !== undefined) where.and(OF_SOURCE, request.source);
    if (request.label !== undefined) {
      const [key = '', ...rest] = request.label.split('=');
      where.and(
        'EXISTS (SELECT 1 FROM json_each(l.labels) j WHERE j.key = ? OR (j.key = ? AND j.value = ?))',
        request.label,
        key,
        rest.length > 0 ? rest.join('=') : null,
      );
    }
    const logs = `SELECT l.n FROM logs l WHERE ${where.sql}`;
    const events = new QueryConditions();
    events.and(`e.log IN (${logs})`, ...where.values);
    if (request.command !== undefined) {
      events.and('e.command IN (SELECT n FROM commands WHERE instr(folded, ?) > 0)', request.command.toLowerCase());
    }
    if (request.exit_code !== undefined) events.and('e.exit_code = ?', request.exit_code);
    if (request.is_final !== undefined) events.and('e.is_final = ?', request.is_final ? 1 : 0);
    if (request.since !== undefined) events.and('e.id >= ?', stampOf(request.since));
    if (request.until !== undefined) events.and('e.id < ?', stampOf(request.until));
    if (request.after !== undefined) events.and('e.id < ?', request.after);
    // One session has few events; all others are read in the order of the answer.
    const from = bySession ? 'events e INDEXED BY events_log' : 'events e NOT INDEXED';
    const rows = this.#db
      .prepare(
        `SELECT e.*, s.id AS session, s.foreign_id, s.source, s.labels FROM ${from} JOIN logs s ON s.n = e.log
         WHERE ${events.sql} ORDER BY e.id DESC LIMIT ?`,
      )
      .all(...events.values, request.limit + 1) as unknown as EventRow[];
    const page = rows.slice(0, request.limit);
    return { events: page.map(toEvent), next: rows.length > request.limit ? (page.at(-1)?.id ?? null) : null };
  }

  /** Sums events by hour, oldest hour first. */
  stats(request: StatsRequest): TrafficStats {
    const where = new QueryConditions(request);
    if (request.source !== undefined) where.and(OF_SOURCE, request.source);
    if (request.since !== undefined) where.and('h.hour >= ?', Math.floor(request.since / HOUR_MS) * HOUR_MS);
    if (request.until !== undefined) where.and('h.hour < ?', request.until);
    const hours = this.#db
      .prepare(
        `SELECT h.hour, coalesce(l.source, '${LOCAL}') AS source, sum(h.events) AS events, sum(h.bytes) AS bytes,
           sum(h.failures) AS failures, count(*) AS sessions
         FROM hours h JOIN logs l ON l.n = h.log WHERE ${where.sql} GROUP BY h.hour, l.source ORDER BY h.hour, l.source`,
      )
      .all(...where.values) as unknown as TrafficStats['hours'];
    return { hours };
  }

  #commandOf(log: number, traffic: TrafficMark['traffic']): Command {
    const last = this.#lastCommand.get(log) as LastCommand | undefined;
    const { command } = traffic;
    if (command === undefined) {
      return { n: last?.n ?? null, preview: traffic.command_preview ?? last?.preview ?? null };
    }
    const preview = traffic.command_preview ?? command.slice(0, PREVIEW_CHARS);
    const folded = command.toLowerCase();
    if (last !== undefined && last.n !== null && last.folded === folded) return { n: last.n, preview };
    return { n: (this.#insertCommand.get(log, folded) as { n: number }).n, preview };
  }
}

/** Conditions of a query, beginning with the logs that the principal may see. */
class QueryConditions {
  readonly values: SqlValue[] = [];
  readonly #parts: string[] = [];

  constructor(visible?: SearchScope) {
    if (visible === undefined) return;
    this.and('l.gone = 0');
    const list = JSON.stringify(visible.conversations);
    this.and('(l.conversation IS NULL OR l.conversation IN (SELECT value FROM json_each(?)))', list);
  }

  get sql(): string {
    return this.#parts.join(' AND ');
  }

  and(part: string, ...values: SqlValue[]): void {
    this.#parts.push(part);
    this.values.push(...values);
  }
}

interface EventRow {
  readonly id: number;
  readonly session: SessionId;
  readonly foreign_id: string | null;
  readonly source: string | null;
  readonly labels: string;
  readonly seq: number | null;
  readonly at: number | null;
  readonly command_preview: string | null;
  readonly response_preview: string | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly is_final: number;
  readonly size: number;
  readonly lost_bytes: number;
  readonly offset: number;
}

function toEvent(row: EventRow): StoredEvent {
  return {
    id: row.id.toString(36),
    session: row.session,
    session_id: row.foreign_id ?? row.session,
    source: row.source ?? LOCAL,
    labels: JSON.parse(row.labels) as Record<string, string>,
    seq: row.seq,
    received_at: timeOf(row.id),
    timestamp: row.at,
    command_preview: row.command_preview,
    response_preview: row.response_preview,
    exit_code: row.exit_code,
    signal: row.signal,
    is_final: row.is_final !== 0,
    size: row.size,
    lost_bytes: row.lost_bytes,
    offset: row.offset,
  };
}
