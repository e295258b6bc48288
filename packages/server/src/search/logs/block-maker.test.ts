import type { StoredEvent } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { count } from '../../../../../test/support/count.ts';
import { IndexFixture } from '../index.fixture.ts';

const A = '01976db0-0000-7000-8000-00000000000a';
const B = '01976db0-0000-7000-8000-00000000000b';
const BLOCK = 20_000;
const MIB = 1024 * 1024;

let open: IndexFixture[] = [];
const fixture = (...args: ConstructorParameters<typeof IndexFixture>): IndexFixture => {
  const index = new IndexFixture(...args);
  open.push(index);
  return index;
};
afterEach(async () => {
  for (const index of open) await index.close();
  open = [];
});

const lines = (from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => `line number${from + i} of the output\r\n`).join('');
/** Without previews, which are made of the output that one reader has read. */
const eventsOf = (index: IndexFixture): readonly Omit<StoredEvent, 'response_preview'>[] =>
  index.parts.events
    .list({ kind: 'events', conversations: [], limit: 500 })
    .events.map(({ response_preview: _, ...event }) => event);
const numberOf = (index: IndexFixture, table: string): number =>
  (index.parts.db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
const smallOf = (index: IndexFixture): number => numberOf(index, 'docs WHERE block IS NULL');

it('a log that is far behind is found whole, and what is no block yet as well', async () => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 2 * BLOCK });
  index.append(A, lines(0, 10_000));
  index.append(B, 'a few words only\r\n');
  index.report();
  await index.parts.catchUp();
  expect(numberOf(index, 'blocks')).toBeGreaterThan(10);
  for (const n of [0, 1, 4999, 9998, 9999]) expect(await index.parts.search(`number${n}`)).toHaveLength(1);
  expect(await index.parts.search('few')).toHaveLength(1);
  expect(index.parts.follow.behind()).toBe(0);
});

it('a log that is behind again and again leaves no documents outside of its blocks but the last', async () => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 2 * BLOCK });
  for (let round = 0; round < 6; round += 1) {
    index.append(A, lines(round * 3000, 3000));
    index.report();
    await index.parts.catchUp();
    expect(smallOf(index)).toBeLessThanOrEqual(2 * (BLOCK / 3072) + 1);
  }
  const docs = await index.parts.documents(A);
  for (const [i, doc] of docs.entries())
    expect(doc.at).toBe(i === 0 ? 0 : (docs[i - 1]?.at ?? 0) + (docs[i - 1]?.bytes ?? 0));
});

it('such a log has the documents and the events of any log', async () => {
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.oneof(fc.nat(4), fc.nat(120)).map((n) => lines(n, n)) },
    { weight: 3, arbitrary: fc.constant('mark' as const) },
    { weight: 1, arbitrary: fc.constant('report' as const) },
    { weight: 1, arbitrary: fc.constantFrom('\x1b[31m', '\x1b[0', 'm', '\r', '\n', '漢', 'no break') },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }), fc.nat(3), fc.constantFrom(1, 9000), async (...values) => {
      const [pieces, spread, blockBytes] = values;
      const [far, near] = [fixture({ blockBytes, farBytes: 1 }), fixture({ blockBytes })];
      for (const index of [far, near]) {
        for (const [n, text] of pieces.entries()) {
          // Now and then later than a document may last.
          index.now += n % 4 === spread ? 40_000 : 10;
          if (text === 'mark') index.mark(A, { seq: n });
          else if (text === 'report') {
            index.report();
            await index.parts.catchUp();
          } else if (text !== '') index.append(A, text);
        }
        index.append(A, 'end\n');
        index.report({ isFinal: true });
        await index.parts.catchUp();
      }
      expect(eventsOf(far)).toEqual(eventsOf(near));
      expect(await far.parts.documents(A)).toEqual(await near.parts.documents(A));
    }),
    { numRuns: count({ quick: 10, all: 100 }) },
  );
});

it('blocks of a session that was deleted meanwhile are not taken', async () => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 1 });
  index.append(A, lines(0, 5000));
  index.report();
  await index.parts.follow.step();
  expect(index.parts.follow.hasWork).toBe(false);
  expect(index.parts.follow.behind()).toBeGreaterThan(0);
  index.parts.follow.forget(A);
  await index.parts.catchUp();
  expect(numberOf(index, 'docs')).toBe(0);
  expect(index.parts.follow.behind()).toBe(0);
});

it('a gap far behind is passed, and what is behind it is found', async () => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 1 });
  index.append(A, lines(0, 9000));
  index.append(A, lines(9000, 9000));
  // The news is older than the removal: the gap is met while blocks are made.
  const news = index.news(A);
  index.writer(A).trim({ maxBytes: 300_000 });
  index.parts.follow.accept(news);
  await index.parts.catchUp();
  expect(await index.parts.search('number17999')).toHaveLength(1);
  expect(await index.parts.search('number5')).toEqual([]);
  expect(index.parts.warnings).toEqual([]);
});

it.each([
  ['nothing else', 0, '\0'.repeat(3 * MIB)],
  ['one line', 1, `before\n${'\0'.repeat(3 * MIB)}`],
  ['lines', 1, `before\n${'\0'.repeat(3 * MIB)}\n${lines(0, 1000)}${'\0'.repeat(3 * MIB)}`],
  ['one sequence', 1, `before\n\x1b_G${'A'.repeat(3 * MIB)}\x1b\\`],
])('output without text beside %s is passed', async (_, hits, output) => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 2 * BLOCK });
  index.append(A, output);
  index.report();
  await index.parts.catchUp();
  index.append(A, `${lines(0, 3000)}behind\n`);
  index.report({ isFinal: true });
  await index.parts.catchUp();
  expect(await index.parts.search('before')).toHaveLength(hits);
  expect(await index.parts.search('behind')).toHaveLength(1);
});

it('a log whose blocks cannot be made is taken by the index itself, and the failure is reported once', async () => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 2 * BLOCK, canMake: false });
  index.append(A, lines(0, 20_000));
  index.append(B, lines(20_000, 20_000));
  index.report({ isFinal: true });
  await index.parts.catchUp();
  for (const n of [0, 19_999, 20_000, 39_999]) expect(await index.parts.search(`number${n}`)).toHaveLength(1);
  expect(index.parts.warnings).toHaveLength(1);
});

it('an emitted log is taken by the index itself, however far behind', async () => {
  const index = fixture({ blockBytes: BLOCK, farBytes: 2 * BLOCK, canMake: false });
  index.append(A, lines(0, 20_000));
  index.report({ isFinal: true, foreign: { sessionId: 'job', source: 'host', labels: {} } });
  await index.parts.catchUp();
  expect(await index.parts.search('number19999')).toHaveLength(1);
  expect(index.parts.warnings).toEqual([]);
});

it('logs that were taken whole come again after a commit that failed', async () => {
  const index = fixture();
  index.append(A, 'of the session that ended\n');
  index.report({ isFinal: true });
  index.parts.db.exec('BEGIN');
  await index.parts.catchUp();
  index.parts.rollBack();
  expect(await index.parts.search('ended')).toEqual([]);
  await index.parts.catchUp();
  expect(await index.parts.search('ended')).toHaveLength(1);
});
