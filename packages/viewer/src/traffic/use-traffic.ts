// Stored traffic and its statistics as React state: page by page, and polled while the page is visible.

import type { Binnacle } from '@binnacle/client';
import { type BinnacleError, defined, type StoredEventList, type TrafficStats } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { queryOf, type TrafficFilter } from '../model/traffic-query.ts';
import { withNewest } from './format.ts';

export interface TrafficState {
  /** Undefined until the first page is here. */
  readonly list: StoredEventList | undefined;
  readonly stats: TrafficStats | undefined;
  readonly error: BinnacleError | undefined;
  /** True while the next page loads, or the first one of a new query. */
  readonly busy: boolean;
  readonly more: () => void;
  /** Polls now, without waiting for the next interval. */
  readonly again: () => void;
}

const PAGE = 50;
// Polling interval: nobody watches a table faster.
const EVERY_MS = 3000;
/** Hours in the strip. */
export const STATS_HOURS = 24;
const HOUR_MS = 3_600_000;

export function useTraffic(client: Binnacle, filter: TrafficFilter): TrafficState {
  const [list, setList] = useState<StoredEventList>();
  const [stats, setStats] = useState<TrafficStats>();
  const [error, setError] = useState<BinnacleError>();
  const [busy, setBusy] = useState(false);
  /** True while the shown events still belong to the previous query. */
  const [isLoading, setLoading] = useState(true);
  const poll = useRef<() => void>(() => undefined);
  // Compared by content, not by object identity.
  const key = JSON.stringify(filter);

  useEffect(() => {
    const current = JSON.parse(key) as TrafficFilter;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    /** Id of the newest event that was read; undefined before the first answer. */
    let newest: string | undefined;
    // Earlier events stay until the answer: the page should not go blank at every key.
    setLoading(true);
    const read = async (): Promise<void> => {
      const now = Date.now();
      const page = await client.traffic.events({ ...queryOf(current, now), limit: PAGE }, abort.signal);
      const first = page.events[0]?.id ?? '';
      if (first !== newest) {
        const source = defined({ source: current.source });
        const counted = await client.traffic.stats({ since: now - STATS_HOURS * HOUR_MS, ...source }, abort.signal);
        setStats(counted);
      }
      if (abort.signal.aborted) return;
      const isFirst = newest === undefined;
      newest = first;
      setList((known) => (isFirst || known === undefined ? page : withNewest(known, page)));
      setLoading(false);
      setError(undefined);
    };
    const again = (): void => {
      clearTimeout(timer);
      // The page is hidden: polling restarts at once when it becomes visible.
      if (document.hidden || abort.signal.aborted) return;
      // The notice about the connection reports the failure already, and the events stay.
      const isAway = newest !== undefined && client.state.kind !== 'open';
      (isAway ? Promise.resolve() : read())
        .catch((cause: unknown) => {
          if (abort.signal.aborted) return;
          setError(asFailure(cause));
          if (newest !== undefined) return;
          setList(undefined);
          setStats(undefined);
          setLoading(false);
        })
        .finally(() => {
          if (!abort.signal.aborted) timer = setTimeout(again, EVERY_MS);
        });
    };
    poll.current = again;
    again();
    document.addEventListener('visibilitychange', again);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', again);
    };
  }, [client, key]);

  const next = list?.next ?? null;
  const more = useCallback(() => {
    if (next === null) return;
    setBusy(true);
    client.traffic
      .events({ ...queryOf(JSON.parse(key) as TrafficFilter, Date.now()), limit: PAGE, after: next })
      .then(
        (page) =>
          setList((known) =>
            // If the list changed or restarted meanwhile, this page no longer follows it and is dropped.
            known?.next === next ? { events: [...known.events, ...page.events], next: page.next } : known,
          ),
        (cause: unknown) => setError(asFailure(cause)),
      )
      .finally(() => setBusy(false));
  }, [client, key, next]);
  return { list, stats, error, busy: busy || isLoading, more, again: () => poll.current() };
}
