// The words of a block of output, collected document by document until they fill a filter.

import { hashOfThree, hashOfTwo, type Tokenizer } from './tokenizer.ts';
import { FILTER_BYTES, setBits } from './word-filter.ts';

/** Words and beginnings of a full filter, which has half of its bits set. */
const FULL_TERMS = 20_000;
/** Maximum part of the places of the hash table that are taken. */
const MOST_LOAD = 0.7;
/** Words of a document that may be in all of a block; a power of two. Of two words in one place only one counts. */
const COMMON = 512;
/** Remembered words; a power of two. */
const RECENT = 16_384;

/** Words that every document of a block has: a search that excludes one of them does not read the block. */
class CommonTerms {
  /** By the low bits of the hash: a word of the first document, and the last document that has it. 0: none. */
  readonly #hashes = new Int32Array(COMMON);
  readonly #seen = new Int32Array(COMMON);
  #documents = 0;

  begin(): void {
    this.#documents += 1;
  }

  add(hash: number): void {
    const slot = hash & (COMMON - 1);
    if (this.#documents === 1) this.#hashes[slot] = hash;
    if (this.#hashes[slot] === hash) this.#seen[slot] = this.#documents;
  }

  end(): void {
    for (let slot = 0; slot < COMMON; slot += 1) {
      if (this.#seen[slot] !== this.#documents) this.#hashes[slot] = 0;
    }
  }

  get hashes(): Int32Array {
    return this.#hashes.filter((hash) => hash !== 0);
  }
}

/**
 * Words and beginnings of words of a block, while it grows: a hash table, because each group of filters has other bits
 * for a word.
 */
export class BlockTerms {
  readonly common = new CommonTerms();
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

  /** Returns the filter for a group. */
  filterOf(group: number): Uint8Array {
    const bits = new Uint8Array(FILTER_BYTES);
    for (const hash of this.#table) if (hash !== 0) setBits(bits, hash, group);
    return bits;
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
    terms.common.begin();
    this.#tokenizer.visit(text, this.#visit);
    terms.common.end();
  }

  readonly #visit = (word: number, two: number, three: number): void => {
    const terms = this.#current as BlockTerms;
    terms.common.add(word);
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
