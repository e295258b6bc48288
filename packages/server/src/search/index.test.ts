import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { PlainText } from '../cursor/plain-text.ts';
import { openDatabase } from '../store/sqlite.ts';
import { IndexFixture } from './index.fixture.ts';
import { removeIndex } from './index-db.ts';
import { parseQuery } from './query.ts';

const A = '01976db0-0000-7000-8000-00000000000a';
const B = '01976db0-0000-7000-8000-00000000000b';

let open: IndexFixture | undefined;
const fixture = (...args: ConstructorParameters<typeof IndexFixture>): IndexFixture => {
  open = new IndexFixture(...args);
  return open;
};
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const lines = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, i) => `line number${from + i} of the output\r\n`).join('');

describe('the index of one log', () => {
  it('covers all output once, however it comes and whenever the process dies', async () => {
    const chunk = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('\x1b[31m', '\x1b[0', 'm', '\r', '\n', '\x1b]0;title', '\x07', '漢'),
      fc.nat(200).map((count) => lines(count)),
      fc.nat(9000).map((count) => 'x'.repeat(count)),
    );
    const step = fc.oneof(
      { weight: 5, arbitrary: chunk.map((text) => ({ text })) },
      { weight: 2, arbitrary: fc.constant('tell' as const) },
      { weight: 1, arbitrary: fc.constant('die' as const) },
      { weight: 1, arbitrary: fc.constant('fail' as const) },
      { weight: 1, arbitrary: fc.constant('mark' as const) },
    );
    // Blocks are made by the index itself, or apart from it.
    const sizes = fc.constantFrom(
      { blockBytes: 1 },
      { blockBytes: 9000 },
      { blockBytes: 1, farBytes: 1 },
      { blockBytes: 9000, farBytes: 1 },
      { blockBytes: 9000, farBytes: 20_000 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), sizes, async (steps, options) => {
        const index = new IndexFixture(options);
        try {
          let all = '';
          let marks = 0;
          index.append(A, '{}', 'resize');
          for (const one of steps) {
            index.now += 1000;
            if (one === 'tell') {
              index.report();
              await index.parts.catchUp();
            } else if (one === 'die') index.again();
            else if (one === 'fail') {
              index.report();
              await index.parts.fail();
            } else if (one === 'mark') {
              index.mark(A, { seq: marks });
              marks += 1;
            } else if (one.text !== '') {
              all += one.text;
              index.append(A, one.text);
            }
          }
          index.report({ isFinal: true });
          await index.parts.catchUp();
          const docs = await index.parts.documents(A);
          let text = '';
          for (const [i, doc] of docs.entries()) {
            const next = docs[i + 1];
            if (next !== undefined) expect(doc.at + doc.bytes).toBeLessThanOrEqual(next.at);
            const plain = new PlainText();
            const bytes = await index.parts.readers.output(A, doc.at, doc.bytes);
            text += [...plain.push(bytes), ...plain.flush()].map((piece) => piece.text).join('');
          }
          const whole = new PlainText();
          const expected = [...whole.push(Buffer.from(all)), ...whole.flush()].map((piece) => piece.text).join('');
          // A break that was cut in two between documents may come twice when it is read anew.
          expect(text.replace(/\n+/g, '\n')).toBe(expected.replace(/\n+/g, '\n'));
          const { events } = index.parts.events.list({ kind: 'events', conversations: [], limit: 500 });
          expect(events.map(({ seq }) => seq).reverse()).toEqual(Array.from({ length: marks }, (_, i) => i));
        } finally {
          await index.close();
        }
      }),
      { numRuns: count({ quick: 8, all: 40 }) },
    );
  });

  it('finds a line and says where it begins, so that output from there begins with it', async () => {
    const index = fixture();
    index.append(A, lines(3000));
    index.append(A, '\x1b[1mcompiling \x1b[32mbinnacle\x1b[0m v1\r\n');
    index.append(A, lines(3000, 3000));
    index.report();
    await index.parts.catchUp();
    const [hit, ...more] = await index.parts.search('"compiling binnacle"');
    expect(more).toEqual([]);
    expect(hit?.snippet.startsWith('compiling binnacle v1\nline number3000')).toBe(true);
    expect(hit?.snippet.length).toBeLessThanOrEqual(400);
    expect(hit?.matches).toEqual([[0, 18]]);
    const there = await index.parts.readers.output(A, hit?.offset ?? 0, 40);
    expect(there.toString().startsWith('\x1b[1mcompiling \x1b[32mbinnacle')).toBe(true);
  });

  it('does not index escape sequences that are split over entries', async () => {
    const index = fixture();
    for (const part of ['be\x1b', '[3', '1mfo', 're\x1b]0;sec', 'ret ti', 'tle\x1b', '\\ after\n'])
      index.append(A, part);
    index.report();
    await index.parts.catchUp();
    expect(await index.parts.search('before')).toMatchObject([{ snippet: 'before after' }]);
    for (const q of ['secret', 'title', '31mfore', '31m']) expect(await index.parts.search(q)).toEqual([]);
  });

  it('finds a line at once, and once, while it is still being written', async () => {
    const index = fixture();
    for (const text of ['half a ', 'needle and ', 'more\n', 'next ']) {
      index.append(A, text);
      index.report();
      await index.parts.catchUp();
    }
    expect(await index.parts.search('needle')).toMatchObject([{ offset: 0, snippet: 'half a needle and more\nnext ' }]);
    expect(await index.parts.search('next')).toMatchObject([{ offset: 23, matches: [[0, 4]] }]);
  });

  it('finds words in output that has no line breaks, binary rubbish around them', async () => {
    const index = fixture();
    index.append(A, Buffer.concat([randomBytes(20_000), Buffer.from('\x18 rareword '), randomBytes(20_000)]));
    index.report();
    await index.parts.catchUp();
    const hits = await index.parts.search('rareword');
    expect(hits).toHaveLength(1);
    expect(hits[0]?.snippet.slice(...(hits[0]?.matches[0] ?? []))).toBe('rareword');
  });

  it('begins anew when the log has begun a new life', async () => {
    const index = fixture();
    index.append(A, 'first life\n');
    index.report();
    await index.parts.catchUp();
    index.parts.db.exec(`UPDATE logs SET epoch = 'another'`);
    index.again();
    index.report();
    await index.parts.catchUp();
    expect(await index.parts.search('life')).toHaveLength(1);
  });

  it('goes round output that is not kept any more', async () => {
    const index = fixture();
    index.append(A, lines(20_000));
    index.writer(A).trim({ maxBytes: 300_000 });
    const { oldest } = index.writer(A);
    expect(oldest.offset).toBeGreaterThan(0);
    index.report();
    await index.parts.catchUp();
    expect(await index.parts.search('number19999')).toHaveLength(1);
    expect(await index.parts.search('number5')).toEqual([]);
    expect(index.parts.warnings).toEqual([]);
  });
});

