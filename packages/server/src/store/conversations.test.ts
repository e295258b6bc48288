// The rows of conversations, as their logs make them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationEvent, ConversationKey, ConversationRun, MessageInfo } from '@binnacle/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ConversationRecord } from './conversations.ts';
import { answerId } from './messages.ts';
import { Catalogue } from './store.ts';

let dir: string;
let catalogue: Catalogue;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-conversations-'));
  catalogue = Catalogue.open(dir);
});
afterEach(() => {
  catalogue.close();
  rmSync(dir, { recursive: true, force: true });
});

const by = { user: 'ann', name: 'Ann' };
const key = (name: string): ConversationKey => `agent:main:user:ann:${name}` as ConversationKey;

function made(name: string, change: Partial<ConversationRecord> = {}): ConversationRecord {
  const id = `01a20246-0000-7000-8000-${String(name.length).padStart(4, '0')}${name.padEnd(8, '0').slice(0, 8)}`;
  const record = catalogue.conversations.insert({
    id,
    key: key(name),
    agent: 'main',
    owner: 'ann',
    visibility: { kind: 'private' },
    title: '',
    ...change,
  });
  if (record === undefined) throw new Error('The key is taken.');
  return record;
}

const message = (id: string, text: string, change: Partial<MessageInfo> = {}): ConversationEvent => ({
  type: 'message',
  at: 1,
  message: { id, role: 'user', text, by, at: 1, state: 'queued', steer: 'queue', run: null, ...change },
});

const run = (id: string): ConversationRun => ({
  id,
  conversation: key('a'),
  agent: 'main',
  state: 'running',
  by,
  queuedAt: 1,
  startedAt: 2,
  endedAt: null,
  position: null,
  text: '',
  end: null,
  usage: null,
});

let place = 0;
function apply(record: ConversationRecord, ...events: ConversationEvent[]): ConversationRecord {
  place += 1;
  return catalogue.conversations.apply(record, events, { epoch: 'e', place, state: 'busy' });
}

test('A message takes its place in the history when the agent has it, and its answer comes behind it', () => {
  const store = catalogue.conversations;
  let record = made('a');
  record = apply(record, message('m1', 'one'));
  record = apply(
    record,
    { type: 'message_delivered', at: 2, id: 'm1', run: 'm1' },
    { type: 'run_started', at: 2, run: run('m1') },
  );
  record = apply(record, message('m2', 'two'));
  record = apply(record, { type: 'final', at: 3, run: 'm1', text: 'first answer' });
  expect(store.messages.history(record.id, {}).messages.map(({ text }) => text)).toEqual(['one', 'first answer']);
  record = apply(
    record,
    { type: 'message_delivered', at: 4, id: 'm2', run: 'm2' },
    { type: 'run_started', at: 4, run: run('m2') },
  );
  record = apply(record, { type: 'aborted', at: 5, run: 'm2', text: 'half', via: 'run', by });
  expect(store.messages.history(record.id, {}).messages.map(({ text }) => text)).toEqual([
    'one',
    'first answer',
    'two',
    'half',
  ]);
  expect(store.run(record.id, 'm2')).toMatchObject({ state: 'aborted', text: 'half', end: { via: 'run' } });
  expect(store.messages.find(record.id, answerId('m2'))).toMatchObject({ role: 'assistant', ended: 'aborted' });
  expect(record.title).toBe('one');
});

test('What runs took is added up once, also of those that were stopped, and is with their answers', () => {
  const store = catalogue.conversations;
  let record = made('a');
  expect(record.usage).toBeNull();
  const start = (id: string): void => {
    record = apply(record, message(id, id), { type: 'run_started', at: 2, run: run(id) });
  };
  start('m1');
  const end: ConversationEvent = {
    type: 'final',
    at: 3,
    run: 'm1',
    text: 'x',
    usage: { inputTokens: 3, costUsd: 0.1 },
  };
  record = apply(record, end);
  // An entry can come twice, where only some of it could be kept.
  record = apply(record, end);
  start('m2');
  record = apply(record, { type: 'agent', at: 4, run: 'm2', name: 'usage', data: { inputTokens: 4, costUsd: 0.2 } });
  record = apply(record, { type: 'aborted', at: 5, run: 'm2', text: 'half', via: 'run', by });
  expect(record.usage).toEqual({ inputTokens: 7, costUsd: 0.3 });
  expect(store.find(record.key)?.usage).toEqual(record.usage);
  expect(store.messages.history(record.id, {}).messages.filter(({ role }) => role === 'assistant')).toMatchObject([
    { run: 'm1', usage: { inputTokens: 3, costUsd: 0.1 } },
    { run: 'm2', usage: { inputTokens: 4, costUsd: 0.2 } },
  ]);
});

