// A page of the list of sessions: those that a question asks for, newest first. Looks at the rows a batch at a time, so
// that a long list keeps nobody waiting. Knows no runner and no principal.

import type { SessionActivity, SessionQuery } from '@binnacle/protocol';
import { pageSize, type SessionFilter, type SessionRecord, type SessionStore } from '../store/sessions.ts';
import { labelsOf } from './labels.ts';

/** Rows of one turn. */
const BATCH = 500;

export interface Listed {
  readonly records: readonly SessionRecord[];
  /** Pass as `after` for the next page; null on the last. */
  readonly next: string | null;
}

export interface SessionRows {
  readonly store: Pick<SessionStore, 'list'>;
  /** Those that may run, in any order: whoever waits, works or is idle is among them. */
  live(): Iterable<{ readonly record: SessionRecord; readonly activity: SessionActivity | null }>;
}

export async function listSessions(rows: SessionRows, query: SessionQuery, isSeen: SessionFilter): Promise<Listed> {
  const { after, activity, q, label } = query;
  const limit = pageSize(query.limit);
  const page = { limit, ...(after === undefined ? {} : { after }) };
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
    const batch = rows.store.list({ limit: BATCH, ...(from === undefined ? {} : { after: from }) }, isSeen);
    for (const record of batch.records) if (fits(record)) found.push(record);
    if (batch.next === null || found.length > limit) return pageOf(found, limit);
    from = batch.next;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function pageOf(found: readonly SessionRecord[], limit: number): Listed {
  const records = found.slice(0, limit);
  return { records, next: found.length > limit ? (records.at(-1)?.id ?? null) : null };
}

function isOf(wanted: SessionQuery['activity'], now: SessionActivity | null): boolean {
  if (now === null) return false;
  return wanted === 'waiting' ? now.state.startsWith('waiting') : wanted === now.state;
}

/** All that is asked for must hold, but what a session is doing. */
function fitting({ q, label, activity }: SessionQuery): (record: SessionRecord) => boolean {
  const words = (q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return (record) => {
    if (activity === 'exited' && (record.state === 'running' || record.state === 'starting')) return false;
    if (label !== undefined && !hasLabel(labelsOf(record), label)) return false;
    if (words.length === 0) return true;
    const text = textOf(record).toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** What people know a session by. */
function textOf(record: SessionRecord): string {
  const { id, name, spec, foreign } = record;
  const labels = Object.entries(labelsOf(record)).map(([key, value]) => `${key}=${value}`);
  return [id, name, spec.argv.join(' '), spec.cwd, foreign?.sessionId, foreign?.source, ...labels].join('\n');
}

/** `wanted`: `key` or `key=value`. A value may hold `=`; a key that does is found by its name alone. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  if (Object.hasOwn(labels, wanted)) return true;
  const at = wanted.indexOf('=');
  if (at < 0) return false;
  const key = wanted.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(at + 1);
}