it('finds what is behind a damaged part of a block', async () => {
  const index = fixture();
  index.append(A, lines(30_000));
  index.report();
  await index.parts.catchUp();
  const row = 'SELECT block FROM docs WHERE block IS NOT NULL ORDER BY at DESC';
  expect(index.parts.db.prepare(row).get()).toBeDefined();
  const log = join(index.dir, A, 'log');
  const [, , third = ''] = readdirSync(log)
    .filter((name) => name.endsWith('.log'))
    .sort();
  const bytes = readFileSync(join(log, third));
  bytes.writeUInt8(bytes.readUInt8(30_000) ^ 1, 30_000);
  writeFileSync(join(log, third), bytes);
  index.again();
  index.report();
  await index.parts.catchUp();
  for (const n of [100, 10_000, 15_000]) expect(await index.parts.search(`number${n}`), `${n}`).toHaveLength(1);
});

it('finds what is behind a damaged part, also if it is read alone', async () => {
  const index = fixture();
  // Each line is a document, of which one in 29 has another word than the others.
  for (let n = 0; n < 700; n += 1) {
    index.append(A, `target line${n} ${n % 29 === 3 ? 'rarely' : 'often'} ${'x'.repeat(3100)}\n`);
  }
  index.report();
  await index.parts.catchUp();
  const linesOf = async (q: string): Promise<(string | undefined)[]> =>
    (await index.parts.search(q, { limit: 1000 })).map(({ snippet }) => /line\d+/.exec(snippet)?.[0]);
  const before = await linesOf('rarely');
  expect(before).toHaveLength(25);
  expect(await linesOf('target -often')).toEqual(before);
  const log = join(index.dir, A, 'log');
  const segments = readdirSync(log).filter((name) => name.endsWith('.log'));
  for (const name of segments.filter((_, n) => n % 3 === 1)) {
    const bytes = readFileSync(join(log, name));
    bytes.writeUInt8(bytes.readUInt8(500) ^ 1, 500);
    writeFileSync(join(log, name), bytes);
  }
  index.again();
  index.report();
  await index.parts.catchUp();
  const after = await linesOf('rarely');
  expect(after.length).toBeLessThan(25);
  expect(after.length).toBeGreaterThan(12);
  expect(await linesOf('target -often')).toEqual(after);
});

