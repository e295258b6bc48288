// The plugins and their logs as React state: polled while the page is visible, and refreshed at once after an action.

import type { Binnacle } from '@binnacle/client';
import type { BinnacleError, PluginInfo, PluginLogLine } from '@binnacle/protocol';
import { useCallback, useEffect, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';

export interface PluginList {
  /** Undefined until the first answer. */
  readonly plugins: readonly PluginInfo[] | undefined;
  readonly error: BinnacleError | undefined;
  readonly again: () => void;
  /** Runs an action and refreshes the list. Throws the gateway's error. */
  readonly act: (work: () => Promise<unknown>) => Promise<void>;
}

// Polling interval, short enough to show that a plugin dies and restarts.
const EVERY_MS = 2000;

export function usePlugins(client: Binnacle): PluginList {
  const [plugins, setPlugins] = useState<readonly PluginInfo[]>();
  const [error, setError] = useState<BinnacleError>();
  const reload = useRef<() => Promise<void>>(async () => undefined);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let round = 0;
    const again = async (): Promise<void> => {
      clearTimeout(timer);
      round += 1;
      const mine = round;
      try {
        // No request while the page is hidden: becoming visible polls at once. Without a connection, the notice about
        // it says why nothing changes.
        if (!document.hidden && (mine === 1 || client.state.kind === 'open')) {
          const found = await client.plugins.list();
          if (isOver || mine !== round) return;
          setPlugins(found);
          setError(undefined);
        }
      } catch (cause) {
        if (isOver || mine !== round) return;
        const failure = asFailure(cause);
        setError(failure);
        // A retry would be refused again.
        if (!failure.retryable) return;
      }
      if (mine === round && !isOver) timer = setTimeout(() => void again(), EVERY_MS);
    };
    reload.current = again;
    void again();
    const seen = (): void => void again();
    document.addEventListener('visibilitychange', seen);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [client]);
  const act = useCallback(async (work: () => Promise<unknown>) => {
    try {
      await work();
    } finally {
      await reload.current();
    }
  }, []);
  return { plugins, error, again: () => void reload.current(), act };
}

const MAX_LINES = 500;
const WAIT_MS = 20_000;
const RETRY_MS = 2000;

export interface PluginLogState {
  readonly lines: readonly PluginLogLine[];
  readonly error: BinnacleError | undefined;
  readonly loading: boolean;
}

/** Returns the last lines of a plugin's log, and each new line. */
export function usePluginLog(client: Binnacle, id: string): PluginLogState {
  const [lines, setLines] = useState<readonly PluginLogLine[]>();
  const [error, setError] = useState<BinnacleError>();
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let after: number | undefined;
    const read = async (): Promise<void> => {
      const query = after === undefined ? {} : { after, waitMs: WAIT_MS };
      const page = await client.plugins.logs(id, { ...query, signal: abort.signal });
      if (abort.signal.aborted) return;
      after = page.next;
      setError(undefined);
      setLines((known = []) => [...known, ...page.lines].slice(-MAX_LINES));
    };
    const follow = (): void => {
      if (abort.signal.aborted) return;
      read().then(follow, (cause: unknown) => {
        if (abort.signal.aborted) return;
        const failure = asFailure(cause);
        setError(failure);
        if (failure.retryable) timer = setTimeout(follow, RETRY_MS);
      });
    };
    setLines(undefined);
    follow();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [client, id]);
  return { lines: lines ?? [], error, loading: lines === undefined && error === undefined };
}
