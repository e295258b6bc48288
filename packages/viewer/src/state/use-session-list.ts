// The list of sessions, and one session that the list has not reached yet, as React state.

import { type Binnacle, KnownSessions } from '@binnacle/client';
import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import { useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';

export interface SessionList {
  /** Newest first; the sessions received so far, while the list is incomplete. */
  readonly sessions: readonly SessionInfo[];
  /** True until the first part of the list arrives. */
  readonly loading: boolean;
  /** True after a complete list, which may date from before a connection loss. */
  readonly isWhole: boolean;
  readonly error: BinnacleError | undefined;
}

const NO_SESSIONS: readonly SessionInfo[] = [];

const EMPTY_LIST: SessionList = { sessions: NO_SESSIONS, loading: true, isWhole: false, error: undefined };

/** Returns the list of sessions. `shared`: only the sessions that a share link shows, for a guest. */
export function useSessionList(client: Binnacle, shared = false): SessionList {
  const [sessionList, setSessionList] = useState(EMPTY_LIST);
  useEffect(() => {
    const watch = shared ? client.watchShared() : client.watch();
    const known = new KnownSessions();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Debounced: many changes that arrive together cause one update.
    const show = (): void => {
      timer = undefined;
      const { sessions, isWhole } = known;
      setSessionList({ sessions, loading: false, isWhole, error: undefined });
    };
    const run = async (): Promise<void> => {
      for await (const event of watch) {
        known.apply(event);
        timer ??= setTimeout(show, 0);
      }
    };
    run().catch((cause: unknown) =>
      setSessionList((before) => ({ ...before, loading: false, error: asFailure(cause) })),
    );
    return () => {
      clearTimeout(timer);
      watch.stop();
    };
  }, [client, shared]);
  return sessionList;
}

/**
 * Returns the session that the address names if the list has not reached it yet. The session is requested separately,
 * because the list may be long and the connection slow. Undefined if the list has the session.
 */
export function useSessionById(
  client: Binnacle,
  sessionList: SessionList,
  id: string | undefined,
): SessionInfo | undefined {
  const [found, setFound] = useState<SessionInfo>();
  const isMissing =
    id !== undefined &&
    !sessionList.loading &&
    !sessionList.isWhole &&
    !sessionList.sessions.some((info) => info.id === id);
  useEffect(() => {
    if (!isMissing) return;
    let isOver = false;
    client
      .session(id)
      .info()
      .then(
        (info) => {
          if (!isOver) setFound(info);
        },
        () => undefined, // the error is shown once the list is complete
      );
    return () => {
      isOver = true;
    };
  }, [client, id, isMissing]);
  return isMissing && found?.id === id ? found : undefined;
}
