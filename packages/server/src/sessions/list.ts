// A page of the session list: the sessions that match a query, newest first. Reads rows in batches and yields to the
// event loop in between, so that a long list blocks no other client.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { defined, type SessionActivity, type SessionQuery } from '@binnacle/protocol';
import { pageSize, type SessionFilter, type SessionRecord, type SessionStore } from '../store/sessions.ts';
import { labelsOf } from './labels.ts';

/** Rows read per event-loop turn. */
const BATCH = 500;

export interface SessionListPage {
  readonly records: readonly SessionRecord[];
  /** Value of `after` for the next page; null on the last page. */
  readonly next: string | null;
}

export interface SessionRows {
  readonly store: Pick<SessionStore, 'list'>;
  /** Sessions that may run, in any order. Every waiting, working or idle session is among them. */
  live(): Iterable<{ readonly record: SessionRecord; readonly activity: SessionActivity | null }>;
}

export async function listSessions(
  rows: SessionRows,
  query: SessionQuery,
  isSeen: SessionFilter,
): Promise<SessionListPage> {
  const { after, activity, q, label } = query;
  const limit = pageSize(query.limit);
  const page = { limit, ...defined({ after }) };
  if (activity === undefined && q === undefined && label === undefined) return rows.store.list(page, isSeen);
  const fits = fitting(query);
  if (activity !== undefined && activity !== 'exited') {
    const found = [...rows.live()]
      .filter(({ record, activity: now }) => isOf(activity, now) && (after === undefined || record.id < after))
      .map(({ record }) => record)
      .filter((record) => isSeen(record) && fits(record))
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    return pageOf(found, limit);
  }
  const found: SessionRecord[] = [];
  for (let from = after; ; ) {
    const batch = rows.store.list({ limit: BATCH, ...defined({ after: from }) }, isSeen);
    for (const record of batch.records) if (fits(record)) found.push(record);
    if (batch.next === null || found.length > limit) return pageOf(found, limit);
    from = batch.next;
    await yieldToEventLoop();
  }
}

function pageOf(found: readonly SessionRecord[], limit: number): SessionListPage {
  const records = found.slice(0, limit);
  return { records, next: found.length > limit ? (records.at(-1)?.id ?? null) : null };
}

function isOf(requested: SessionQuery['activity'], now: SessionActivity | null): boolean {
  if (now === null) return false;
  return requested === 'waiting' ? now.state.startsWith('waiting') : requested === now.state;
}

/** Returns a filter for all conditions of the query except the activity of a live session. */
function fitting({ q, label, activity }: SessionQuery): (record: SessionRecord) => boolean {
  const terms = (q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return (record) => {
    if (activity === 'exited' && (record.state === 'running' || record.state === 'starting')) return false;
    if (label !== undefined && !hasLabel(labelsOf(record), label)) return false;
    if (terms.length === 0) return true;
    const text = textOf(record).toLowerCase();
    return terms.every((word) => text.includes(word));
  };
}

/** Joins the texts by which a person knows a session. */
function textOf(record: SessionRecord): string {
  const { id, name, spec, foreign } = record;
  const labels = Object.entries(labelsOf(record)).map(([key, value]) => `${key}=${value}`);
  return [id, name, spec.argv.join(' '), spec.cwd, foreign?.sessionId, foreign?.source, ...labels].join('\n');
}

/**
 * Returns whether the labels match `condition`, which is `key` or `key=value`. A value may contain `=`; a key with `=` matches by name alone.
 */
export function hasLabel(labels: Readonly<Record<string, string>>, condition: string): boolean {
  if (Object.hasOwn(labels, condition)) return true;
  const at = condition.indexOf('=');
  if (at < 0) return false;
  const key = condition.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === condition.slice(at + 1);
}
