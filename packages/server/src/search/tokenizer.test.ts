import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { type Database, openDatabase } from '../store/sqlite.ts';
import { TOKENIZER } from './index-db.ts';
import { hashOfThree, hashOfTwo, Tokenizer } from './tokenizer.ts';

let db: Database;
let tokenizer: Tokenizer;
beforeAll(() => {
  tokenizer = new Tokenizer();
  db = openDatabase(':memory:');
  db.exec(`CREATE VIRTUAL TABLE texts USING fts5(text, ${TOKENIZER});
           CREATE VIRTUAL TABLE terms USING fts5vocab(texts, instance)`);
});
afterAll(() => {
  tokenizer.close();
  db.close();
});

/** Words of a text, as SQLite divides it. */
function tokens(text: string): string[] {
  db.exec('DELETE FROM texts');
  db.prepare('INSERT INTO texts (text) VALUES (?)').run(text);
  return (db.prepare('SELECT term FROM terms ORDER BY offset').all() as { term: string }[]).map(({ term }) => term);
}

const text = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.constantFrom(
        'Köln',
        'GRÜẞE',
        'e\u0301a',
        '\u0301',
        'İstanbul',
        '漢字',
        'ﬁ',
        '\ud83d',
        '\ude00',
        '𝒜b',
        '\u2126',
        'ǅ',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join('').replaceAll('\0', ''));

describe('words', () => {
  it('are those of the full-text index, whatever the characters', () => {
    fc.assert(
      fc.property(text, (some) => {
        const all = tokenizer.normalized(some);
        expect(all.split(' ').filter((word) => word !== '')).toEqual(tokens(some));
        expect(/^ (?:[^ ]+ )*$/u.test(all)).toBe(true);
      }),
      { numRuns: count({ quick: 300, all: 20_000 }) },
    );
  });

  it('have the same hash wherever they occur, however they are written', () => {
    const hashes = (some: string): number[] => {
      const found: number[] = [];
      tokenizer.visit(some, (word) => found.push(word));
      return found;
    };
    expect(hashes('Köln, koln: KOLN')).toEqual(Array(3).fill(hashes('koln')[0]));
    expect(new Set(hashes('koln kolm kol ko k 0'))).toHaveLength(6);
    fc.assert(
      fc.property(text, (some) => {
        expect(hashes(some)).toEqual(hashes(tokenizer.normalized(some)));
      }),
      { numRuns: count({ quick: 200, all: 2000 }) },
    );
  });

  it('have the hash of each of their beginnings', () => {
    const beginnings = new Set<number>();
    tokenizer.visit('compile über', (_, two, three) => {
      beginnings.add(hashOfTwo(two)).add(hashOfThree(three));
    });
    for (const part of ['co', 'com', 'comp', 'compile', 'ub', 'ube', 'uber']) {
      expect(beginnings.has(tokenizer.hashOfBeginning(part)), part).toBe(true);
    }
    expect(beginnings.has(tokenizer.hashOfBeginning('cm'))).toBe(false);
    // A word is no beginning: `co*` must not find its filter by the word `co` alone, nor the other way round.
    tokenizer.visit('co', (word) => expect(beginnings.has(word)).toBe(false));
    expect(tokenizer.hashOfBeginning('c')).toBe(0);
  });
});