describe('output that costs much', () => {
  it('is cut by its bytes, and by the number of its documents, not only by its text', async () => {
    const index = fixture();
    for (let i = 0; i < 3; i += 1) index.append(A, `needle ${'\x1b[H'.repeat(800_000)}`);
    for (let i = 0; i < 3000; i += 1) {
      index.now += 31_000;
      index.append(B, `slow ${i}\n`);
    }
    index.report();
    await index.parts.catchUp();
    const most = (sql: string): number => (index.parts.db.prepare(sql).get() as { n: number }).n;
    expect(most('SELECT max(bytes) AS n FROM docs')).toBeLessThanOrEqual(64 * 1024 + 4096);
    expect(most('SELECT max(bytes) AS n FROM blocks')).toBeLessThanOrEqual(1024 * 1024);
    expect(most('SELECT count(*) AS n FROM docs WHERE block IS NOT NULL GROUP BY block ORDER BY 1 DESC')).toBe(1024);
    expect(await index.parts.search('needle')).toHaveLength(3);
    expect(await index.parts.search('slow 2999')).toHaveLength(1);
    expect(await index.parts.search('slow 7')).toHaveLength(1);
  });

  it('of more logs than stay open is found in each of them', async () => {
    const index = fixture();
    const logs = Array.from({ length: 300 }, (_, i) => A.replace(/00a$/, String(100 + i)));
    for (const id of logs) for (let i = 0; i < 20; i += 1) index.append(id, `word${i} `.repeat(300));
    for (const id of logs) index.parts.follow.accept(index.news(id));
    await index.parts.catchUp();
    const hits = await index.parts.search('word19', { limit: 1000 });
    expect(new Set(hits.map(({ session }) => session)).size).toBe(logs.length);
  });
});

