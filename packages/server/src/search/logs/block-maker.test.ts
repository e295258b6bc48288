import type { StoredEvent } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { count } from '../../../../../test/support/count.ts';
import { IndexFixture } from '../index.fixture.ts';

const A = '01976db0-0000-7000-8000-00000000000a';
const B = '01976db0-0000-7000-8000-00000000000b';
const BLOCK = 20_000;

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
const eventsOf = (index: IndexFixture): readonly StoredEvent[] =>
  index.parts.events.list({ kind: 'events', conversations: [], limit: 500 }).events;
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

it('events of such a log have the output before them, as events of any log', async () => {
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
  expect(index.parts.follow.isWaiting).toBe(true);
  index.parts.follow.forget(A);
  await index.parts.catchUp();
  expect(numberOf(index, 'docs')).toBe(0);
  expect(index.parts.follow.isWaiting).toBe(false);
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
