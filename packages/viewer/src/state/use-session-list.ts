// The list of sessions, and one session that the list has not reached yet, as React state.

import { type Binnacle, KnownSessions } from '@binnacle/client';
import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import { useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';

export interface Fleet {
  /** Newest first; while it is not whole, as many as have come. */
  readonly sessions: readonly SessionInfo[];
  /** Nothing has come yet. */
  readonly loading: boolean;
  /** There was a whole list, which may be of before the connection was lost. */
  readonly isWhole: boolean;
  readonly error: BinnacleError | undefined;
}

const NO_SESSIONS: readonly SessionInfo[] = [];

const NO_FLEET: Fleet = { sessions: NO_SESSIONS, loading: true, isWhole: false, error: undefined };

/** `shared`: of what a share link shows, to who came by one. */
export function useFleet(client: Binnacle, shared = false): Fleet {
  const [fleet, setFleet] = useState(NO_FLEET);
  useEffect(() => {
    const watch = shared ? client.watchShared() : client.watch();
    const known = new KnownSessions();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Of many changes that come together one is drawn.
    const show = (): void => {
      timer = undefined;
      const { sessions, isWhole } = known;
      setFleet({ sessions, loading: false, isWhole, error: undefined });
    };
    const run = async (): Promise<void> => {
      for await (const event of watch) {
        known.apply(event);
        timer ??= setTimeout(show, 0);
      }
    };
    run().catch((thrown: unknown) => setFleet((before) => ({ ...before, loading: false, error: asFailure(thrown) })));
    return () => {
      clearTimeout(timer);
      watch.stop();
    };
  }, [client, shared]);
  return fleet;
}

/**
 * One that the address names and that stands further down in the list than has come: asked for by itself, because the list
 * may be long and the way slow. Undefined where the list is enough.
 */
export function useSought(client: Binnacle, fleet: Fleet, id: string | undefined): SessionInfo | undefined {
  const [found, setFound] = useState<SessionInfo>();
  const isSought =
    id !== undefined && !fleet.loading && !fleet.isWhole && !fleet.sessions.some((info) => info.id === id);
  useEffect(() => {
    if (!isSought) return;
    let isOver = false;
    client
      .session(id)
      .info()
      .then(
        (info) => {
          if (!isOver) setFound(info);
        },
        () => undefined, // what is wrong with it is told once the list is here
      );
    return () => {
      isOver = true;
    };
  }, [client, id, isSought]);
  return isSought && found?.id === id ? found : undefined;
}
