// Parses the text of a search box into terms, and makes an expression of FTS5 of them.

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

/** A word or a phrase. */
export interface QueryTerm {
  readonly text: string;
  /** True if its last word is only the beginning of a word. */
  readonly isPrefix: boolean;
  /** True if it must not occur. */
  readonly isExcluded: boolean;
}

/** Throws `bad_query`. */
export function parseQuery(text: string): readonly QueryTerm[] {
  if (Buffer.byteLength(text) > MAX_BYTES) throw bad(`It is longer than ${MAX_BYTES} bytes.`);
  const terms: QueryTerm[] = [];
  for (const [, minus, phrase, word = '', star] of text.matchAll(TERM)) {
    const isPrefix = star === '*' || (phrase === undefined && word.endsWith('*'));
    const term = (phrase ?? word).replace(/\*+$/u, '').replace(new RegExp(CONTROL, 'gu'), ' ');
    if (!HAS_WORD.test(term)) continue;
    if (isPrefix && lastWord(term) < MIN_PREFIX) throw bad(`A beginning needs ${MIN_PREFIX} letters or more.`);
    terms.push({ text: term.replaceAll('"', ' '), isPrefix, isExcluded: minus === '-' });
    if (terms.length > MAX_TERMS) throw bad(`It has more than ${MAX_TERMS} words.`);
  }
  if (terms.every(({ isExcluded }) => isExcluded))
    throw bad(terms.length > 0 ? 'It only says what must not be there.' : 'The query has no word.');
  return terms;
}

/** Returns the terms as an expression of FTS5, of which at least one is not excluded. Quotes each: no input is syntax. */
export function expressionOf(terms: readonly QueryTerm[]): string {
  const required = terms.filter(({ isExcluded }) => !isExcluded).map(quoted);
  const excluded = terms.filter(({ isExcluded }) => isExcluded).map(quoted);
  return [`(${required.join(' AND ')})`, ...excluded].join(' NOT ');
}

const quoted = ({ text, isPrefix }: QueryTerm): string => `"${text}"${isPrefix ? '*' : ''}`;

const lastWord = (term: string): number => (/[\p{L}\p{N}\p{Co}\p{M}]*$/u.exec(term.trimEnd())?.[0] ?? '').length;

const bad = (message: string): BinnacleError => new BinnacleError('bad_query', { message });
