// Searches of blocks, compared with the full-text index over the same documents and with the text itself.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { count as times } from '../../../../test/support/count.ts';
import { PlainText } from '../cursor/plain-text.ts';
import { type Database, openDatabase } from '../store/sqlite.ts';
import { IndexFixture } from './index.fixture.ts';
import { TOKENIZER } from './index-db.ts';
import { expressionOf, parseQuery } from './query.ts';
import { GROUP } from './word-filter.ts';

const A = '01976db0-0000-7000-8000-00000000000a';
const B = '01976db0-0000-7000-8000-00000000000b';
const WORDS = 4000;
/** A rank whose word occurs a few times. */
const RARE = 2003;

/** A generator of numbers below `below`, the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A word of a rank: few are frequent, and some have characters beyond ASCII, capitals, or a color inside. */
function wordOf(rank: number): string {
  const word = `w${(rank * 7919).toString(36)}`;
  if (rank % 11 === 0) return `${word}ÄÖ`;
  if (rank % 13 === 0) return `${word.slice(0, 2)}\x1b[1m${word.slice(2)}\x1b[0m`;
  if (rank % 7 === 0) return word.toUpperCase();
  if (rank % 17 === 0) return `漢${word}`;
  return word;
}
const plainOf = (word: string): string => word.replaceAll('\x1b[1m', '').replaceAll('\x1b[0m', '');

