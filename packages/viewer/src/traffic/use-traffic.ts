// Stored traffic and its statistics as React state: page by page, and looked at again while the page is seen.

import type { Binnacle } from '@binnacle/client';
import type { BinnacleError, StoredEventList, TrafficStats } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import { queryOf, type TrafficAsk } from '../model/traffic-query.ts';
import { withNewest } from './format.ts';

export interface Heard {
  /** Undefined until the first page is here. */
  readonly list: StoredEventList | undefined;
  readonly stats: TrafficStats | undefined;
  readonly error: BinnacleError | undefined;
  /** The next page is on its way, or the first one of what is asked now. */
  readonly busy: boolean;
  readonly more: () => void;
  /** Now, and not only when it is its time. */
  readonly again: () => void;
}

const PAGE = 50;
// New events show within this; nobody watches a table faster.
const EVERY_MS = 3000;
/** What the strip shows. */
export const STATS_HOURS = 24;
const HOUR_MS = 3_600_000;

export function useTraffic(client: Binnacle, ask: TrafficAsk): Heard {
  const [list, setList] = useState<StoredEventList>();
  const [stats, setStats] = useState<TrafficStats>();
  const [error, setError] = useState<BinnacleError>();
  const [busy, setBusy] = useState(false);
  /** What is here answers what was asked before. */
  const [isAsking, setAsking] = useState(true);
  const look = useRef<() => void>(() => undefined);
  // By what is asked, not by the object that says so.
  const words = JSON.stringify(ask);

  useEffect(() => {
    const asked = JSON.parse(words) as TrafficAsk;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    /** The first event that was read; undefined before the first answer. */
    let newest: string | undefined;
    // What was asked before stays on the page until there is an answer: a page that goes blank at every key is none.
    setAsking(true);
    const read = async (): Promise<void> => {
      const now = Date.now();
      const page = await client.traffic.events({ ...queryOf(asked, now), limit: PAGE }, abort.signal);
      const first = page.events[0]?.id ?? '';
      if (first !== newest) {
        const source = asked.source === undefined ? {} : { source: asked.source };
        const counted = await client.traffic.stats({ since: now - STATS_HOURS * HOUR_MS, ...source }, abort.signal);
        setStats(counted);
      }
      if (abort.signal.aborted) return;
      const isFirst = newest === undefined;
      newest = first;
      setList((known) => (isFirst || known === undefined ? page : withNewest(known, page)));
      setAsking(false);
      setError(undefined);
    };
    const again = (): void => {
      clearTimeout(timer);
      // Nobody looks: coming back begins at once.
      if (document.hidden || abort.signal.aborted) return;
      // The notice about the connection says it already, and what is here stays.
      const isAway = newest !== undefined && client.state.kind !== 'open';
      (isAway ? Promise.resolve() : read())
        .catch((thrown: unknown) => {
          if (abort.signal.aborted) return;
          setError(asFailure(thrown));
          if (newest !== undefined) return;
          setList(undefined);
          setStats(undefined);
          setAsking(false);
        })
        .finally(() => {
          if (!abort.signal.aborted) timer = setTimeout(again, EVERY_MS);
        });
    };
    look.current = again;
    again();
    document.addEventListener('visibilitychange', again);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', again);
    };
  }, [client, words]);

  const next = list?.next ?? null;
  const more = useCallback(() => {
    if (next === null) return;
    setBusy(true);
    client.traffic
      .events({ ...queryOf(JSON.parse(words) as TrafficAsk, Date.now()), limit: PAGE, after: next })
      .then(
        (page) =>
          setList((known) =>
            // Something else is shown by now, or it began anew: this page does not follow it.
            known?.next === next ? { events: [...known.events, ...page.events], next: page.next } : known,
          ),
        (thrown: unknown) => setError(asFailure(thrown)),
      )
      .finally(() => setBusy(false));
  }, [client, words, next]);
  return { list, stats, error, busy: busy || isAsking, more, again: () => look.current() };
}
