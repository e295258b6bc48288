// Parses the text of a search box: into terms, and into an expression of FTS5, in which every term is quoted, so that no
// input is interpreted as syntax.

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

export interface ParsedQuery {
  readonly terms: readonly QueryTerm[];
  /** The same as an expression of FTS5. */
  readonly expression: string;
}

/** Throws `bad_query`. */
export function parseQuery(text: string): ParsedQuery {
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
  const required = terms.filter(({ isExcluded }) => !isExcluded).map(quoted);
  const excluded = terms.filter(({ isExcluded }) => isExcluded).map(quoted);
  if (required.length === 0)
    throw bad(excluded.length > 0 ? 'It only says what must not be there.' : 'The query has no word.');
  return { terms, expression: [`(${required.join(' AND ')})`, ...excluded].join(' NOT ') };
}

const quoted = ({ text, isPrefix }: QueryTerm): string => `"${text}"${isPrefix ? '*' : ''}`;

const lastWord = (term: string): number => (/[\p{L}\p{N}\p{Co}\p{M}]*$/u.exec(term.trimEnd())?.[0] ?? '').length;

const bad = (message: string): BinnacleError => new BinnacleError('bad_query', { message });