test('Those that wait are in order, whoever interrupts first, and edits and cancels hold', () => {
  const store = catalogue.conversations;
  let record = made('a');
  for (const id of ['m1', 'm2', 'm3']) record = apply(record, message(id, id));
  record = apply(record, message('m4', 'm4', { steer: 'interrupt' }));
  record = apply(record, { type: 'message_edited', at: 2, id: 'm2', text: 'better', by });
  record = apply(record, { type: 'message_cancelled', at: 2, id: 'm1', by });
  expect(store.messages.waiting(record.id).map(({ id, text }) => [id, text])).toEqual([
    ['m4', 'm4'],
    ['m2', 'better'],
    ['m3', 'm3'],
  ]);
  // Sent again as it was first, it is the same message, though it was edited.
  expect(store.messages.digest(record.id, 'm2')).toBe(store.messages.digest(record.id, 'm2'));
  expect(store.messages.digest(record.id, 'm2')).not.toBe(store.messages.digest(record.id, 'm3'));
});

test('A page names the next one, and all pages together are everything once, the ones that changed last first', () => {
  const store = catalogue.conversations;
  for (let i = 0; i < 25; i += 1) {
    const record = made(`c${i}`);
    place += 1;
    store.apply(record, [{ ...message('m', 'x'), at: 1000 + (i % 5) } as ConversationEvent], {
      epoch: 'e',
      place,
      state: 'idle',
    });
  }
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = store.list({ user: 'ann', isAdmin: false }, { after, limit: 4 });
    seen.push(...page.records.map((record) => record.key));
    after = page.next ?? undefined;
  } while (after !== undefined);
  expect(new Set(seen).size).toBe(25);
  expect(seen).toHaveLength(25);
  expect(() => store.list({ user: 'ann', isAdmin: false }, { after: 'x' })).toThrow('after');
});

test('The list has what is shared with a user, what is for everyone, and nothing else of others', () => {
  const store = catalogue.conversations;
  made('private');
  made('shared', { visibility: { kind: 'shared', with: ['bob'] } });
  made('everyone', { visibility: { kind: 'everyone' } });
  made('like', { visibility: { kind: 'shared', with: ['bobby', 'b', '%'] } });
  const keysOf = (user: string, isAdmin = false): string[] =>
    store
      .list({ user, isAdmin }, {})
      .records.map((record) => record.key.split(':').at(-1) ?? '')
      .sort();
  expect(keysOf('bob')).toEqual(['everyone', 'shared']);
  expect(keysOf('eve')).toEqual(['everyone']);
  expect(keysOf('ann')).toEqual(['everyone', 'like', 'private', 'shared']);
  expect(keysOf('root', true)).toHaveLength(4);
});

test('A key is taken once', () => {
  made('a');
  expect(
    catalogue.conversations.insert({
      id: '01a20246-0000-7000-8000-00000000ffff',
      key: key('a'),
      agent: 'main',
      owner: 'bob',
      visibility: { kind: 'private' },
      title: '',
    }),
  ).toBeUndefined();
});

test('Of a conversation that never ends the newest 10 000 messages are kept, and those that wait', () => {
  const store = catalogue.conversations;
  let record = made('a');
  record = apply(record, message('waits', 'waits'));
  for (let i = 0; i < 102; i += 1) {
    const many = Array.from({ length: 100 }, (_, k) => message(`m${i}-${k}`, 'x', { state: 'cancelled' }));
    record = apply(record, ...many);
  }
  expect(store.messages.find(record.id, 'm0-0')).toBeUndefined();
  expect(store.messages.find(record.id, 'm101-99')).toBeDefined();
  expect(store.messages.waiting(record.id).map(({ id }) => id)).toEqual(['waits']);
});
