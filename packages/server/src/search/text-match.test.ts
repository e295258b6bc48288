// Decisions of scans, compared with the full-text index over the text of the same output.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { PlainText } from '../cursor/plain-text.ts';
import { type Database, openDatabase } from '../store/sqlite.ts';
import { TOKENIZER } from './index-db.ts';
import { expressionOf, parseQuery } from './query.ts';
import { TextMatch } from './text-match.ts';
import { Tokenizer } from './tokenizer.ts';

let db: Database;
let tokenizer: Tokenizer;
beforeAll(() => {
  tokenizer = new Tokenizer();
  db = openDatabase(':memory:');
  db.exec(`CREATE VIRTUAL TABLE docs USING fts5(text, ${TOKENIZER})`);
});
afterAll(() => {
  tokenizer.close();
  db.close();
});

const word = fc.constantFrom('a1', 'b', 'a1b', 'bA1', 'é', 'éb', 'm');
const between = fc.oneof(
  { arbitrary: fc.constantFrom(' ', ' ', '\r\n', '\t', '-', '/', ''), weight: 12 },
  { arbitrary: fc.constantFrom('\x07', '\x08', '\r', '\x7f', '_'), weight: 1 },
  { arbitrary: fc.constantFrom('\x1b[1m', '\x1b]0; a1 b \x07', '\x1b(B', '\x1b[', '\x1b]0;a1'), weight: 1 },
);
const output = fc
  .array(fc.tuple(between, word), { maxLength: 8 })
  .map((parts) => parts.flat().join(''))
  // Half of all output has no character beyond ASCII.
  .chain((text) => fc.constantFrom(text, text.replaceAll('é', 'a1')));
const term = fc
  .tuple(fc.constantFrom('', '', '-'), fc.array(word, { minLength: 1, maxLength: 2 }), fc.constantFrom('', '', '*'))
  .filter(([, words, star]) => star === '' || (words.at(-1)?.length ?? 0) > 1)
  .map(([minus, words, star]) => `${minus}"${words.join(' ')}"${star}`);
const query = fc
  .array(term, { minLength: 1, maxLength: 3 })
  .filter((terms) => !terms.every((some) => some.startsWith('-')))
  .map((terms) => terms.join(' '));

it('a scan of output finds what the full-text index finds in its text, plain or not', () => {
  const seen = { plain: 0, found: 0 };
  fc.assert(
    fc.property(output, query, (shown, q) => {
      const bytes = Buffer.from(shown);
      const plain = new PlainText();
      const text = plain.text(bytes);
      const terms = parseQuery(q);
      db.exec('DELETE FROM docs');
      db.prepare('INSERT INTO docs (rowid, text) VALUES (1, ?)').run(text);
      const rows = db.prepare('SELECT rowid FROM docs WHERE docs MATCH ?').all(expressionOf(terms));
      expect(new TextMatch(terms, tokenizer).matches(bytes, plain.isPlain)).toBe(rows.length > 0);
      seen.plain += plain.isPlain ? 1 : 0;
      seen.found += rows.length;
    }),
    { numRuns: count({ quick: 2000, all: 20_000 }) },
  );
  expect(seen.plain).toBeGreaterThan(200);
  expect(seen.found).toBeGreaterThan(50);
});
