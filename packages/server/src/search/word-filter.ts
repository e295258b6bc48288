// A Bloom filter of the words in a block of output: tells which blocks cannot contain a word. Filters of a group of
// blocks are stored transposed, so that a search reads the few rows of its words and no filter as a whole.

import { hashOfThree, hashOfTwo, type Tokenizer } from './tokenizer.ts';

/** Positions of filters in one row of the table: 240 × 16 bytes fit into one page of SQLite with its header. */
export const PART_POSITIONS = 240;
export const PARTS = 1092;
/** Bits of a filter: 32 KiB, for about 20,000 different words and beginnings in some 512 KiB of text. */
export const FILTER_BITS = PART_POSITIONS * PARTS;
export const FILTER_BYTES = FILTER_BITS / 8;
/** Filters in a group. A search reads `HASHES` rows of each group for a word. */
export const GROUP = 128;
export const ROW_BYTES = GROUP / 8;
/** Bits of a word: with half of the bits set, 1 filter in 512 claims a word that its block does not have. */
const HASHES = 9;
/** Words and beginnings of a full filter, which has half of its bits set. */
const FULL_TERMS = 20_000;
/** Maximum part of the places of the hash table that are taken. */
const MOST_LOAD = 0.7;
/** Words of a document that may be in all of a block; a power of two. Of two words in one place only one counts. */
const COMMON = 512;
/** Remembered words; a power of two. */
const RECENT = 16_384;

/**
 * Calls `visit` with each position of a word in the filters of a group. Stops and returns false when `visit` does. Each
 * group has other positions: a word that frequent words hide in one group is not hidden in all of them.
 */
export function everyPosition(hash: number, group: number, visit: (position: number) => boolean): boolean {
  const salted = saltedFor(hash, group);
  const step = stepOf(salted);
  let at = salted;
  for (let i = 0; i < HASHES; i += 1) {
    if (!visit(positionOf(at))) return false;
    at = (at + step) | 0;
  }
  return true;
}

/** Whether a filter of a group may contain a word. */
export const mayContain = (bits: Uint8Array, group: number, hash: number): boolean =>
  everyPosition(hash, group, (position) => ((bits[position >>> 3] as number) & (1 << (position & 7))) !== 0);

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

/** The words of a block, while it grows: a hash table, because each group of filters has other bits for a word. */
export class WordFilter {
  readonly everywhere = new CommonTerms();
  /** 0: a free place. */
  #table = new Int32Array(1024);
  #count = 0;

  /** True when another text would make the filter claim too many words. */
  get isFull(): boolean {
    return this.#count >= FULL_TERMS;
  }

  beginDocument(): void {
    this.everywhere.begin();
  }

  endDocument(): void {
    this.everywhere.end();
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
  bitsFor(group: number): Uint8Array {
    const bits = new Uint8Array(FILTER_BYTES);
    for (const hash of this.#table) if (hash !== 0) setBits(bits, hash, group);
    return bits;
  }
}

/** Adds texts to filters: their words, and the beginnings of two and three letters. */
export class FilterWriter {
  readonly #tokenizer: Tokenizer;
  /**
   * Words added to the current filter lately, which need no look at their bits: words of logs repeat. Another word may
   * have the same hash, but not the same beginning as well.
   */
  readonly #recent = new Int32Array(RECENT);
  readonly #recentBeginnings = new Int32Array(RECENT);
  #current: WordFilter | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  add(text: string, filter: WordFilter): void {
    if (filter !== this.#current) this.#recent.fill(0);
    this.#current = filter;
    filter.beginDocument();
    this.#tokenizer.visit(text, this.#visit);
    filter.endDocument();
  }

  readonly #visit = (word: number, two: number, three: number): void => {
    const filter = this.#current as WordFilter;
    filter.everywhere.add(word);
    const slot = word & (RECENT - 1);
    const beginning = three === 0 ? two : three;
    if (this.#recent[slot] === word && this.#recentBeginnings[slot] === beginning) return;
    this.#recent[slot] = word;
    this.#recentBeginnings[slot] = beginning;
    filter.add(word);
    if (two !== 0) filter.add(hashOfTwo(two));
    if (three !== 0) filter.add(hashOfThree(three));
  };
}

/**
 * Returns the rows of a group in `PARTS` parts of `PART_POSITIONS` rows: bit `column` of the row of a position is the
 * bit of that position in the filter of that column. `filters`: by column; undefined for a removed block.
 */
export function transposed(filters: readonly (Uint8Array | undefined)[]): Uint8Array[] {
  const rows = new Uint8Array(FILTER_BITS * ROW_BYTES);
  for (const [column, bits] of filters.entries()) {
    if (bits === undefined) continue;
    const bit = 1 << (column & 7);
    const at = column >>> 3;
    for (let byte = 0; byte < FILTER_BYTES; byte += 1) {
      let left = bits[byte] as number;
      while (left !== 0) {
        const position = byte * 8 + 31 - Math.clz32(left & -left);
        const row = position * ROW_BYTES + at;
        rows[row] = (rows[row] as number) | bit;
        left &= left - 1;
      }
    }
  }
  const size = PART_POSITIONS * ROW_BYTES;
  return Array.from({ length: PARTS }, (_, part) => rows.subarray(part * size, (part + 1) * size));
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

function setBits(bits: Uint8Array, hash: number, group: number): void {
  everyPosition(hash, group, (position) => {
    bits[position >>> 3] = (bits[position >>> 3] as number) | (1 << (position & 7));
    return true;
  });
}

function saltedFor(hash: number, group: number): number {
  let h = Math.imul(hash ^ Math.imul(group, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}

const stepOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) | 1;
const positionOf = (at: number): number => Math.floor((at >>> 0) * (FILTER_BITS / 2 ** 32));
