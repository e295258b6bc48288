// Blocks of output that are too large for the full-text index: a filter of the words of each, in groups. A search gets
// the blocks that may contain all its words, and scans them.

import type { Head } from '../log/log.ts';
import type { Database, SqlValue, Statement } from '../store/sqlite.ts';
import { type CollectedTerms, type FrequentTerm, filterOf, MAX_GAPS } from './block-terms.ts';
import { packGroup, removeCommon } from './group-terms.ts';
import { expandNewestFirst } from './newest-first.ts';
import type { SearchPace } from './search-pace.ts';
import { everyPosition, GROUP, mayContain, PART_POSITIONS, PARTS, ROW_BYTES, transposed } from './word-filter.ts';

export interface Block {
  readonly slot: number;
  readonly log: number;
  readonly session: string;
  /** Output offset of its beginning, and a place in the log to read it from. */
  readonly at: number;
  readonly place: number;
  readonly bytes: number;
  /** Lowest and highest id of its documents. */
  readonly first: number;
  readonly last: number;
  /** The only documents that may match: their offsets in the block, and their places in the log. Undefined: all. */
  readonly only: ReadonlyMap<number, number> | undefined;
}

/** Documents that a request may find, by log and id. */
export interface SearchRange {
  /** Condition on the rows of `logs l`. */
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** Ids below `before`, from `low` on. */
  readonly before: number;
  readonly low: number;
}

export interface BlockScope extends SearchRange {
  /** Hashes of words, of which all must occur. */
  readonly hashes: readonly number[];
  /** Hashes of words that must not occur. */
  readonly excluded: readonly number[];
}

/** Blocks removed per step of retention. */
const SLICE = 256;

