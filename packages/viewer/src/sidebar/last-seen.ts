// When each session and conversation was looked at last in this browser, so that the list can say what is new since.

import { useCallback, useEffect, useState } from 'react';
import { isAsking, isWaiting, type Row } from './rows.ts';

/** What was not looked at by then is no news: the day the page was opened here for the first time. */
interface Looked {
  readonly begun: number;
  readonly at: Readonly<Record<string, number>>;
}

const KEY = 'binnacle.looked';
/** Those looked at last; of others their news are not told. */
const MAX_KEPT = 300;

/**
 * Something happened that somebody may want to see: it began to wait, it ended, or it was answered. Milliseconds since
 * 1970, undefined where there is no such thing.
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

/** `key` is of the row that is shown now. */
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
      // Until now it was on the screen.
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
    // Storage may be forbidden, or hold what is not ours: it begins now.
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
    // Storage may be forbidden: it lasts as long as the page.
  }
}
