// Reports of a conversation while the catalogue has no room: they agree with the log all the same.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationEvent, ConversationKey, ConversationRun } from '@binnacle/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ConversationRecord, ConversationStore } from '../../store/conversations.ts';
import { openCatalogueFile } from '../../store/schema.ts';
import type { Database } from '../../store/sqlite.ts';
import { ConversationRows } from './rows.ts';

let dir: string;
let db: Database;
let store: ConversationStore;
let record: ConversationRecord;
let rows: ConversationRows;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-rows-'));
  db = openCatalogueFile(join(dir, 'catalogue.db'));
  store = new ConversationStore(db);
  const made = store.insert({
    id: '01a20246-0000-7000-8000-000000000001',
    key: 'agent:main:user:ann:x' as ConversationKey,
    agent: 'main',
    owner: 'ann',
    visibility: { kind: 'private' },
    title: '',
  });
  if (made === undefined) throw new Error('The key is taken.');
  record = made;
  rows = new ConversationRows(record, store, pino({ level: 'silent' }));
});
afterEach(() => {
  rows.stop();
  db.close();
  rmSync(dir, { recursive: true });
});

/** SQLite's own limit: it fails as it does when the disk is full. */
const fill = (): void => {
  const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { readonly page_count: number };
  db.prepare(`PRAGMA max_page_count = ${pages}`).get();
};
const makeRoom = (): void => {
  db.prepare('PRAGMA max_page_count = 1000000').get();
};

const by = { user: 'ann', name: 'Ann' };
const message = (id: string, text = 'x'.repeat(20_000)): ConversationEvent => ({
  type: 'message',
  at: 1,
  message: { id, role: 'user', text, by, at: 1, state: 'queued', steer: 'queue', run: null },
});
const run: ConversationRun = {
  id: 'm1',
  conversation: 'agent:main:user:ann:x' as ConversationKey,
  agent: 'main',
  state: 'running',
  by,
  queuedAt: 1,
  startedAt: 1,
  endedAt: null,
  position: null,
  text: '',
  end: null,
  usage: null,
};
const status = (place: number) => ({ epoch: 'e', place, state: 'busy' as const });

test('Events that the catalogue has no room for are reported as in the log, and taken over when there is room', () => {
  rows.take([message('m0', 'small')], status(1));
  fill();
  rows.take([message('m1')], status(2));
  rows.take(
    [
      { type: 'message_delivered', at: 2, id: 'm1', run: 'm1' },
      { type: 'run_started', at: 2, run },
    ],
    status(3),
  );
  rows.take([{ type: 'final', at: 3, run: 'm1', text: 'the answer' }], status(4));
  rows.take([{ type: 'message_cancelled', at: 4, id: 'm0', by }], status(5));
  expect(rows.message('m1')).toMatchObject({ state: 'delivered', run: 'm1' });
  expect(rows.message('m0')).toMatchObject({ state: 'cancelled' });
  expect(rows.run('m1')).toMatchObject({ state: 'final', text: 'the answer' });
  expect(rows.record.place).toBe(1);
  expect(store.messages.find(record.id, 'm1')).toBeUndefined();
  makeRoom();
  rows.requireRoom();
  expect(rows.record.place).toBe(5);
  expect(store.messages.find(record.id, 'm1')).toMatchObject({ state: 'delivered', run: 'm1' });
  expect(store.run(record.id, 'm1')).toMatchObject({ state: 'final', text: 'the answer' });
});

test('While there is no room nothing else is taken on, because it could not be found again', () => {
  fill();
  rows.take([message('m1')], status(1));
  expect(() => rows.requireRoom()).toThrow(expect.objectContaining({ code: 'disk_full' }));
});

test('It is taken over by itself once there is room, though nothing else happens', async () => {
  fill();
  rows.take([message('m1')], status(1));
  expect(store.messages.find(record.id, 'm1')).toBeUndefined();
  makeRoom();
  await vi.waitUntil(() => store.messages.find(record.id, 'm1') !== undefined, { timeout: 5000 });
});

test('The log decides who may see it, also while the catalogue cannot be written', () => {
  rows.take([message('m1', 'x')], status(1));
  fill();
  const shared = { kind: 'shared', with: Array.from({ length: 100 }, (_, i) => `${'b'.repeat(60)}${i}`) } as const;
  rows.take([{ type: 'changed', at: 2, by, visibility: shared }], status(2));
  expect(rows.record.visibility).toEqual(shared);
});
