import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { BlockIndex } from './block-index.ts';
import { BlockTerms } from './block-terms.ts';
import { openIndex } from './index-db.ts';
import { SearchPace } from './search-pace.ts';
import { Tokenizer } from './tokenizer.ts';
import { GROUP } from './word-filter.ts';

const PACE = new SearchPace(3600_000, async () => undefined);
let dir: string;
let tokenizer: Tokenizer;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-blocks-'));
  tokenizer = new Tokenizer();
});
afterAll(() => {
  tokenizer.close();
  rmSync(dir, { recursive: true, force: true });
});

const hashOf = (word: string): number => {
  let found = 0;
  tokenizer.visit(word, (hash) => {
    found = hash;
  });
  return found;
};

/** Each block has its own word, one of ten shared words, and a document of 100 bytes. */
class Model {
  readonly db = openIndex(join(dir, `${Math.random()}.sqlite`)).db;
  blocks = new BlockIndex(this.db);
  readonly live = new Map<number, { readonly n: number; readonly last: number }>();
  #made = 0;

  constructor() {
    this.db.exec(
      `INSERT INTO logs (n, id, labels, epoch, place, offset, marks, kept_from) VALUES (1, 'a', '{}', 'e', 0, 0, 0, 0)`,
    );
  }

  add(): void {
    const n = this.#made;
    this.#made += 1;
    const filter = new BlockTerms();
    filter.add(hashOf(`own${n}`));
    filter.add(hashOf(`shared${n % 10}`));
    const frequent = [
      { hash: hashOf(`common${n % 3}`), gaps: [] },
      { hash: hashOf('mostly'), gaps: n % 20 === 3 ? [0] : [] },
    ];
    // Some come in another order than their time.
    const last = n % 7 === 0 ? 10_000 - n : n;
    this.live.set(this.blocks.nextSlot, { n, last });
    this.db
      .prepare('INSERT INTO docs (id, log, at, bytes, block, is_plain) VALUES (?, 1, ?, 100, ?, 1)')
      .run(100_000 + n, n * 100, this.blocks.nextSlot);
    this.blocks.add(
      { log: 1, place: 0, at: n * 100, bytes: 100, first: last, last },
      { ...filter.collected, frequent },
      [{ place: 0, offset: n * 100 }],
    );
  }

  remove(share: number): void {
    for (const [slot, { n }] of this.live) {
      if ((n * 7919) % 100 >= share) continue;
      this.db.prepare('DELETE FROM docs WHERE block = ?').run(slot);
      this.blocks.lostDocument(slot);
      this.live.delete(slot);
    }
    while (this.blocks.removeEmpty());
  }

  async check(): Promise<void> {
    const all = [...this.live.values()];
    const slots = async (hashes: number[], excluded: number[] = []): Promise<number[]> => {
      const found: number[] = [];
      const scope = { hashes, excluded, before: 1e9, low: 0, sql: 'l.gone = 0', values: [] };
      for await (const { last } of this.blocks.candidates(scope, PACE)) found.push(last);
      return found;
    };
    for (const { n, last } of all.filter((_, i) => i % 17 === 0))
      expect(await slots([hashOf(`own${n}`)])).toEqual([last]);
    const third = all.filter(({ n }) => n % 10 === 3).map(({ last }) => last);
    expect(await slots([hashOf('shared3')])).toEqual(third.sort((a, b) => b - a));
    expect(await slots([hashOf('shared3'), hashOf('shared4')])).toEqual([]);
    const without = (isLeft: (n: number) => boolean): number[] =>
      all.flatMap(({ n, last }) => (n % 10 === 3 && isLeft(n) ? [last] : [])).sort((a, b) => b - a);
    expect(await slots([hashOf('shared3')], [hashOf('common1')])).toEqual(without((n) => n % 3 !== 1));
    expect(await slots([hashOf('shared3')], [hashOf('mostly')])).toEqual(without((n) => n % 20 === 3));
    expect(await slots([hashOf('shared3')], [hashOf('common1'), hashOf('mostly')])).toEqual(
      without((n) => n % 3 !== 1 && n % 20 === 3),
    );
    const groups = new Set([...this.live.keys()].map((slot) => Math.floor(slot / GROUP)));
    const { parts } = this.db.prepare('SELECT count(*) AS parts FROM filter_rows').get() as { parts: number };
    expect(parts % 1092).toBe(0);
    expect(parts / 1092).toBeLessThanOrEqual(groups.size);
  }
}

it('finds the blocks that have all words, newest first, whatever was added, removed, and opened again', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 150 }).map((blocks) => ({ blocks })) },
    { weight: 2, arbitrary: fc.constantFrom(30, 100).map((share) => ({ share })) },
    { weight: 1, arbitrary: fc.constantFrom('reload' as const, 'open' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 7 }), async (steps) => {
      const model = new Model();
      for (const one of steps) {
        if (one === 'reload') model.blocks.reload();
        else if (one === 'open') model.blocks = new BlockIndex(model.db);
        else if ('share' in one) model.remove(one.share);
        else for (let i = 0; i < one.blocks; i += 1) model.add();
        await model.check();
      }
      model.db.close();
    }),
    { numRuns: count({ quick: 8, all: 60 }) },
  );
});
