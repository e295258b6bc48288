// The last time when this browser showed each session and conversation, so that the list can mark news.

import { useCallback, useEffect, useState } from 'react';
import { isWaiting, needsApproval, type Row } from './rows.ts';

/** Times of last views. Rows without a view count as seen when this browser first opened the page. */
interface LastSeen {
  readonly begun: number;
  readonly at: Readonly<Record<string, number>>;
}

const KEY = 'binnacle.looked';
/** Maximum rows to remember, the most recently seen; news of others are not marked. */
const MAX_ROWS = 300;

/**
 * Returns the latest event that a user may want to see: the start of a wait, an end, or an answer. Milliseconds since
 * 1970; undefined without such an event.
 */
export function newsAt(row: Row): number | undefined {
  if (row.kind === 'conversation')
    return needsApproval(row.info) || row.info.run === null ? row.info.updatedAt : undefined;
  if (isWaiting(row.info)) return row.info.activity?.since;
  return row.info.exitedAt ?? undefined;
}

export const isNews = (row: Row, lastSeen: LastSeen): boolean => {
  const at = newsAt(row);
  return at !== undefined && at > Math.max(lastSeen.begun, lastSeen.at[row.key] ?? 0);
};

/** Returns whether a row has news. `key` is the row in view. */
export function useNews(key: string | undefined): (row: Row) => boolean {
  const [lastSeen, setLastSeen] = useState(read);
  useEffect(() => {
    if (key === undefined) return;
    const record = (): void => {
      if (document.visibilityState === 'hidden') return;
      setLastSeen((before) => {
        const { [key]: _, ...others } = before.at;
        const rest = Object.entries(others).slice(-(MAX_ROWS - 1));
        const after = { begun: before.begun, at: { ...Object.fromEntries(rest), [key]: Date.now() } };
        keep(after);
        return after;
      });
    };
    record();
    document.addEventListener('visibilitychange', record);
    return () => {
      document.removeEventListener('visibilitychange', record);
      // The row was in view until now.
      record();
    };
  }, [key]);
  return useCallback((row: Row) => row.key !== key && isNews(row, lastSeen), [key, lastSeen]);
}

function read(): LastSeen {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    if (isLastSeen(stored)) return stored;
  } catch {
    // Storage may be forbidden, or contain foreign data: the record starts now.
  }
  const first = { begun: Date.now(), at: {} };
  keep(first);
  return first;
}

function isLastSeen(stored: unknown): stored is LastSeen {
  if (typeof stored !== 'object' || stored === null || !('begun' in stored) || !('at' in stored)) return false;
  const { begun, at } = stored;
  return (
    typeof begun === 'number' &&
    typeof at === 'object' &&
    at !== null &&
    Object.values(at).every((time) => typeof time === 'number')
  );
}

function keep(lastSeen: LastSeen): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(lastSeen));
  } catch {
    // Storage may be forbidden: the record lasts as long as the page.
  }
}
