// Words that all documents of some blocks of a group have: a bit for each block, so that a search that excludes a word
// passes these blocks without reading their rows.

import { GROUP, ROW_BYTES } from './word-filter.ts';

/** Maximum words of a group, those of the most blocks: 10 KiB. */
const MAX_TERMS = 512;
/** Minimum blocks of a word: reading the rows of fewer blocks costs less than looking for the word. */
const LEAST_BLOCKS = GROUP / 16;
const ENTRY_BYTES = 4 + ROW_BYTES;

/** Packs the words of a group. `common`: hashes of the words that all documents of a block have, by column. */
export function packGroup(common: ReadonlyMap<number, Int32Array>): Uint8Array {
  const columns = new Map<number, number[]>();
  for (const [column, hashes] of common) {
    for (const hash of hashes) {
      const known = columns.get(hash);
      if (known === undefined) columns.set(hash, [column]);
      else known.push(column);
    }
  }
  const frequent = [...columns].filter(([, blocks]) => blocks.length >= LEAST_BLOCKS);
  const stored = frequent.sort((a, b) => b[1].length - a[1].length).slice(0, MAX_TERMS);
  const packed = Buffer.alloc(stored.length * ENTRY_BYTES);
  for (const [n, [hash, blocks]] of stored.entries()) {
    const at = n * ENTRY_BYTES;
    packed.writeInt32LE(hash, at);
    for (const column of blocks) {
      const byte = at + 4 + (column >>> 3);
      packed[byte] = (packed[byte] as number) | (1 << (column & 7));
    }
  }
  return packed;
}

/** Removes the blocks that have one of the words in all their documents from `columns`, a bit for each block. */
export function removeCommon(packed: Uint8Array, hashes: readonly number[], columns: Uint8Array): void {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let at = 0; at + ENTRY_BYTES <= packed.length; at += ENTRY_BYTES) {
    if (!hashes.includes(view.getInt32(at, true))) continue;
    for (let i = 0; i < ROW_BYTES; i += 1) {
      columns[i] = (columns[i] as number) & ~(packed[at + 4 + i] as number);
    }
  }
}
