// The last time when this browser showed each session and conversation, so that the list can mark news.

import { useCallback, useEffect, useState } from 'react';
import { isAsking, isWaiting, type Row } from './rows.ts';

/** Times of last views. Rows without a view count as seen when this browser first opened the page. */
interface Looked {
  readonly begun: number;
  readonly at: Readonly<Record<string, number>>;
}

const KEY = 'binnacle.looked';
/** Maximum rows to remember, the most recently seen; news of others are not marked. */
const MAX_KEPT = 300;

/**
 * Returns the latest event that a user may want to see: the start of a wait, an end, or an answer. Milliseconds since
 * 1970; undefined without such an event.
 */
export function newsAt(row: Row): number | undefined {
  if (row.kind === 'conversation') return isAsking(row.info) || row.info.run === null ? row.info.updatedAt : undefined;
  if (isWaiting(row.info)) return row.info.activity?.since;
  return row.info.exitedAt ?? undefined;
}

export const isNews = (row: Row, looked: Looked): boolean => {
  const at = newsAt(row);
  return at !== undefined && at > Math.max(looked.begun, looked.at[row.key] ?? 0);
};

/** Returns whether a row has news. `key` is the row in view. */
export function useLooked(key: string | undefined): (row: Row) => boolean {
  const [looked, setLooked] = useState(read);
  useEffect(() => {
    if (key === undefined) return;
    const look = (): void => {
      if (document.visibilityState === 'hidden') return;
      setLooked((before) => {
        const { [key]: _, ...others } = before.at;
        const kept = Object.entries(others).slice(-(MAX_KEPT - 1));
        const after = { begun: before.begun, at: { ...Object.fromEntries(kept), [key]: Date.now() } };
        keep(after);
        return after;
      });
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
      // The row was in view until now.
      look();
    };
  }, [key]);
  return useCallback((row: Row) => row.key !== key && isNews(row, looked), [key, looked]);
}

function read(): Looked {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    if (isLooked(kept)) return kept;
  } catch {
    // Storage may be forbidden, or contain foreign data: the record starts now.
  }
  const first = { begun: Date.now(), at: {} };
  keep(first);
  return first;
}

function isLooked(kept: unknown): kept is Looked {
  if (typeof kept !== 'object' || kept === null || !('begun' in kept) || !('at' in kept)) return false;
  const { begun, at } = kept;
  return (
    typeof begun === 'number' &&
    typeof at === 'object' &&
    at !== null &&
    Object.values(at).every((time) => typeof time === 'number')
  );
}

function keep(looked: Looked): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(looked));
  } catch {
    // Storage may be forbidden: the record lasts as long as the page.
  }
}
