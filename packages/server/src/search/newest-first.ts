// Generators of items with ids, highest id first.

import { BinnacleError } from '@binnacle/protocol';
import type { SearchPace } from './search-pace.ts';

/** Rows of the first window, and maximum per window: each window is four times as large as the one before. */
export const FIRST_WINDOW = 4096;
export const LAST_WINDOW = 262_144;
/** Rows per statement: some more than a page. */
const MAX_ROWS = 64;

/** Rows of a table by id, of which a statement may look at many and return few. */
interface Windows<R> {
  /** Ids below `before`, from `low` on. */
  readonly before: number;
  readonly low: number;
  /** Size of the first window; infinity: one window for all. */
  readonly first: number;
  /** Returns the lowest id of a window of so many rows below `before`; undefined if there are fewer. */
  readonly startOf: (before: number, rows: number) => number | undefined;
  /** Returns rows below `before`, from `from` on, highest id first. */
  readonly rowsOf: (before: number, from: number, limit: number) => readonly R[];
}

/** Yields rows in windows, so that a search of everything holds up neither the index nor other searches. */
export async function* inWindows<R extends { readonly id: number }>(
  { before: first, low, first: size, startOf, rowsOf }: Windows<R>,
  pace: SearchPace,
): AsyncGenerator<R> {
  for (let before = first, window = size; ; window = Math.min(LAST_WINDOW, window * 4)) {
    const from = Math.max(low, (Number.isFinite(window) ? startOf(before, window) : undefined) ?? 0);
    let rows: readonly R[];
    do {
      rows = rowsOf(before, from, MAX_ROWS);
      yield* rows;
      before = rows.at(-1)?.id ?? from;
    } while (rows.length === MAX_ROWS);
    if (from <= low) return;
    before = from;
    await pace.step();
  }
}

/** Sources of items: a group of blocks, a block of documents. */
interface Expansion<S, T> {
  /** Returns a number that no id of the source exceeds. */
  readonly newestOf: (source: S) => number;
  readonly expand: (source: S) => Promise<readonly T[]>;
  readonly idOf: (item: T) => number;
  /** Maximum items that wait for the next source, highest ids first; the others are dropped. Default: all. */
  readonly limit?: number;
}

/** Yields the items of sources that come by `newestOf`, highest first. Expands a source when its items may be next. */
export async function* expandNewestFirst<S, T>(
  sources: Iterable<S> | AsyncIterable<S>,
  { newestOf, expand, idOf, limit = Number.POSITIVE_INFINITY }: Expansion<S, T>,
): AsyncGenerator<T> {
  // Highest id last.
  let waiting: T[] = [];
  for await (const source of sources) {
    for (let last = waiting.at(-1); last !== undefined && idOf(last) > newestOf(source); last = waiting.at(-1)) {
      waiting.pop();
      yield last;
    }
    const items = await expand(source);
    if (items.length > 0) waiting = [...waiting, ...items].sort((a, b) => idOf(a) - idOf(b)).slice(-limit);
  }
  yield* waiting.reverse();
}

/** Merges sources whose items come highest id first. */
export async function* mergeNewestFirst<T>(
  sources: readonly AsyncGenerator<T>[],
  idOf: (item: T) => number,
): AsyncGenerator<T> {
  const heads: (T | undefined)[] = [];
  const advance = async (n: number): Promise<void> => {
    const next = await sources[n]?.next();
    heads[n] = next === undefined || next.done === true ? undefined : next.value;
  };
  for (const n of sources.keys()) await advance(n);
  for (;;) {
    let newest: number | undefined;
    let highest = Number.NEGATIVE_INFINITY;
    for (const [n, head] of heads.entries()) {
      if (head === undefined || idOf(head) <= highest) continue;
      newest = n;
      highest = idOf(head);
    }
    if (newest === undefined) return;
    yield heads[newest] as T;
    await advance(newest);
  }
}

/**
 * Takes the first page of a search. A search whose time is over returns what it has found by then. Throws
 * `search_timeout` if that is nothing.
 */
export async function pageOf<T>(
  found: AsyncIterable<T>,
  limit: number,
): Promise<{ readonly items: readonly T[]; readonly hasMore: boolean }> {
  const items: T[] = [];
  try {
    for await (const item of found) {
      if (items.length === limit) return { items, hasMore: true };
      items.push(item);
    }
    return { items, hasMore: false };
  } catch (error) {
    const isOver = error instanceof BinnacleError && error.code === 'search_timeout';
    if (!isOver || items.length === 0) throw error;
    return { items, hasMore: true };
  }
}
