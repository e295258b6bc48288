import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../store/sqlite.ts';
import { TOKENIZER } from './index-db.ts';
import { expressionOf, parseQuery } from './query.ts';

const TEXTS = [
  'the quick brown fox',
  'a lazy dog, foo_bar and src/main.ts:42',
  'Grüße aus Köln',
  'quick fox; brown dog',
];

describe('parseQuery', () => {
  let db: Database;
  beforeAll(() => {
    db = openDatabase(':memory:');
    db.exec(`CREATE VIRTUAL TABLE words USING fts5(text, ${TOKENIZER})`);
    for (const text of TEXTS) db.prepare('INSERT INTO words (text) VALUES (?)').run(text);
  });
  afterAll(() => db.close());

  const found = (query: string): number[] =>
    (
      db.prepare('SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid').all(expressionOf(parseQuery(query))) as {
        rowid: number;
      }[]
    ).map(({ rowid }) => rowid - 1);

  it.each<[string, number[]]>([
    ['quick', [0, 3]],
    ['QUICK fox', [0, 3]],
    ['"quick brown"', [0]],
    ['quick -lazy -brown', []],
    ['dog -lazy', [3]],
    ['dog -"brown dog"', [1]],
    ['bro*', [0, 3]],
    ['"quick bro"*', [0]],
    ['foo_bar', [1]],
    ['src/main.ts', [1]],
    ['main.ts:42', [1]],
    ['grusse', []],
    ['gruße', [2]],
    ['koln', [2]],
    ['"an unclosed', []],
    ['"quick fox', [3]],
    ['quick OR lazy', []],
    ['quick AND NOT (', []],
    ['text:quick', []],
    ['^quick', [0, 3]],
    ['quick ( ) + ^', [0, 3]],
  ])('finds %s', (query, expected) => {
    expect(found(query)).toEqual(expected);
  });

  it.each([
    ['nothing', ''],
    ['blanks', '  \t '],
    ['no word', '+++ "" * -'],
    ['only what must not be there', '-fox'],
    ['a beginning of one letter', 'a*'],
    ['more than 1 KiB', 'x'.repeat(1025)],
    ['more than 32 words', Array.from({ length: 33 }, (_, i) => `w${i}`).join(' ')],
    ['50 KB of a pattern', '(a+)+$'.repeat(8192)],
  ])('refuses %s', (_title, query) => {
    expect(() => parseQuery(query)).toThrowError(expect.objectContaining({ code: 'bad_query' }));
  });

  it('never makes what FTS5 does not understand', () => {
    const part = fc.oneof(
      fc.constantFrom('"', '-', '*', 'AND', 'OR', 'NOT', 'NEAR(', '(', ')', '^', ':', '{a b}', '\0', ' ', 'word', "'"),
      fc.string({ maxLength: 5, unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        let expression: string;
        try {
          expression = expressionOf(parseQuery(parts.join('')));
        } catch {
          return;
        }
        expect(() => db.prepare('SELECT rowid FROM words WHERE words MATCH ?').all(expression)).not.toThrow();
      }),
      { numRuns: 1000 },
    );
  });
});
