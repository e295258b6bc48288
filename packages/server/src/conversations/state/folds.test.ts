// The one fold against what five folds gave before it. folds.recorded.json has streams of events with the results of the
// folds of then: the queue and the turns in memory, the rows, the rows of a full disk, and the state of a client.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Approval,
  approvalsAfter,
  type ConversationEvent,
  type ConversationInfo,
  type ConversationKey,
  type ConversationRun,
  type ConversationState,
  emptyConversation,
  type MessageInfo,
  queueAfter,
  reduceConversation,
  runAfter,
  type SilenceInfo,
} from '@binnacle/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ConversationRecord, ConversationStore } from '../../store/conversations.ts';
import { openCatalogueFile } from '../../store/schema.ts';
import type { Database } from '../../store/sqlite.ts';
import { ConversationRows } from './rows.ts';

type Facts = Pick<ConversationRecord, 'title' | 'visibility' | 'updatedAt' | 'usage'>;

interface Recorded {
  readonly events: readonly ConversationEvent[];
  readonly queue: readonly MessageInfo[];
  /** Ids of the queued messages of the table. */
  readonly waiting: readonly string[];
  readonly turns: readonly (ConversationRun & { readonly approvals: readonly Approval[]; readonly isOver: boolean })[];
  /** Silence of the run under way. */
  readonly silence: SilenceInfo | null;
  readonly record: Facts;
  readonly history: readonly MessageInfo[];
  readonly runs: readonly ConversationRun[];
  readonly withoutRoom: {
    readonly visibility: ConversationInfo['visibility'];
    readonly messages: readonly MessageInfo[];
    readonly runs: readonly ConversationRun[];
  };
  readonly client: ConversationState;
}

const RECORDED = JSON.parse(
  readFileSync(new URL('./folds.recorded.json', import.meta.url), 'utf8'),
) as readonly Recorded[];
const KEY = 'agent:main:user:ann:x' as ConversationKey;
const STATUS = { epoch: 'e', place: 1, state: 'busy' } as const;
const INFO: ConversationInfo = {
  key: KEY,
  agent: 'main',
  owner: 'ann',
  visibility: { kind: 'private' },
  title: '',
  createdAt: 0,
  updatedAt: 0,
  position: 'e1.0.0',
  epoch: 'e1',
  run: null,
  queue: [],
  approvals: [],
  lease: null,
  steer: ['queue'],
  usage: null,
  mine: true,
};

let dir: string;
let db: Database;
let store: ConversationStore;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-folds-'));
  db = openCatalogueFile(join(dir, 'catalogue.db'));
  store = new ConversationStore(db);
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true });
});

function insert(): ConversationRecord {
  const id = '01a20246-0000-7000-8000-000000000001';
  const visibility = { kind: 'private' } as const;
  const record = store.insert({ id, key: KEY, agent: 'main', owner: 'ann', visibility, title: '' });
  if (record === undefined) throw new Error('The key is taken.');
  return { ...record, updatedAt: 0 };
}

const idsOf = (events: readonly ConversationEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'message' ? [event.message.id] : []));

/** The runs of a stream, each folded from its own events. */
function runsOf(events: readonly ConversationEvent[]): ConversationRun[] {
  const runs = new Map<string, ConversationRun>();
  for (const event of events) {
    if (event.type === 'run_started') runs.set(event.run.id, event.run);
    const run = 'run' in event && typeof event.run === 'string' ? runs.get(event.run) : undefined;
    if (run !== undefined) runs.set(run.id, runAfter(run, event));
  }
  return [...runs.values()];
}

/** A run as a turn in memory: without what the rows know of its end. */
const asTurn = ({ state, end, endedAt, silence, ...run }: ConversationRun) => run;

describe.each(RECORDED.map((recorded, n) => ({ n, ...recorded })))('stream $n', (recorded) => {
  const { events } = recorded;

  test('gives the queue and the turns that the gateway had in memory', () => {
    const runs = runsOf(events);
    expect(events.reduce<readonly MessageInfo[]>(queueAfter, [])).toEqual(recorded.queue);
    expect(runs.map(asTurn)).toEqual(recorded.turns.map(({ approvals, isOver, ...run }) => asTurn(run)));
    expect(runs.map(({ end }) => end !== null)).toEqual(recorded.turns.map(({ isOver }) => isOver));
    const approvals = events.reduce<readonly Approval[]>(approvalsAfter, []);
    expect(approvals).toEqual(recorded.turns.flatMap((turn) => turn.approvals));
    expect(runs.at(-1)?.silence ?? null).toEqual(recorded.silence);
  });

  test('gives the rows of the catalogue', () => {
    const { id, title, visibility, updatedAt, usage } = store.apply(insert(), events, STATUS);
    expect({ title, visibility, updatedAt, usage }).toEqual(recorded.record);
    expect(store.messages.waiting(id).map((message) => message.id)).toEqual(recorded.waiting);
    expect(store.messages.history(id, { limit: 200 }).messages).toEqual(recorded.history);
    expect(recorded.runs.map((run) => store.run(id, run.id))).toEqual(recorded.runs);
  });

  test('gives what is reported while the catalogue has no room', () => {
    const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { readonly page_count: number };
    const rows = new ConversationRows(insert(), store, pino({ level: 'silent' }));
    db.prepare(`PRAGMA max_page_count = ${pages}`).get();
    const by = { user: 'ann', name: 'Ann' };
    const large = { role: 'user', text: 'x'.repeat(60_000), by, at: 1, state: 'queued', steer: 'queue' } as const;
    rows.take([{ type: 'message', at: 1, message: { ...large, id: 'large', run: null } }], STATUS);
    rows.take(events, STATUS);
    const { visibility, messages, runs } = recorded.withoutRoom;
    expect(rows.record.visibility).toEqual(visibility);
    // A message that began its run is reported with the mode of its row: `queue`.
    const settled = messages.map((one) => (one.run === one.id ? { ...one, steer: 'queue' } : one));
    expect(idsOf(events).map((id) => rows.message(id))).toEqual(settled);
    // Usage, text and silence of a run under way were missing.
    const known = ({ text, usage, silence, isAsked, ...run }: ConversationRun) => run;
    expect(runs.map(({ id }) => rows.run(id)).map((run) => run && known(run))).toEqual(runs.map(known));
    rows.stop();
  });

  test('gives the state of a client', () => {
    const state = reduceConversation(emptyConversation(INFO), { position: 'e1.9.0', events });
    const { info, items, ...rest } = recorded.client;
    const settled = items.map((item) =>
      item.kind === 'message' && item.message.run === item.message.id
        ? { ...item, message: { ...item.message, steer: 'queue' } }
        : item,
    );
    // Title and time of the last change are those of the list now.
    const { title, visibility, updatedAt } = recorded.record;
    expect(state).toEqual({ ...rest, info: { ...info, title, visibility, updatedAt }, items: settled });
  });
});
