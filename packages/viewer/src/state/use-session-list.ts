// The list of sessions, and one session that the list has not reached yet, as React state.

import type { Binnacle } from '@binnacle/client';
import { type SessionsSnapshot, useSessions } from '@binnacle/client/react';
import type { SessionInfo } from '@binnacle/protocol';
import { useEffect, useMemo, useState } from 'react';

export interface SessionList extends SessionsSnapshot {
  /** True until the first part of the list arrives. */
  readonly loading: boolean;
}

const ALL = {};

/** Returns the list of sessions. `shared`: only the sessions that a share link shows, for a guest. */
export function useSessionList(shared = false): SessionList {
  const list = useSessions(ALL, { shared });
  return useMemo(() => ({ ...list, loading: list.state === 'connecting' && list.sessions.length === 0 }), [list]);
}

/** A session that was requested before the page was there. */
export interface RequestedSession {
  readonly id: string;
  readonly info: Promise<SessionInfo>;
}

/**
 * Returns the session that the address names if the list has not reached it yet. The session is requested separately,
 * because the list may be long and the connection slow. `requested`: the request, if it is made already. Undefined if the
 * list has the session.
 */
export function useSessionById(
  client: Binnacle,
  sessionList: SessionList,
  id: string | undefined,
  requested: RequestedSession | undefined,
): SessionInfo | undefined {
  const [found, setFound] = useState<SessionInfo>();
  const isMissing = id !== undefined && !sessionList.isWhole && !sessionList.sessions.some((info) => info.id === id);
  useEffect(() => {
    if (!isMissing) return;
    let isOver = false;
    const request = (): Promise<SessionInfo> => client.session(id).info();
    const info = requested?.id === id ? requested.info.catch(request) : request();
    info.then(
      (session) => {
        if (!isOver) setFound(session);
      },
      () => undefined, // the error is shown once the list is complete
    );
    return () => {
      isOver = true;
    };
  }, [client, id, isMissing, requested]);
  return isMissing && found?.id === id ? found : undefined;
}
