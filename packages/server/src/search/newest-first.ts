// Generators of items with ids, highest id first.

import { BinnacleError } from '@binnacle/protocol';

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
