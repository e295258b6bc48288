import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConversationEvent, ConversationKey } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { count } from '../../../../../test/support/count.ts';
import { type ConversationRecord, ConversationStore } from '../../store/conversations.ts';
import { openCatalogueFile } from '../../store/schema.ts';
import type { Database } from '../../store/sqlite.ts';
import { openIndex } from '../index-db.ts';
import { Readers } from '../logs/readers.ts';
import { parseQuery } from '../query.ts';
import { SearchPace } from '../search-pace.ts';
import { Snippets } from '../snippets.ts';
import { TextMatch } from '../text-match.ts';
import { Tokenizer } from '../tokenizer.ts';
import { MessageIndex } from './message-index.ts';

let dir: string;
let catalogue: Database;
let store: ConversationStore;
let db: Database;
let index: MessageIndex;
let snippets: Snippets;
let maxBytes: number;
let warnings: string[];
const tokenizer = new Tokenizer();

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-messages-'));
  catalogue = openCatalogueFile(join(dir, 'catalogue.db'));
  store = new ConversationStore(catalogue);
  maxBytes = 1e9;
  warnings = [];
  open();
});
afterEach(() => {
  close();
  catalogue.close();
  rmSync(dir, { recursive: true });
});

function open(): void {
  ({ db } = openIndex(join(dir, 'index.sqlite')));
  snippets = new Snippets(new Readers(dir));
  index = new MessageIndex({
    db,
    catalogue: join(dir, 'catalogue.db'),
    snippets,
    maxBytes,
    warn: (text) => warnings.push(text),
  });
}

function close(): void {
  index.close();
  snippets.close();
  db.close();
}