export class BlockIndex {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #insertFilter: Statement;
  readonly #insertRows: Statement;
  readonly #rows: Statement;
  readonly #common: Statement;
  readonly #gaps: Statement;
  readonly #behind: Statement;
  readonly #allEmpty: Statement;
  readonly #isEmpty: Statement;
  readonly #remove: Statement;
  readonly #removeFilter: Statement;
  readonly #removeFilters: Statement;
  readonly #removeRows: Statement;
  readonly #isUsed: Statement;
  readonly #insertGroup: Statement;
  readonly #group: Statement;
  readonly #removeGroup: Statement;
  /** Highest document id of each group. */
  #groups = new Map<number, number>();
  /** Filters of the last group while it is incomplete, by column. */
  #filters: (Uint8Array | undefined)[] = [];
  #next = 0;
  /** Blocks that have lost documents; undefined before the first look at all. */
  #suspects: Set<number> | undefined;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(
      'INSERT INTO blocks (slot, log, place, at, bytes, first, last, common, gaps) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#insertFilter = db.prepare('INSERT INTO filters (slot, bits) VALUES (?, ?)');
    this.#insertRows = db.prepare('INSERT INTO filter_rows (part, bits) VALUES (?, ?)');
    this.#rows = db.prepare('SELECT bits FROM filter_rows WHERE part = ?');
    this.#common = db.prepare('SELECT common FROM blocks WHERE slot = ?');
    this.#gaps = db.prepare('SELECT gaps FROM blocks WHERE slot = ?');
    this.#behind = db.prepare('SELECT slot FROM blocks WHERE log = ? AND at >= ?');
    const isEmpty = `NOT EXISTS
      (SELECT 1 FROM docs d WHERE d.log = b.log AND d.at >= b.at AND d.at < b.at + b.bytes AND d.block = b.slot)`;
    this.#allEmpty = db.prepare(`SELECT slot FROM blocks b WHERE ${isEmpty}`);
    this.#isEmpty = db.prepare(`SELECT 1 FROM blocks b WHERE slot = ? AND ${isEmpty}`);
    this.#remove = db.prepare('DELETE FROM blocks WHERE slot = ?');
    this.#removeFilter = db.prepare('DELETE FROM filters WHERE slot = ?');
    this.#removeFilters = db.prepare('DELETE FROM filters');
    this.#removeRows = db.prepare('DELETE FROM filter_rows WHERE part >= ? AND part < ?');
    this.#isUsed = db.prepare('SELECT 1 FROM blocks WHERE slot >= ? AND slot < ? LIMIT 1');
    this.#insertGroup = db.prepare('INSERT INTO group_terms (n, terms) VALUES (?, ?)');
    this.#group = db.prepare('SELECT terms FROM group_terms WHERE n = ?');
    this.#removeGroup = db.prepare('DELETE FROM group_terms WHERE n = ?');
    this.reload();
  }

  /** Slot of the block that is added next. */
  get nextSlot(): number {
    return this.#next;
  }

  /** `begins`: beginnings of its documents. */
  add(block: Omit<Block, 'slot' | 'session' | 'only'>, terms: CollectedTerms, begins: readonly Head[]): void {
    const slot = this.#next;
    const group = groupOf(slot);
    const bits = filterOf(terms, group);
    this.#next += 1;
    const { log, place, at, bytes, first, last } = block;
    const { common, gaps } = packed(
      terms.frequent,
      begins.map((begin) => ({ place: begin.place - place, offset: begin.offset - at })),
    );
    this.#insert.run(slot, log, place, at, bytes, first, last, common, gaps);
    this.#insertFilter.run(slot, bits);
    this.#filters[slot % GROUP] = bits;
    this.#groups.set(group, Math.max(this.#groups.get(group) ?? 0, block.last));
    if (this.#next % GROUP === 0) this.#complete(group);
  }

  /** Removes the blocks of a log from an offset on. */
  removeFrom(log: number, at: number): void {
    for (const { slot } of this.#behind.all(log, at) as { slot: number }[]) this.#drop(slot);
  }

  /** Takes note that a document of a block was removed. */
  lostDocument(slot: number): void {
    this.#suspects?.add(slot);
  }

  /** Removes some blocks without documents. Returns false if there is nothing more to look at. */
  removeEmpty(): boolean {
    this.#suspects ??= new Set((this.#allEmpty.all() as { slot: number }[]).map(({ slot }) => slot));
    let left = SLICE;
    for (const slot of this.#suspects) {
      if (left === 0) break;
      left -= 1;
      this.#suspects.delete(slot);
      if (this.#isEmpty.get(slot) !== undefined) this.#drop(slot);
    }
    return left < SLICE;
  }

  /** Reads the state of the file again, after a failed transaction. */
  reload(): void {
    this.#suspects = undefined;
    const groups = this.#db.prepare(`SELECT slot / ${GROUP} AS n, max(last) AS last FROM blocks GROUP BY 1`).all();
    this.#groups = new Map((groups as { n: number; last: number }[]).map(({ n, last }) => [n, last]));
    this.#filters = [];
    const filters = this.#db.prepare('SELECT slot, bits FROM filters').all() as { slot: number; bits: Uint8Array }[];
    for (const { slot, bits } of filters) this.#filters[slot % GROUP] = bits;
    const { slot, part } = this.#db
      .prepare('SELECT (SELECT max(slot) FROM blocks) AS slot, (SELECT max(part) FROM filter_rows) AS part')
      .get() as { slot: number | null; part: number | null };
    this.#next = Math.max(slot === null ? 0 : slot + 1, part === null ? 0 : (Math.floor(part / PARTS) + 1) * GROUP);
  }

  /** Yields the blocks that may contain all words, newest first by their last documents. */
  candidates(scope: BlockScope, pace: SearchPace): AsyncGenerator<Block> {
    const groups = [...this.#groups].filter(([, last]) => last >= scope.low).sort((a, b) => b[1] - a[1]);
    const blocks = this.#db.prepare(
      `SELECT b.slot, b.log, l.id AS session, b.place, b.at, b.bytes, b.first, b.last FROM blocks b JOIN logs l ON l.n = b.log
       WHERE b.slot >= ? AND b.slot < ? AND b.first < ? AND b.last >= ? AND ${scope.sql}`,
    );
    return expandNewestFirst(groups, {
      newestOf: ([, last]) => last,
      expand: async ([group]) => {
        await pace.step();
        return this.#blocksOf(group, scope, blocks);
      },
      idOf: ({ last }) => last,
    });
  }

  #blocksOf(group: number, { hashes, excluded, before, low, values }: BlockScope, select: Statement): Block[] {
    const columns = this.#columns(group, hashes);
    if (excluded.length > 0) this.#removeCommon(group, excluded, columns);
    if (columns.every((byte) => byte === 0)) return [];
    const first = group * GROUP;
    const rows = select.all(first, first + GROUP, before, low, ...values) as unknown as Omit<Block, 'only'>[];
    return rows
      .filter(({ slot }) => hasBit(columns, slot % GROUP))
      .map((block) => ({ ...block, only: this.#documentsWithout(excluded, block) }))
      .filter(({ only }) => only?.size !== 0);
  }

  /** Returns the documents that may have none of the words, see `Block.only`. */
  #documentsWithout(
    hashes: readonly number[],
    { slot, place }: Pick<Block, 'slot' | 'place'>,
  ): ReadonlyMap<number, number> | undefined {
    if (hashes.length === 0) return undefined;
    const { common } = this.#common.get(slot) as { readonly common: Uint8Array };
    if (numbersOf(common).some((hash) => hashes.includes(hash))) return new Map();
    // Read only now: it is up to 34 KiB.
    const { gaps } = this.#gaps.get(slot) as { readonly gaps: Uint8Array | null };
    // Null in blocks of an older version.
    return gaps === null ? undefined : documentsWithout(hashes, place, numbersOf(gaps));
  }

  #removeCommon(group: number, excluded: readonly number[], columns: Uint8Array): void {
    const row = this.#group.get(group) as { readonly terms: Uint8Array } | undefined;
    // Undefined for the incomplete group, and for groups of an older version.
    if (row !== undefined) removeCommon(row.terms, excluded, columns);
  }

  /** Returns a bit for each column: whether its filter may contain all words. */
  #columns(group: number, hashes: readonly number[]): Uint8Array {
    const columns = new Uint8Array(ROW_BYTES);
    if (group === groupOf(this.#next)) {
      for (const [column, bits] of this.#filters.entries()) {
        if (bits === undefined || !hashes.every((hash) => mayContain(bits, group, hash))) continue;
        columns[column >>> 3] = (columns[column >>> 3] as number) | (1 << (column & 7));
      }
      return columns;
    }
    columns.fill(0xff);
    for (const hash of hashes) {
      const isPossible = everyPosition(hash, group, (position) => {
        const part = group * PARTS + Math.floor(position / PART_POSITIONS);
        const row = this.#rows.get(part) as { bits: Uint8Array } | undefined;
        const at = (position % PART_POSITIONS) * ROW_BYTES;
        for (let i = 0; i < ROW_BYTES; i += 1) columns[i] = (columns[i] as number) & (row?.bits[at + i] ?? 0);
        return columns.some((byte) => byte !== 0);
      });
      if (!isPossible) break;
    }
    return columns;
  }

  /** Stores the filters of a complete group transposed, and its frequent words. */
  #complete(group: number): void {
    const common = new Map<number, Int32Array>();
    for (let column = 0; column < GROUP; column += 1) {
      const row = this.#common.get(group * GROUP + column) as { readonly common: Uint8Array } | undefined;
      if (row !== undefined) common.set(column, numbersOf(row.common));
    }
    this.#insertGroup.run(group, packGroup(common));
    for (const [part, bits] of transposed(this.#filters).entries()) this.#insertRows.run(group * PARTS + part, bits);
    this.#removeFilters.run();
    this.#filters = [];
  }

  #drop(slot: number): void {
    const group = groupOf(slot);
    this.#remove.run(slot);
    if (group === groupOf(this.#next)) {
      this.#removeFilter.run(slot);
      this.#filters[slot % GROUP] = undefined;
    } else if (this.#isUsed.get(group * GROUP, (group + 1) * GROUP) === undefined) {
      this.#removeRows.run(group * PARTS, (group + 1) * PARTS);
      this.#removeGroup.run(group);
      this.#groups.delete(group);
    }
  }
}

/**
 * Packs the frequent words of a block: `common` has the hashes of those in all documents, `gaps` the others, each as hash,
 * count, and two numbers for each document without it: where it begins in the output and in the log. All numbers have
 * 32 bits.
 */
function packed(
  terms: readonly FrequentTerm[],
  begins: readonly Head[],
): { readonly common: Uint8Array; readonly gaps: Uint8Array } {
  const common = terms.filter(({ gaps }) => gaps.length === 0).map(({ hash }) => hash);
  const others = terms.filter(({ gaps }) => gaps.length > 0);
  // Some 2 GiB of events between the documents of a block would not fit.
  const isNear = begins.every(({ place }) => place === (place | 0));
  const gaps = others.flatMap((term) => [
    ...[term.hash, term.gaps.length],
    ...term.gaps.flatMap((n) => [begins[n]?.offset ?? 0, begins[n]?.place ?? 0]),
  ]);
  return { common: bytesOf(common), gaps: bytesOf(isNear ? gaps : []) };
}

/** `gaps`: see `packed`. Returns undefined if any document may have none of the words. */
function documentsWithout(
  hashes: readonly number[],
  place: number,
  gaps: Int32Array,
): ReadonlyMap<number, number> | undefined {
  let without: ReadonlyMap<number, number> | undefined;
  for (let at = 0; at < gaps.length; ) {
    const hash = gaps[at] as number;
    const count = gaps[at + 1] ?? 0;
    const end = at + 2 + 2 * count;
    // Damaged: nothing is known.
    if (count < 1 || count > MAX_GAPS || end > gaps.length) return undefined;
    if (hashes.includes(hash)) {
      const documents = new Map<number, number>();
      for (at += 2; at < end; at += 2) {
        const offset = gaps[at] as number;
        if (without?.has(offset) !== false) documents.set(offset, place + (gaps[at + 1] as number));
      }
      without = documents;
    }
    at = end;
  }
  return without;
}

const bytesOf = (numbers: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(numbers).buffer);
/** Returns a view, or a copy of bytes that begin anywhere. */
function numbersOf(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.prototype.slice.call(bytes);
  return new Int32Array(buffer, byteOffset, Math.floor(length / 4));
}

const groupOf = (slot: number): number => Math.floor(slot / GROUP);
const hasBit = (bits: Uint8Array, n: number): boolean => ((bits[n >>> 3] as number) & (1 << (n & 7))) !== 0;
