// Decides whether a text matches a query, exactly as the full-text index would.

import { PlainText } from '../cursor/plain-text.ts';
import type { QueryTerm } from './query.ts';
import { isBetween, TEXT_BYTES, type Tokenizer } from './tokenizer.ts';

/** Maximum words that are looked for in filters: few blocks have so many by chance. */
const MAX_HASHES = 16;
/** Documents after which it shows whether nearly all have the words. */
const PASSES = 64;
/** One document in so many is looked at in any case: others may follow. */
const SAMPLE = 16;
const ESCAPE = 0x1b;

export class TextMatch {
  /** Hashes of words that must occur; undefined if no text can match. */
  readonly hashes: readonly number[] | undefined;
  /** Hashes of words that must not occur. Beginnings and phrases are not among them. */
  readonly excludedHashes: readonly number[];
  readonly #tokenizer: Tokenizer;
  /** Parts of normalized text that must occur, and that must not. */
  readonly #required: readonly string[];
  readonly #excluded: readonly string[];
  /** The required words and beginnings. */
  readonly #parts: readonly string[];
  /** The first two words of each required phrase. */
  readonly #pairs: readonly (readonly [string, string])[];
  #documents = 0;
  /** Documents in which the letters were looked for, and those that had them. */
  #passes = 0;
  #passed = 0;

  constructor(terms: readonly QueryTerm[], tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    const needles = terms.map(({ text, isPrefix, isExcluded }) => {
      const normalized = tokenizer.normalized(text);
      return { isPrefix, isExcluded, text: isPrefix ? normalized.trimEnd() : normalized };
    });
    const required = needles.filter(({ isExcluded }) => !isExcluded);
    this.#required = required.map(({ text }) => text);
    // A term of characters that SQLite does not take for words excludes nothing, and occurs nowhere.
    this.#excluded = needles.filter(({ isExcluded, text }) => isExcluded && hasWord(text)).map(({ text }) => text);
    this.excludedHashes = needles
      .filter(({ isExcluded, isPrefix, text }) => isExcluded && !isPrefix && text.trim().split(' ').length === 1)
      .flatMap((needle) => hashesIn(needle, tokenizer));
    this.#parts = [...new Set(this.#required.flatMap((text) => text.split(' ')))].filter((part) => part !== '');
    this.#pairs = this.#required.flatMap((text) => {
      const [first, second] = text.trim().split(' ');
      return first === undefined || second === undefined ? [] : [[first, second] as const];
    });
    this.hashes = this.#required.every(hasWord)
      ? [...new Set(required.flatMap((needle) => hashesIn(needle, tokenizer)))].slice(0, MAX_HASHES)
      : undefined;
  }

  /** `isPlain`: see `BlockDocument`. */
  matches(output: Buffer, isPlain: boolean): boolean {
    if (isPlain && output.length <= TEXT_BYTES) {
      if (!this.#mayMatch(output)) return false;
      const normalized = this.#tokenizer.normalizedPlain(output);
      if (normalized !== undefined) return this.#matches(normalized);
    }
    return this.#matches(this.#tokenizer.normalized(new PlainText().text(output)));
  }

  /**
   * Returns false if plain output has not the letters of all words, those of a phrase side by side: few documents of a
   * search for rare words have them. For frequent words nearly all have, and the pass is left out.
   */
  #mayMatch(output: Buffer): boolean {
    this.#documents += 1;
    const isSample = this.#documents % SAMPLE === 0;
    if (!isSample && this.#passes >= PASSES && this.#passed > this.#passes / 2) return true;
    const lower = output.toString('latin1').toLowerCase();
    const may =
      this.#parts.every((part) => lower.includes(part)) && this.#pairs.every((pair) => mayContainPair(lower, pair));
    this.#passes += 1;
    this.#passed += may ? 1 : 0;
    if (this.#passes === 2 * PASSES) {
      // Older documents count less.
      this.#passes /= 2;
      this.#passed /= 2;
    }
    return may;
  }

  #matches(normalized: string): boolean {
    return (
      this.#required.every((part) => normalized.includes(part)) &&
      !this.#excluded.some((part) => normalized.includes(part))
    );
  }
}

/** Tells whether plain output in lower case may have two words side by side. Behind an escape sequence it may. */
function mayContainPair(lower: string, [first, second]: readonly [string, string]): boolean {
  for (let at = lower.indexOf(first); at >= 0; at = lower.indexOf(first, at + 1)) {
    let next = at + first.length;
    while (next < lower.length && lower.charCodeAt(next) !== ESCAPE && isBetween(lower.charCodeAt(next))) next += 1;
    if (lower.charCodeAt(next) === ESCAPE || lower.startsWith(second, next)) return true;
  }
  return false;
}

const hasWord = (normalized: string): boolean => normalized.trim() !== '';

function hashesIn(
  { text, isPrefix }: { readonly text: string; readonly isPrefix: boolean },
  tokenizer: Tokenizer,
): number[] {
  const parts = text.trim().split(' ');
  const beginning = isPrefix ? (parts.pop() ?? '') : '';
  const hashes: number[] = [];
  for (const part of parts) tokenizer.visit(part, (hash) => hashes.push(hash));
  const hash = tokenizer.hashOfBeginning(beginning);
  return hash === 0 ? hashes : [...hashes, hash];
}