function create(n: number): ConversationRecord {
  const id = `01a20246-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const key = `agent:main:user:ann:${n}` as ConversationKey;
  const made = store.insert({ id, key, agent: 'main', owner: 'ann', visibility: { kind: 'private' }, title: '' });
  if (made === undefined) throw new Error('The key is taken.');
  return made;
}

const by = { user: 'ann', name: 'Ann' };
const message = (id: string, text: string, state: 'queued' | 'delivered' = 'delivered'): ConversationEvent => ({
  type: 'message',
  at: 1000,
  message: { id, role: 'user', text, by, at: 1000, state, steer: 'queue', run: null },
});
const take = (record: ConversationRecord, ...events: ConversationEvent[]) =>
  store.apply(record, events, { epoch: 'e', place: 0, state: 'idle' });

function catchUp(): void {
  index.scanSoon();
  while (index.step() !== undefined);
}

async function find(q: string, conversations?: readonly string[]): Promise<string[]> {
  const pace = new SearchPace(10_000, async () => undefined);
  const terms = parseQuery(q);
  const request = { kind: 'messages', terms, limit: 1000, timeoutMs: 10_000 } as const;
  const found: string[] = [];
  for await (const hit of index.find(conversations === undefined ? request : { ...request, conversations }, pace))
    found.push(`${Number(hit.conversation.slice(-12))} ${hit.message}`);
  return found;
}

test('delivered messages are found, those that wait or were cancelled are not', async () => {
  const one = create(1);
  take(one, message('a', 'Deploy the Café today'), message('b', 'deploy tomorrow', 'queued'));
  catchUp();
  expect(await find('deploy')).toEqual(['1 a']);
  expect(await find('cafe -tomorrow')).toEqual(['1 a']);
  take(one, { type: 'message_edited', at: 2, id: 'b', text: 'deploy never', by });
  take(one, message('c', 'deploy now'), message('d', 'deploy later', 'queued'));
  take(one, { type: 'message_delivered', at: 3, id: 'b', run: 'b' });
  take(one, { type: 'message_cancelled', at: 4, id: 'd', by });
  catchUp();
  expect(await find('deploy')).toEqual(['1 b', '1 c', '1 a']);
  expect(await find('tomorrow')).toEqual([]);
  expect(await find('"deploy never"')).toEqual(['1 b']);
});

test('a conversation that is deleted is not found, at once and after the next look', async () => {
  const [one, two] = [create(1), create(2)];
  take(one, message('a', 'needle'));
  take(two, message('a', 'needle'));
  catchUp();
  expect(await find('needle')).toHaveLength(2);
  expect(await find('needle', [two.id])).toEqual(['2 a']);
  store.remove(one.id);
  expect(await find('needle')).toEqual(['2 a']);
  catchUp();
  expect(db.prepare('SELECT count(*) AS n FROM messages').get()).toEqual({ n: 1 });
  expect(db.prepare('SELECT count(*) AS n FROM conversations').get()).toEqual({ n: 1 });
});

test('messages of another catalogue are forgotten when the index opens', async () => {
  take(create(1), message('a', 'needle'));
  catchUp();
  close();
  catalogue.close();
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(dir, `catalogue.db${suffix}`), { force: true });
  catalogue = openCatalogueFile(join(dir, 'catalogue.db'));
  store = new ConversationStore(catalogue);
  open();
  take(create(1), message('z', 'pin'));
  catchUp();
  expect(await find('needle')).toEqual([]);
  expect(await find('pin')).toEqual(['1 z']);
});

test('a message that cannot be understood is left out, those behind it are found', async () => {
  const one = create(1);
  take(one, message('a', 'needle one'), message('b', 'needle two'), message('c', 'needle three'));
  catalogue.exec(`UPDATE messages SET body = '{"id": "b", "te' WHERE id = 'b'`);
  catchUp();
  expect(await find('needle')).toEqual(['1 c', '1 a']);
  catalogue.exec(`UPDATE messages SET body = 'nonsense' WHERE id = 'c'`);
  expect(await find('needle')).toEqual(['1 a']);
});

test('a message is found only by the text that it has', async () => {
  const one = create(1);
  take(one, message('a', 'needle'), message('b', 'needle'));
  catchUp();
  catalogue.exec(`UPDATE messages SET body = replace(body, 'needle', 'thread') WHERE id = 'a'`);
  expect(await find('needle')).toEqual(['1 b']);
});

test('a catalogue that cannot be read is said once, and stops nothing but searches of messages', async () => {
  take(create(1), message('a', 'needle'));
  catchUp();
  catalogue.exec('ALTER TABLE conversations RENAME TO hidden');
  index.reset();
  index.scanSoon();
  expect(index.step()).toBeUndefined();
  expect(index.step()).toBeUndefined();
  await expect(find('needle')).rejects.toMatchObject({ code: 'index_unavailable' });
  expect(warnings).toEqual(['the index cannot read the catalogue']);
  catalogue.exec('ALTER TABLE hidden RENAME TO conversations');
});

test('the index has the newest messages when all are too many', async () => {
  const one = create(1);
  maxBytes = 3000;
  close();
  open();
  for (let n = 0; n < 600; n += 1) take(one, message(`m${n}`, `needle ${n}`));
  catchUp();
  const found = await find('needle');
  expect(found.length).toBeLessThan(600);
  expect(found.length).toBeGreaterThan(50);
  expect(found[0]).toBe('1 m599');
  expect(index.bytes).toBeLessThanOrEqual(maxBytes);
  expect(index.behind()).toBe(0);
});

test('a snippet of a message of one word many times has as many marks as it shows', async () => {
  take(create(1), message('a', 'a '.repeat(200_000)));
  catchUp();
  const pace = new SearchPace(10_000, async () => undefined);
  const request = { kind: 'messages', terms: parseQuery('a'), limit: 10, timeoutMs: 10_000 } as const;
  for await (const { snippet, matches } of index.find(request, pace)) {
    expect(snippet.length).toBeLessThanOrEqual(400);
    expect(matches.length).toBeLessThanOrEqual(201);
  }
});

const Word = fc.constantFrom('ant', 'bee', 'Čmelák', 'dog', 'ähre', 'x');
const Text = fc.array(Word, { minLength: 1, maxLength: 6 }).map((words) => words.join(' '));
const Query = fc.array(Word, { minLength: 1, maxLength: 2 }).map((words) => words.join(' '));
const Step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), to: fc.nat(2), text: Text }),
  fc.record({ do: fc.constant('queue' as const), to: fc.nat(2), text: Text }),
  fc.record({ do: fc.constant('deliver' as const), to: fc.nat(2) }),
  fc.record({ do: fc.constant('delete' as const), to: fc.nat(2) }),
  fc.record({ do: fc.constantFrom('look', 'fail', 'reopen') }),
);

test('what is found is what a look at each message finds, whatever happens in which order', async () => {
  let created = 0;
  let hits = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(Step, { maxLength: 30 }), Query, fc.boolean(), async (steps, q, isPhrase) => {
      const records: ConversationRecord[] = [];
      const queued: string[][] = [[], [], []];
      const texts = new Map<string, string>();
      for (const record of store.ids()) store.remove(record);
      let n = 0;
      for (const step of steps) {
        n += 1;
        if ('to' in step) {
          const { to } = step;
          // The id of a conversation is never used again.
          created += 1;
          records[to] ??= create(created);
          const record = records[to];
          const id = `m${n}`;
          if (step.do === 'add') take(record, message(id, step.text));
          else if (step.do === 'queue') {
            take(record, message(id, step.text, 'queued'));
            queued[to]?.push(id);
          } else if (step.do === 'deliver') {
            const first = queued[to]?.shift();
            if (first !== undefined) take(record, { type: 'message_delivered', at: 2, id: first, run: first });
          } else {
            store.remove(record.id);
            queued[to] = [];
            delete records[to];
          }
        } else if (step.do === 'look') catchUp();
        else if (step.do === 'reopen') {
          close();
          open();
        } else {
          db.exec('BEGIN');
          index.scanSoon();
          index.step();
          db.exec('ROLLBACK');
          index.reset();
        }
      }
      catchUp();
      for (const record of records.filter(Boolean))
        for (const { id, text, state } of store.messages.history(record.id, { limit: 200 }).messages)
          if (state === 'delivered') texts.set(`${Number(record.id.slice(-12))} ${id}`, text);
      const query = isPhrase ? `"${q}"` : q;
      const match = new TextMatch(parseQuery(query), tokenizer);
      const expected = [...texts].filter(([, text]) => match.matches(Buffer.from(text), false)).map(([id]) => id);
      expect((await find(query)).sort()).toEqual(expected.sort());
      hits += expected.length;
    }),
    { numRuns: count({ quick: 60, all: 1000 }) },
  );
  expect(hits).toBeGreaterThan(5);
});
