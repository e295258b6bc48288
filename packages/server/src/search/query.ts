// What people type into a search box, as an expression of FTS5. Everything goes over in quotes, so nothing that they
// type is syntax there. Knows no table.

import { BinnacleError } from '@binnacle/protocol';

const MAX_BYTES = 1024;
const MAX_TERMS = 32;
/** A beginning of one letter is that of nearly everything. */
const MIN_PREFIX = 2;

/** -"a phrase"*, each part of it optional; a quote that is not closed goes to the end. */
const TERM = /(-?)(?:"([^"]*)(?:"|$)|([^\s"]+))(\*?)/gu;
/** What the tokenizer makes words of. */
const HAS_WORD = /[\p{L}\p{N}\p{Co}]/u;
const CONTROL = /[\p{Cc}]/u;

/** Throws `bad_query`. */
export function parseQuery(text: string): string {
  if (Buffer.byteLength(text) > MAX_BYTES) throw bad(`It is longer than ${MAX_BYTES} bytes.`);
  const wanted: string[] = [];
  const unwanted: string[] = [];
  for (const [, minus, phrase, word = '', star] of text.matchAll(TERM)) {
    const isPrefix = star === '*' || (phrase === undefined && word.endsWith('*'));
    const term = (phrase ?? word).replace(/\*+$/u, '').replace(new RegExp(CONTROL, 'gu'), ' ');
    if (!HAS_WORD.test(term)) continue;
    if (isPrefix && lastWord(term) < MIN_PREFIX) throw bad(`A beginning needs ${MIN_PREFIX} letters or more.`);
    (minus === '-' ? unwanted : wanted).push(`"${term.replaceAll('"', ' ')}"${isPrefix ? '*' : ''}`);
    if (wanted.length + unwanted.length > MAX_TERMS) throw bad(`It has more than ${MAX_TERMS} words.`);
  }
  if (wanted.length === 0) throw bad(unwanted.length > 0 ? 'It only says what must not be there.' : 'It has no word.');
  return [`(${wanted.join(' AND ')})`, ...unwanted].join(' NOT ');
}

const lastWord = (term: string): number => (/[\p{L}\p{N}\p{Co}\p{M}]*$/u.exec(term.trimEnd())?.[0] ?? '').length;

const bad = (message: string): BinnacleError => new BinnacleError('bad_query', { message });
