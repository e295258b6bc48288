// Bloom filters of the words in blocks of output: they tell which blocks cannot contain a word. The filters of a group of
// blocks are stored transposed, so that a search reads the few rows of its words and no filter as a whole.

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

/**
 * Returns the rows of a group in `PARTS` parts of `PART_POSITIONS` rows: bit `column` of the row of a position is the
 * bit of that position in the filter of that column. `filters`: by column; undefined for a removed block.
 */
export function transposed(filters: readonly (Uint8Array | undefined)[]): Uint8Array[] {
  const rows = new Uint8Array(FILTER_BITS * ROW_BYTES);
  for (let octet = 0; octet < ROW_BYTES; octet += 1) transposeOctet(filters, octet, rows);
  const size = PART_POSITIONS * ROW_BYTES;
  return Array.from({ length: PARTS }, (_, part) => rows.subarray(part * size, (part + 1) * size));
}

/** Transposes eight filters, eight bits of each at once: bit by bit, a group takes 40 ms. */
function transposeOctet(filters: readonly (Uint8Array | undefined)[], octet: number, rows: Uint8Array): void {
  const columns = Array.from({ length: 8 }, (_, n) => filters[octet * 8 + n] ?? NO_BITS);
  for (let byte = 0; byte < FILTER_BYTES; byte += 1) {
    let low = 0;
    let high = 0;
    for (let n = 0; n < 4; n += 1) {
      low |= ((columns[n] as Uint8Array)[byte] as number) << (8 * n);
      high |= ((columns[n + 4] as Uint8Array)[byte] as number) << (8 * n);
    }
    if ((low | high) === 0) continue;
    // A matrix of 8 by 8 bits: exchanges single bits, then squares of two, then of four.
    let bits = (low ^ (low >>> 7)) & 0x00aa00aa;
    low ^= bits ^ (bits << 7);
    bits = (high ^ (high >>> 7)) & 0x00aa00aa;
    high ^= bits ^ (bits << 7);
    bits = (low ^ (low >>> 14)) & 0x0000cccc;
    low ^= bits ^ (bits << 14);
    bits = (high ^ (high >>> 14)) & 0x0000cccc;
    high ^= bits ^ (bits << 14);
    bits = (low ^ (high << 4)) & 0xf0f0f0f0;
    low ^= bits;
    high ^= bits >>> 4;
    for (let n = 0; n < 4; n += 1) {
      rows[(byte * 8 + n) * ROW_BYTES + octet] = low >>> (8 * n);
      rows[(byte * 8 + n + 4) * ROW_BYTES + octet] = high >>> (8 * n);
    }
  }
}

const NO_BITS = new Uint8Array(FILTER_BYTES);

/** Sets the bits of a word in a filter of a group: 180,000 for a block, so without a call for each. */
export function setBits(bits: Uint8Array, hash: number, group: number): void {
  const salted = saltedFor(hash, group);
  const step = stepOf(salted);
  let at = salted;
  for (let i = 0; i < HASHES; i += 1) {
    const position = positionOf(at);
    const byte = position >>> 3;
    bits[byte] = (bits[byte] as number) | (1 << (position & 7));
    at = (at + step) | 0;
  }
}

function saltedFor(hash: number, group: number): number {
  let h = Math.imul(hash ^ Math.imul(group, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}

const stepOf = (hash: number): number => Math.imul(hash, 0x9e3779b1) | 1;
const positionOf = (at: number): number => ((at >>> 0) * (FILTER_BITS / 2 ** 32)) | 0;
