// Notices of plugins as React state: the latest, the unseen, and the toasts.

import { useNotices } from '@binnacle/client/react';
import type { PluginNotice } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';

export interface PluginNotices {
  /** Newest first. */
  readonly all: readonly PluginNotice[];
  readonly unseen: number;
  /** True once the earlier notices have arrived: later ones are new. */
  readonly isKnown: boolean;
  /** Oldest first. */
  readonly toasts: readonly PluginNotice[];
  readonly dismiss: (n: number) => void;
  /** Marks all notices as seen. */
  readonly see: () => void;
}

/** Maximum toasts: more would hide the content below; the list has all. */
const MAX_TOASTS = 3;
const SEEN = 'binnacle.notices-seen';

export function usePluginNotices(): PluginNotices {
  // An older gateway without notices has none to show.
  const { state, notices: all } = useNotices();
  const [toasts, setToasts] = useState<readonly PluginNotice[]>([]);
  const [seen, setSeen] = useState(readSeen);
  const [isKnown, setKnown] = useState(false);
  /** The last known notice; undefined before the first list, whose notices are not new. */
  const last = useRef<number>(undefined);
  useEffect(() => {
    if (state !== 'live') return;
    const since = last.current;
    last.current = all[0]?.n ?? since ?? 0;
    setKnown(true);
    const fresh = since === undefined ? [] : all.filter(({ n }) => n > since).reverse();
    if (fresh.length > 0) setToasts((known) => [...known, ...fresh].slice(-MAX_TOASTS));
  }, [state, all]);
  const newest = useRef(0);
  newest.current = all[0]?.n ?? 0;
  const see = useCallback(() => {
    setSeen(newest.current);
    writeSeen(newest.current);
    setToasts([]);
  }, []);
  const dismiss = useCallback((n: number) => setToasts((known) => known.filter((one) => one.n !== n)), []);
  return { all, unseen: all.filter(({ n }) => n > seen).length, isKnown, toasts, dismiss, see };
}

function readSeen(): number {
  try {
    return Number(localStorage.getItem(SEEN)) || 0;
  } catch {
    return 0;
  }
}

function writeSeen(n: number): void {
  try {
    localStorage.setItem(SEEN, String(n));
  } catch {
    // Storage may be forbidden: the mark lasts as long as the page.
  }
}