describe('answers', () => {
  it.each([1, 1024 * 1024])(
    'come newest first over all sessions, in pages without a double (blocks of %d)',
    async (blockBytes) => {
      const index = fixture({ blockBytes });
      for (let i = 0; i < 30; i++) {
        index.now += 60_000;
        index.append(i % 2 === 0 ? A : B, `needle${i} hay\n${'x '.repeat(2500)}\n`);
      }
      // The one is read long before the other: order is by time all the same.
      for (const id of [A, B]) {
        index.parts.follow.accept(index.news(id));
        await index.parts.catchUp();
      }
      const seen: string[] = [];
      let after: number | undefined;
      for (;;) {
        const hits = await index.parts.search('hay', { limit: 7, ...(after === undefined ? {} : { after }) });
        seen.push(...hits.map(({ snippet }) => /needle\d+/.exec(snippet)?.[0] ?? ''));
        if (hits.length < 7) break;
        after = hits.at(-1)?.id;
      }
      expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => `needle${29 - i}`));
      expect(await index.parts.search('hay', { session: B })).toHaveLength(15);
      expect(await index.parts.search('hay', { session: 'nobody' })).toEqual([]);
    },
  );

  it('show of events what was asked for', async () => {
    const index = fixture();
    const foreign = { sessionId: 'job-1', source: 'ci', labels: { team: 'red', 'a=b': 'c' } };
    index.mark(A, { seq: 0, command: 'Make All', at: 5 });
    index.append(A, 'building\n');
    index.mark(A, { seq: 1, bytes: 9 });
    index.now += 3600_000;
    index.append(A, 'failed\n');
    index.mark(A, { seq: 2, bytes: 7, is_final: true, exit_code: 2, lost_bytes: 3 });
    index.append(B, 'own\n');
    index.parts.follow.accept(index.news(A, { foreign, isFinal: true }));
    index.parts.follow.accept(index.news(B));
    await index.parts.catchUp();
    const list = (filter: object) =>
      index.parts.events.list({ kind: 'events', conversations: [], limit: 100, ...filter }).events;
    expect(list({})).toMatchObject([
      { seq: 2, exit_code: 2, is_final: true, size: 7, offset: 9, lost_bytes: 3, response_preview: 'failed\n' },
      { seq: 1, size: 9, offset: 0, command_preview: 'Make All', response_preview: 'building\n', is_final: false },
      { seq: 0, timestamp: 5, command_preview: 'Make All', response_preview: null, session_id: 'job-1', source: 'ci' },
    ]);
    const seqs = (filter: object) => list(filter).map(({ seq }) => seq);
    expect(seqs({ session_id: 'job-1' })).toEqual([2, 1, 0]);
    expect(seqs({ session_id: A })).toEqual([2, 1, 0]);
    expect(seqs({ session_id: B })).toEqual([]);
    expect(seqs({ command: 'make' })).toEqual([2, 1, 0]);
    expect(seqs({ command: '%' })).toEqual([]);
    expect(seqs({ exit_code: 2 })).toEqual([2]);
    expect(seqs({ is_final: false })).toEqual([1, 0]);
    expect(seqs({ label: 'team' })).toEqual([2, 1, 0]);
    expect(seqs({ label: 'team=red' })).toEqual([2, 1, 0]);
    expect(seqs({ label: 'team=blue' })).toEqual([]);
    expect(seqs({ label: 'a=b' })).toEqual([2, 1, 0]);
    expect(seqs({ since: index.now })).toEqual([2]);
    expect(seqs({ until: index.now })).toEqual([1, 0]);
    expect(seqs({ source: 'local' })).toEqual([]);
    const { hours } = index.parts.events.stats({ kind: 'stats', conversations: [] });
    expect(hours).toMatchObject([
      { source: 'ci', events: 2, bytes: 9, failures: 0, sessions: 1 },
      { source: 'ci', events: 1, bytes: 7, failures: 1, sessions: 1 },
    ]);
  });

  it('do not take longer than they may', async () => {
    const index = fixture();
    index.parts.db.exec('BEGIN');
    for (let i = 0; i < 6000; i++) index.parts.texts.add(1, { at: i, bytes: 1, text: 'hay', time: index.now });
    index.parts.db.exec('COMMIT');
    const terms = parseQuery('needle');
    const ask = { kind: 'search', terms, conversations: [], limit: 5, timeoutMs: 0 } as const;
    const turns: number[] = [];
    const find = async (timeoutMs: number) =>
      await index.parts.textSearch.find({ ...ask, timeoutMs }, async () => void turns.push(1));
    await expect(find(0)).rejects.toMatchObject({ code: 'search_timeout' });
    expect(await find(10_000)).toEqual({ docs: [], hasMore: false });
    expect(turns).toHaveLength(1);
  });

  it.each([1, 1024 * 1024])(
    'hold nothing of a conversation that the asker may not see (blocks of %d)',
    async (blockBytes) => {
      const index = fixture({ blockBytes });
      index.append(A, `secret plan\n${'x '.repeat(2500)}\n`);
      index.mark(A, { bytes: 12 });
      index.parts.follow.accept(index.news(A, { conversation: 'c1' }));
      await index.parts.catchUp();
      const find = async (conversations: string[]) => await index.parts.search('secret', { conversations });
      expect(await find(['c1'])).toHaveLength(1);
      expect(await find(['c2'])).toEqual([]);
      const events = (conversations: string[]) => index.parts.events.list({ kind: 'events', conversations, limit: 5 });
      expect(events(['c1']).events).toHaveLength(1);
      expect(events([])).toEqual({ events: [], next: null });
      expect(index.parts.events.stats({ kind: 'stats', conversations: [] }).hours).toEqual([]);
    },
  );
});

