// The words of a block of output, collected document by document until they fill a filter.

import { hashOfThree, hashOfTwo, type Tokenizer } from './tokenizer.ts';
import { FILTER_BYTES, setBits } from './word-filter.ts';

/** Words and beginnings of a full filter, which has half of its bits set. */
const FULL_TERMS = 20_000;
/** Maximum part of the places of the hash table that are taken. */
const MOST_LOAD = 0.7;
/** Places for words that nearly all documents of a block have; a power of two. */
const FREQUENT = 2048;
/** Places of a word. With two, one frequent word in 80 found none, and its block was scanned as a whole. */
const PLACES = 4;
/** Maximum words of a block that are kept, those with the fewest gaps. */
const MAX_TERMS = 256;
/** Maximum documents of a block without such a word, and of the documents until then. */
export const MAX_GAPS = 16;
const maxGapsOf = (documents: number): number => Math.min(MAX_GAPS, 2 + documents / 8);
/** Documents whose words are taken into account: a frequent word is in one of the first. */
const FIRST_DOCUMENTS = 3;
/** Remembered words; a power of two. */
const RECENT = 16_384;

/** A word of nearly all documents of a block, and the indexes of those without it. */
export interface FrequentTerm {
  readonly hash: number;
  readonly gaps: readonly number[];
}

/** Words of a complete block. */
export interface CollectedTerms {
  /** Hashes of all words and beginnings. */
  readonly hashes: Int32Array;
  readonly frequent: readonly FrequentTerm[];
}

/** Returns the filter of a block in a group. */
export function filterOf({ hashes }: Pick<CollectedTerms, 'hashes'>, group: number): Uint8Array {
  const bits = new Uint8Array(FILTER_BYTES);
  for (let n = 0; n < hashes.length; n += 1) setBits(bits, hashes[n] as number, group);
  return bits;
}

/** Words that nearly every document of a block has: a search that excludes one of them reads only the others. */
class FrequentTerms {
  /** By the low bits of the hash: the word, and the last document that has it. 0: none. */
  readonly #hashes = new Int32Array(FREQUENT);
  readonly #seen = new Int32Array(FREQUENT);
  /** Numbers of gaps, and `MAX_GAPS` documents for each place. Outside of the heap: each open log has them. */
  readonly #counts = new Uint8Array(FREQUENT);
  #gaps = new Uint16Array(0);
  /** Places in use. */
  #places: number[] = [];
  #documents = 0;

  begin(): void {
    this.#documents += 1;
    if (this.#documents === 2) this.#gaps = new Uint16Array(FREQUENT * MAX_GAPS);
  }

  add(hash: number): void {
    const first = hash & (FREQUENT - 1);
    let free: number | undefined;
    for (let n = 0; n < PLACES; n += 1) {
      const place = first ^ n;
      const known = this.#hashes[place];
      if (known === hash) {
        this.#seen[place] = this.#documents;
        return;
      }
      if (known === 0) free ??= place;
    }
    if (free === undefined || this.#documents > FIRST_DOCUMENTS) return;
    this.#begin(hash, free);
    this.#seen[free] = this.#documents;
  }

  end(): void {
    const most = maxGapsOf(this.#documents);
    this.#places = this.#places.filter((place) => {
      if (this.#seen[place] === this.#documents) return true;
      const count = this.#counts[place] as number;
      if (count + 1 > most) {
        this.#hashes[place] = 0;
        return false;
      }
      this.#gaps[place * MAX_GAPS + count] = this.#documents - 1;
      this.#counts[place] = count + 1;
      return true;
    });
  }

  get terms(): FrequentTerm[] {
    const terms = this.#places.map((place) => {
      const from = place * MAX_GAPS;
      const gaps = Array.from(this.#gaps.subarray(from, from + (this.#counts[place] as number)));
      return { hash: this.#hashes[place] as number, gaps };
    });
    return terms.sort((a, b) => a.gaps.length - b.gaps.length).slice(0, MAX_TERMS);
  }

  #begin(hash: number, place: number): void {
    this.#hashes[place] = hash;
    this.#places.push(place);
    this.#counts[place] = this.#documents - 1;
    for (let n = 0; n < this.#documents - 1; n += 1) this.#gaps[place * MAX_GAPS + n] = n;
  }
}

/**
 * Words and beginnings of words of a block, while it grows: a hash table, because each group of filters has other bits
 * for a word.
 */
export class BlockTerms {
  readonly frequent = new FrequentTerms();
  /** 0: a free place. */
  #table = new Int32Array(1024);
  #count = 0;

  /** True when another text would make the filter claim too many words. */
  get isFull(): boolean {
    return this.#count >= FULL_TERMS;
  }

  add(hash: number): void {
    if (!insert(this.#table, hash)) return;
    this.#count += 1;
    if (this.#count < this.#table.length * MOST_LOAD) return;
    const larger = new Int32Array(2 * this.#table.length);
    for (const known of this.#table) if (known !== 0) insert(larger, known);
    this.#table = larger;
  }

  get collected(): CollectedTerms {
    const hashes = new Int32Array(this.#count);
    let count = 0;
    for (const hash of this.#table) {
      if (hash !== 0) hashes[count++] = hash;
    }
    return { hashes, frequent: this.frequent.terms };
  }
}

/** Adds documents to blocks: their words, and the beginnings of two and three letters. */
export class TermWriter {
  readonly #tokenizer: Tokenizer;
  /**
   * Words added to the current block lately, which need no look at its table: words of logs repeat. Another word may
   * have the same hash, but not the same beginning as well.
   */
  readonly #recent = new Int32Array(RECENT);
  readonly #recentBeginnings = new Int32Array(RECENT);
  #current: BlockTerms | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  add(text: string, terms: BlockTerms): void {
    if (terms !== this.#current) this.#recent.fill(0);
    this.#current = terms;
    terms.frequent.begin();
    this.#tokenizer.visit(text, this.#visit);
    terms.frequent.end();
  }

  readonly #visit = (word: number, two: number, three: number): void => {
    const terms = this.#current as BlockTerms;
    terms.frequent.add(word);
    const slot = word & (RECENT - 1);
    const beginning = three === 0 ? two : three;
    if (this.#recent[slot] === word && this.#recentBeginnings[slot] === beginning) return;
    this.#recent[slot] = word;
    this.#recentBeginnings[slot] = beginning;
    terms.add(word);
    if (two !== 0) terms.add(hashOfTwo(two));
    if (three !== 0) terms.add(hashOfThree(three));
  };
}

/** Inserts a hash into a table with room. Returns false if it is there. */
function insert(table: Int32Array, hash: number): boolean {
  const mask = table.length - 1;
  for (let at = hash & mask; ; at = (at + 1) & mask) {
    const known = table[at];
    if (known === hash) return false;
    if (known === 0) {
      table[at] = hash;
      return true;
    }
  }
}
