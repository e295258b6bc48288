// A search as React state: its hits page by page.

import { type BinnacleError, defined } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';

/** A page of any search. */
interface HitPage<T> {
  readonly hits: readonly T[];
  readonly next: string | null;
}

interface PageOptions {
  readonly limit: number;
  readonly signal: AbortSignal;
  readonly after?: string;
}

interface SearchState<T, P extends HitPage<T>> {
  /** Undefined while the first page loads, and without a search. */
  readonly hits: readonly T[] | undefined;
  /** The last page. */
  readonly page: P | undefined;
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
}

export interface SearchResults<T, P extends HitPage<T>> extends SearchState<T, P> {
  /** Loads the next page. */
  readonly more: () => void;
  /** Repeats the search from the first page. */
  readonly again: () => void;
}

const NOTHING = { hits: undefined, page: undefined, busy: false, error: undefined };
const PAGE = 30;

/** `load`: loads a page; undefined: there is nothing to search for. Another function is another search. */
export function useSearch<T, P extends HitPage<T>>(
  load: ((options: PageOptions) => Promise<P>) | undefined,
): SearchResults<T, P> {
  const [known, setKnown] = useState<SearchState<T, P>>(NOTHING);
  const pending = useRef<AbortController>(undefined);
  const ask = useCallback(
    (after: string | null, before: readonly T[]): void => {
      pending.current?.abort();
      if (load === undefined) return;
      const abort = new AbortController();
      pending.current = abort;
      setKnown((was) => ({ ...was, busy: true, error: undefined }));
      load({ limit: PAGE, signal: abort.signal, ...defined({ after: after ?? undefined }) }).then(
        (page) => {
          if (abort.signal.aborted) return;
          setKnown({ hits: [...before, ...page.hits], page, busy: false, error: undefined });
        },
        (cause: unknown) => {
          if (!abort.signal.aborted) setKnown((was) => ({ ...was, busy: false, error: asFailure(cause) }));
        },
      );
    },
    [load],
  );
  useEffect(() => {
    setKnown(NOTHING);
    ask(null, []);
    return () => pending.current?.abort();
  }, [ask]);
  return {
    ...known,
    more: () => ask(known.page?.next ?? null, known.hits ?? []),
    again: () => ask(null, []),
  };
}