describe('the file of the index', () => {
  it.each([
    [
      'is of another version',
      (path: string) => {
        const db = openDatabase(path);
        db.exec('PRAGMA user_version = 99');
        db.close();
      },
    ],
    ['is no database', (path: string) => writeFileSync(path, randomBytes(50_000))],
    ['is cut short', (path: string) => truncateSync(path, 5000)],
    ['is empty', (path: string) => writeFileSync(path, '')],
    [
      'is a directory',
      (path: string) => {
        rmSync(path);
        mkdirSync(join(path, 'within'), { recursive: true });
      },
    ],
    ['can be written by others', (path: string) => chmodSync(path, 0o666)],
    [
      'has a journal that cannot be opened',
      (path: string) => {
        for (const suffix of ['-wal', '-shm']) mkdirSync(path + suffix);
      },
    ],
  ])('is made anew when it %s', async (_title, damage) => {
    const index = fixture();
    index.append(A, 'needle\n');
    index.report();
    await index.parts.catchUp();
    index.again();
    expect(index.parts.isNew).toBe(false);
    index.parts.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    // Another file, as that of a process that is gone: nobody has a lock on it.
    const path = join(index.dir, 'index.sqlite');
    const content = readFileSync(path);
    index.parts.close();
    removeIndex(path);
    writeFileSync(path, content, { mode: 0o600 });
    damage(path);
    index.reopen();
    expect(index.parts.isNew).toBe(true);
    expect(await index.parts.search('needle')).toEqual([]);
    index.report();
    await index.parts.catchUp();
    expect(await index.parts.search('needle')).toHaveLength(1);
  });
});

