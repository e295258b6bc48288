// Translates the text of a search box into an expression of FTS5. Quotes every term, so that no input is interpreted as
// syntax.

import { BinnacleError } from '@binnacle/protocol';

const MAX_BYTES = 1024;
const MAX_TERMS = 32;
/** Minimum characters of a prefix: one letter is the beginning of nearly everything. */
const MIN_PREFIX = 2;

/**
 * Pattern of a term: -"a phrase"*, each part of it optional; a quote without its end reaches to the end of the text.
 */
const TERM = /(-?)(?:"([^"]*)(?:"|$)|([^\s"]+))(\*?)/gu;
/** Characters from which the tokenizer makes words. */
const HAS_WORD = /[\p{L}\p{N}\p{Co}]/u;
const CONTROL = /[\p{Cc}]/u;

/** Throws `bad_query`. */
export function parseQuery(text: string): string {
  if (Buffer.byteLength(text) > MAX_BYTES) throw bad(`It is longer than ${MAX_BYTES} bytes.`);
  const required: string[] = [];
  const excluded: string[] = [];
  for (const [, minus, phrase, word = '', star] of text.matchAll(TERM)) {
    const isPrefix = star === '*' || (phrase === undefined && word.endsWith('*'));
    const term = (phrase ?? word).replace(/\*+$/u, '').replace(new RegExp(CONTROL, 'gu'), ' ');
    if (!HAS_WORD.test(term)) continue;
    if (isPrefix && lastWord(term) < MIN_PREFIX) throw bad(`A beginning needs ${MIN_PREFIX} letters or more.`);
    (minus === '-' ? excluded : required).push(`"${term.replaceAll('"', ' ')}"${isPrefix ? '*' : ''}`);
    if (required.length + excluded.length > MAX_TERMS) throw bad(`It has more than ${MAX_TERMS} words.`);
  }
  if (required.length === 0)
    throw bad(excluded.length > 0 ? 'It only says what must not be there.' : 'The query has no word.');
  return [`(${required.join(' AND ')})`, ...excluded].join(' NOT ');
}

const lastWord = (term: string): number => (/[\p{L}\p{N}\p{Co}\p{M}]*$/u.exec(term.trimEnd())?.[0] ?? '').length;

const bad = (message: string): BinnacleError => new BinnacleError('bad_query', { message });
