// A search as React state: its hits page by page, and the amount not indexed yet.

import type { Binnacle } from '@binnacle/client';
import { type BinnacleError, defined, type SearchHit } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import type { SearchRoute } from '../model/route.ts';

export interface SearchResults {
  /** Undefined while the first page loads, and without search words. */
  readonly hits: readonly SearchHit[] | undefined;
  readonly next: string | null;
  readonly behindBytes: number;
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
  /** Loads the next page. */
  readonly more: () => void;
  /** Repeats the search from the first page. */
  readonly again: () => void;
}

interface SearchState {
  readonly hits: readonly SearchHit[] | undefined;
  readonly next: string | null;
  readonly behindBytes: number;
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
}

const NOTHING: SearchState = { hits: undefined, next: null, behindBytes: 0, busy: false, error: undefined };
const PAGE = 30;

export function useSearch(client: Binnacle, { q, session, source }: SearchRoute): SearchResults {
  const [known, setKnown] = useState(NOTHING);
  const pending = useRef<AbortController>(undefined);
  const ask = useCallback(
    (after: string | null, before: readonly SearchHit[]): void => {
      pending.current?.abort();
      const abort = new AbortController();
      pending.current = abort;
      setKnown((was) => ({ ...was, busy: true, error: undefined }));
      const options = {
        limit: PAGE,
        signal: abort.signal,
        ...(after === null ? {} : { after }),
        ...defined({ session_id: session, source }),
      };
      client.search(q, options).then(
        ({ hits, next, behindBytes }) => {
          if (abort.signal.aborted) return;
          setKnown({ hits: [...before, ...hits], next, behindBytes, busy: false, error: undefined });
        },
        (cause: unknown) => {
          if (!abort.signal.aborted) setKnown((was) => ({ ...was, busy: false, error: asFailure(cause) }));
        },
      );
    },
    [client, q, session, source],
  );
  useEffect(() => {
    setKnown(NOTHING);
    if (q !== '') ask(null, []);
    return () => pending.current?.abort();
  }, [ask, q]);
  return {
    ...known,
    more: () => ask(known.next, known.hits ?? []),
    again: () => ask(null, []),
  };
}