describe('retention', () => {
  const rows = (index: IndexFixture, table: string): number =>
    (index.parts.db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  const drain = (index: IndexFixture): void => {
    index.parts.retention.checkSoon();
    while (index.parts.retention.step(index.now));
  };

  it('finds nothing of a deleted session any more at once, and takes its rows away in slices', async () => {
    const index = fixture();
    index.append(A, lines(50_000));
    index.mark(A, { command: 'x' });
    index.append(B, 'line stays\n');
    index.report();
    await index.parts.catchUp();
    expect(rows(index, 'docs')).toBeGreaterThan(400);
    expect(rows(index, 'blocks')).toBeGreaterThan(0);
    index.parts.follow.forget(A);
    expect(await index.parts.search('line')).toMatchObject([{ session: B }]);
    index.parts.retention.checkSoon();
    index.parts.retention.step();
    index.parts.retention.step();
    expect(rows(index, 'docs')).toBeGreaterThan(1);
    drain(index);
    const tables = ['docs', 'blocks', 'filters', 'events', 'commands', 'hours', 'logs'];
    expect(tables.map((table) => rows(index, table))).toEqual([1, 0, 0, 0, 0, 0, 1]);
    expect(index.parts.texts.count).toBe(1);
    expect(await index.parts.search('line')).toMatchObject([{ session: B }]);
  });

  it('warns of nothing where a session is deleted while it is taken in, and of a log that cannot be read', async () => {
    const index = fixture();
    for (const [n, isReported] of [false, true].entries()) {
      const id = A.replace(/a$/, `${n}`);
      index.append(id, lines(20_000));
      index.parts.follow.accept(index.news(id));
      await index.writer(id).close();
      const of = vi.spyOn(index.parts.readers, 'of').mockImplementationOnce(() => {
        // Its files go between the look into its folder and the look into one of them.
        const [name = ''] = readdirSync(join(index.dir, id, 'log'));
        rmSync(join(index.dir, id), { recursive: true });
        if (isReported) index.parts.follow.forget(id);
        readFileSync(join(index.dir, id, 'log', name));
        throw new Error('it is still there');
      });
      await index.parts.catchUp();
      expect(of).toHaveBeenCalled();
      expect(index.parts.warnings).toEqual([]);
    }
    index.append(B, lines(100));
    index.parts.follow.accept(index.news(B));
    for (const name of readdirSync(join(index.dir, B, 'log'))) {
      writeFileSync(join(index.dir, B, 'log', name), 'no segment');
    }
    await index.parts.catchUp();
    expect(index.parts.warnings).toEqual(['a log could not be indexed']);
  });

  it.each([1, 30_000, 1024 * 1024])(
    'takes what a log has lost, and finds the rest (blocks of %d)',
    async (blockBytes) => {
      const index = fixture({ blockBytes });
      index.append(A, lines(10_000));
      index.mark(A, { seq: 0 });
      index.append(A, lines(10_000, 10_000));
      index.mark(A, { seq: 1 });
      index.report();
      await index.parts.catchUp();
      index.writer(A).trim({ maxBytes: 200_000 });
      index.report();
      drain(index);
      const { oldest, head } = index.writer(A);
      const docs = await index.parts.documents(A);
      expect((docs[0]?.at ?? 0) + (docs[0]?.bytes ?? 0)).toBeGreaterThan(oldest.offset);
      expect((docs.at(-1)?.at ?? 0) + (docs.at(-1)?.bytes ?? 0)).toBe(head.offset);
      const { events } = index.parts.events.list({ kind: 'events', conversations: [], limit: 5 });
      expect(events.map(({ seq }) => seq)).toEqual([1]);
      // A finished log is reported with no beginning: its segments say where it begins.
      index.again();
      index.report({ isFinal: true, oldest: { place: 0, offset: 0 } });
      await index.parts.catchUp();
      expect(await index.parts.search('number19999')).toHaveLength(1);
      expect(await index.parts.search('number19000')).toHaveLength(1);
      expect(await index.parts.search('number5')).toEqual([]);
    },
  );

  it('keeps no more events than it may, the newest of them', async () => {
    const index = fixture({ maxEvents: 100 });
    for (let seq = 0; seq < 1000; seq++) index.mark(A, { seq, command: `command ${seq}` });
    index.report();
    await index.parts.catchUp();
    drain(index);
    const { events } = index.parts.events.list({ kind: 'events', conversations: [], limit: 500 });
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => 999 - i));
    expect(rows(index, 'commands')).toBe(100);
    expect(index.parts.retention.removed).toBe(900);
  });

  it('takes what is too old', async () => {
    const index = fixture({ retainMs: 1000 });
    index.append(A, 'old\n');
    index.mark(A, { seq: 0 });
    index.report();
    await index.parts.catchUp();
    index.now += 10_000;
    index.append(B, 'new\n');
    index.mark(B, { seq: 1 });
    index.report();
    await index.parts.catchUp();
    drain(index);
    expect(await index.parts.search('old')).toEqual([]);
    expect(await index.parts.search('new')).toHaveLength(1);
    expect(rows(index, 'events')).toBe(1);
  });

  it('keeps the index below its size, the newest of it', async () => {
    const index = fixture({ maxIndexBytes: 3_000_000, blockBytes: 8 * 1024 });
    for (let i = 0; i < 40; i++) {
      index.now += 1000;
      index.append(A, Array.from({ length: 1000 }, () => `${randomBytes(30).toString('hex')}\n`).join(''));
    }
    index.append(A, 'the newest needle\n');
    index.report();
    await index.parts.catchUp();
    expect(index.parts.retention.bytes).toBeGreaterThan(9_000_000);
    // Filters are freed by groups of blocks, so that one round is not always enough.
    for (let round = 0; round < 8; round += 1) drain(index);
    expect(index.parts.retention.bytes).toBeLessThan(3_000_000);
    expect(index.parts.texts.count).toBeGreaterThan(5);
    expect(await index.parts.search('newest needle')).toHaveLength(1);
  });
});
