// A search as React state: its hits page by page, and the amount not indexed yet.

import type { Binnacle } from '@binnacle/client';
import type { BinnacleError, SearchHit } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import type { SearchChoice } from '../model/route.ts';

export interface Found {
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

interface Known {
  readonly hits: readonly SearchHit[] | undefined;
  readonly next: string | null;
  readonly behindBytes: number;
  readonly busy: boolean;
  readonly error: BinnacleError | undefined;
}

const NOTHING: Known = { hits: undefined, next: null, behindBytes: 0, busy: false, error: undefined };
const PAGE = 30;

export function useSearch(client: Binnacle, { q, session, source }: SearchChoice): Found {
  const [known, setKnown] = useState(NOTHING);
  const asking = useRef<AbortController>(undefined);
  const ask = useCallback(
    (after: string | null, before: readonly SearchHit[]): void => {
      asking.current?.abort();
      const abort = new AbortController();
      asking.current = abort;
      setKnown((was) => ({ ...was, busy: true, error: undefined }));
      const options = {
        limit: PAGE,
        signal: abort.signal,
        ...(after === null ? {} : { after }),
        ...(session === undefined ? {} : { session_id: session }),
        ...(source === undefined ? {} : { source }),
      };
      client.search(q, options).then(
        ({ hits, next, behindBytes }) => {
          if (abort.signal.aborted) return;
          setKnown({ hits: [...before, ...hits], next, behindBytes, busy: false, error: undefined });
        },
        (thrown: unknown) => {
          if (!abort.signal.aborted) setKnown((was) => ({ ...was, busy: false, error: asFailure(thrown) }));
        },
      );
    },
    [client, q, session, source],
  );
  useEffect(() => {
    setKnown(NOTHING);
    if (q !== '') ask(null, []);
    return () => asking.current?.abort();
  }, [ask, q]);
  return {
    ...known,
    more: () => ask(known.next, known.hits ?? []),
    again: () => ask(null, []),
  };
}