describe('a search of blocks', () => {
  let index: IndexFixture;
  let reference: Database;
  const texts = new Map<number, string>();

  beforeAll(async () => {
    index = new IndexFixture({ blockBytes: 8 * 1024 });
    const next = numbers(7);
    const rank = (): number => Math.floor(WORDS ** (next(1e9) / 1e9));
    for (let mib = 0; mib < 3; mib += 1) {
      for (const id of [A, B]) {
        let output = '';
        while (output.length < 256 * 1024) {
          const line = Array.from({ length: 8 }, () => wordOf(rank())).join([' ', '/', ', '][next(3)]);
          output += `\x1b[3${next(8)}m${next(1_000_000)}\x1b[0m ${line}\r\n`;
        }
        index.append(id, output);
        index.now += 60_000;
      }
      // The second log is in the index only when both are complete: blocks are not in the order of time.
      index.parts.follow.accept(index.news(A));
      await index.parts.catchUp();
    }
    index.append(A, 'the newest line has a few_words\n');
    index.report();
    await index.parts.catchUp();
    reference = openDatabase(':memory:');
    reference.exec(`CREATE VIRTUAL TABLE docs USING fts5(text, ${TOKENIZER})`);
    const rows = index.parts.db
      .prepare('SELECT d.id, l.id AS session, d.at, d.bytes FROM docs d JOIN logs l ON l.n = d.log')
      .all() as { id: number; session: string; at: number; bytes: number }[];
    const insert = reference.prepare('INSERT INTO docs (rowid, text) VALUES (?, ?)');
    for (const { id, session, at, bytes } of rows) {
      const plain = new PlainText();
      const output = await index.parts.readers.output(session, at, bytes);
      const text = [...plain.push(output), ...plain.flush()].map((piece) => piece.text).join('');
      texts.set(id, text);
      insert.run(id, text);
    }
  }, 60_000);
  afterAll(async () => {
    reference.close();
    await index.close();
  });

  const count = (sql: string): number => (index.parts.db.prepare(sql).get() as { n: number }).n;
  /** Ids of all matching documents, by pages. */
  async function found(q: string, limit: number): Promise<number[]> {
    const ids: number[] = [];
    for (let after: number | undefined; ; after = ids.at(-1)) {
      const more = after === undefined ? {} : { after };
      const terms = parseQuery(q);
      const request = { kind: 'search', terms, conversations: [], limit, timeoutMs: 10_000, ...more } as const;
      const { docs, hasMore } = await index.parts.textSearch.find(request, async () => undefined);
      ids.push(...docs.map(({ id }) => id));
      if (!hasMore) return ids;
    }
  }
  const expected = (q: string): number[] =>
    (
      reference
        .prepare('SELECT rowid FROM docs WHERE docs MATCH ? ORDER BY rowid DESC')
        .all(expressionOf(parseQuery(q))) as { rowid: number }[]
    ).map(({ rowid }) => rowid);

  it('has most documents in blocks, and the last ones in the full-text index', () => {
    // One group is complete, and the next one has begun.
    expect(count('SELECT count(*) AS n FROM blocks')).toBeGreaterThan(GROUP + 5);
    expect(count('SELECT count(*) AS n FROM filters')).toBeLessThan(GROUP);
    expect(count('SELECT count(*) AS n FROM docs WHERE block IS NULL')).toBe(count('SELECT count(*) AS n FROM words'));
    expect(count('SELECT count(*) AS n FROM docs WHERE block IS NULL')).toBeGreaterThan(0);
    expect(count('SELECT count(*) AS n FROM docs WHERE block IS NULL')).toBeLessThan(texts.size / 2);
  });

  it('finds what the full-text index finds, in the same order, on pages of any size', async () => {
    const next = numbers(11);
    const rank = (): string => plainOf(wordOf(Math.floor(WORDS ** (next(1e9) / 1e9))));
    const kinds = [
      () => rank(),
      () => `${rank()} ${rank()}`,
      () => `"${rank()} ${rank()}"`,
      () => `${rank()} -${rank()}`,
      () => `${rank().slice(0, 2 + next(4))}*`,
      () => `"${rank()} ${rank().slice(0, 3)}"*`,
      () => `${rank()} -"${rank()} ${rank()}"`,
      () => `absent${next(1000)} ${rank()}`,
      () => rank().toLowerCase().normalize('NFD'),
      () => `${next(1_000_000)}`,
      () => `☃ ${rank()}`,
    ];
    let hits = 0;
    for (let i = 0; i < times({ quick: 33, all: 1100 }); i += 1) {
      const q = (kinds[i % kinds.length] as () => string)();
      // Small pages for one query in four: each page of a frequent word looks at its blocks again.
      const small = 20 + next(30);
      const ids = await found(q, i % 4 === 0 ? small : 1000);
      expect(ids, q).toEqual(expected(q));
      hits += ids.length;
    }
    expect(hits).toBeGreaterThan(250);
    const q = plainOf(wordOf(RARE));
    expect(await found(q, 1)).toEqual(expected(q));
  }, 300_000);

  it('finds every line that has a word, as grep would', async () => {
    for (const rank of [1, 11, 13, 14, 17, 100, 997, RARE]) {
      const word = plainOf(wordOf(rank));
      const lines = [...texts].filter(([, text]) =>
        new RegExp(`(?<![\\p{L}\\p{N}])${word}(?![\\p{L}\\p{N}])`, 'iu').test(text),
      );
      expect(
        (await found(word, 50)).sort((a, b) => a - b),
        word,
      ).toEqual(lines.map(([id]) => id).sort((a, b) => a - b));
    }
  });

  it('says where a hit is, and cuts a snippet', async () => {
    const hits = await index.parts.search(plainOf(wordOf(RARE)), { limit: 3 });
    expect(hits.length).toBeGreaterThan(0);
    for (const { snippet, matches } of hits) {
      expect(matches.map((range) => snippet.slice(...range).toLowerCase())).toContain(
        plainOf(wordOf(RARE)).toLowerCase(),
      );
    }
  });

  it('finds only in the requested session', async () => {
    for (const session of [A, B]) {
      const hits = await index.parts.search(plainOf(wordOf(997)), { session });
      expect(hits.length).toBeGreaterThan(0);
      expect(new Set(hits.map((hit) => hit.session))).toEqual(new Set([session]));
    }
  });

  it('returns what it has when its time is over, and goes on from there', async () => {
    const terms = parseQuery(plainOf(wordOf(1)));
    const request = { kind: 'search', terms, conversations: [], limit: 10_000, timeoutMs: 500 } as const;
    let now = 0;
    let steps = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    const { docs, hasMore } = await index.parts.textSearch
      .find(request, async () => {
        steps += 1;
        if (steps === 4) now += 1000;
      })
      .finally(() => clock.mockRestore());
    expect(hasMore).toBe(true);
    expect(docs.length).toBeGreaterThan(0);
    const rest = await found(plainOf(wordOf(1)), 50);
    expect(docs.map(({ id }) => id)).toEqual(rest.slice(0, docs.length));
  });

  it('finds the few documents of a block that have no frequent word', async () => {
    const large = new IndexFixture({ blockBytes: 1024 * 1024 });
    const LINES = 900;
    const lacks = (n: number): boolean => n % 37 === 5 || (n > 500 && n % 3 === 0);
    // Each line is a document.
    for (let n = 0; n < LINES; n += 1) {
      large.append(A, `target line${n} ${lacks(n) ? '' : 'often '}${n % 2 === 0 ? 'even ' : ''}${'x'.repeat(3100)}\n`);
    }
    large.report();
    await large.parts.catchUp();
    const numbersOf = async (q: string): Promise<number[]> =>
      (await large.parts.search(q, { limit: LINES })).map(({ snippet }) => Number(/line(\d+)/.exec(snippet)?.[1]));
    const lines = Array.from({ length: LINES }, (_, n) => LINES - 1 - n);
    expect(await numbersOf('target -often')).toEqual(lines.filter(lacks));
    expect(await numbersOf('target -often -even')).toEqual(lines.filter((n) => lacks(n) && n % 2 === 1));
    expect(await numbersOf('target -target')).toEqual([]);
    const rows = large.parts.db.prepare('SELECT gaps FROM blocks').all() as { gaps: Uint8Array }[];
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.some(({ gaps }) => gaps.length > 0)).toBe(true);
    await large.close();
  });

  it('goes on after a restart where it was, and knows the same blocks', async () => {
    const before = await found(plainOf(wordOf(50)), 50);
    index.again();
    index.report();
    await index.parts.catchUp();
    expect(await found(plainOf(wordOf(50)), 50)).toEqual(before);
  });
});
