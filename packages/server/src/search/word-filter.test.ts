import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { BlockTerms, filterOf, TermWriter } from './block-terms.ts';
import { Tokenizer } from './tokenizer.ts';
import { everyPosition, FILTER_BITS, GROUP, mayContain, PART_POSITIONS, ROW_BYTES, transposed } from './word-filter.ts';

const tokenizer = new Tokenizer();
afterAll(() => tokenizer.close());

const hashOf = (word: string): number => {
  let found = 0;
  tokenizer.visit(word, (hash) => {
    found = hash;
  });
  return found;
};

it('a filter has every word of its texts, and claims few others when it is full', () => {
  const writer = new TermWriter(tokenizer);
  const filter = new BlockTerms();
  let added = 0;
  for (; !filter.isFull; added += 100) {
    writer.add(Array.from({ length: 100 }, (_, i) => `word${added + i}`).join(' '), filter);
  }
  expect(added).toBeGreaterThan(15_000);
  const bits = filterOf(filter.collected, 3);
  for (let i = 0; i < added; i += 1) expect(mayContain(bits, 3, hashOf(`word${i}`))).toBe(true);
  let claimed = 0;
  for (let i = 0; i < 100_000; i += 1) if (mayContain(bits, 3, hashOf(`absent${i}`))) claimed += 1;
  expect(claimed).toBeLessThan(100_000 / 256);
});

it('frequent words hide another word in few groups', () => {
  const filter = new BlockTerms();
  for (let i = 0; !filter.isFull; i += 1) filter.add(hashOf(`word${i}`));
  const groups = Array.from({ length: 60 }, (_, group) => filterOf(filter.collected, group));
  for (let i = 0; i < 2000; i += 1) {
    const hash = hashOf(`absent${i}`);
    expect(groups.filter((bits, group) => mayContain(bits, group, hash)).length).toBeLessThan(6);
  }
});

it('texts of two filters in turn come into their own filter', () => {
  const writer = new TermWriter(tokenizer);
  const [a, b] = [new BlockTerms(), new BlockTerms()];
  for (const text of ['one', 'two']) {
    writer.add(`same ${text}`, a);
    writer.add('same', b);
  }
  for (const word of ['same', 'one', 'two']) expect(mayContain(filterOf(a.collected, 1), 1, hashOf(word))).toBe(true);
  expect(mayContain(filterOf(b.collected, 1), 1, hashOf('same'))).toBe(true);
  expect(mayContain(filterOf(b.collected, 1), 1, hashOf('one'))).toBe(false);
});

it('transposed filters have the same bits', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(GROUP - 1), { minLength: 1, maxLength: 24 }),
      fc.array(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 40 }),
      (columns, texts) => {
        const writer = new TermWriter(tokenizer);
        const filters: (BlockTerms | undefined)[] = [];
        for (const column of columns) filters[column] = new BlockTerms();
        for (const [i, text] of texts.entries()) {
          writer.add(text, filters[columns[i % columns.length] as number] as BlockTerms);
        }
        const rows = transposed(filters.map((filter) => filter && filterOf(filter.collected, 7)));
        let bits = 0;
        for (const part of rows)
          for (const byte of part) if (byte !== 0) for (let b = byte; b !== 0; b &= b - 1) bits += 1;
        let expected = 0;
        for (const column of columns) {
          const own = filterOf((filters[column] as BlockTerms).collected, 7);
          for (let position = 0; position < FILTER_BITS; position += 1) {
            if (((own[position >>> 3] as number) & (1 << (position & 7))) === 0) continue;
            expected += 1;
            const part = rows[Math.floor(position / PART_POSITIONS)] as Uint8Array;
            const byte = part[(position % PART_POSITIONS) * ROW_BYTES + (column >>> 3)] as number;
            if ((byte & (1 << (column & 7))) === 0) throw new Error(`${column} lacks ${position}`);
          }
        }
        expect(bits).toBe(expected);
      },
    ),
    { numRuns: 5 },
  );
});

it('positions of a word are within the filter', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(1000), (hash, group) => {
      everyPosition(hash, group, (position) => {
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThan(FILTER_BITS);
        return true;
      });
    }),
  );
});

it('the words that all documents of a block have are known, whatever else is in the first', () => {
  const writer = new TermWriter(tokenizer);
  let lost = 0;
  for (let block = 0; block < 100; block += 1) {
    const terms = new BlockTerms();
    for (let doc = 0; doc < 20; doc += 1) {
      const others = Array.from({ length: 300 }, (_, i) => `other${block * 10_000 + doc * 300 + i}`);
      writer.add(`${others.slice(0, 150).join(' ')} everywhere ${others.slice(150).join(' ')}`, terms);
    }
    const known = terms.collected.frequent.filter(({ hash }) => hash === hashOf('everywhere'));
    if (known[0]?.gaps.length !== 0) lost += 1;
  }
  expect(lost).toBe(0);
});
