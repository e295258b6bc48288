// The client's streams as React state: the connection, the list of sessions, and the address's choice.

import { type Binnacle, type ClientState, KnownSessions } from '@binnacle/client';
import type { BinnacleError, SessionInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useState } from 'react';
import { addressOf, type Choice, choiceIn, isSameChoice, strayIn } from '../model/route.ts';
import { asFailure } from '../ui/failure.tsx';

/**
 * The connection, with the moment (ms, `performance.now`) at which it is tried again, and why it was lost if we were told.
 * `isLost`: there was one, and there is none now; also while the next one is tried.
 */
export type Link = ClientState & {
  readonly isLost: boolean;
  readonly retryAt: number | undefined;
  readonly reason: string | undefined;
};

const withRetry = (state: ClientState, reason?: string, wasLost = false): Link => ({
  ...state,
  isLost: state.kind === 'waiting' || (state.kind === 'connecting' && wasLost),
  retryAt: state.kind === 'waiting' ? performance.now() + state.retryInMs : undefined,
  reason: state.kind === 'open' ? undefined : reason,
});

export function useLink(client: Binnacle): Link {
  const [link, setLink] = useState(() => withRetry(client.state));
  useEffect(() => {
    setLink(withRetry(client.state));
    let reason: string | undefined;
    const undo = [
      client.on('error', (error) => {
        reason = error.message;
      }),
      client.on('state', (state) => {
        if (state.kind === 'open') reason = undefined;
        // A measured latency repeats the state: the moment of the next try stays what it was.
        setLink((before) =>
          before.kind === 'waiting' && state.kind === 'waiting' && before.retryInMs === state.retryInMs
            ? { ...before, ...state }
            : withRetry(state, reason, before.isLost),
        );
      }),
    ];
    return () => {
      for (const end of undo) end();
    };
  }, [client]);
  return link;
}

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

export interface Address {
  readonly chosen: Choice | undefined;
  /** What the address means and cannot be the name of anything. */
  readonly stray: 'session' | 'conversation' | undefined;
  /** `isRefined`: the same more exactly, which is no step of its own to come back to. */
  readonly choose: (choice: Choice | undefined, isRefined?: boolean) => void;
}

/** What the address names, so that reload, back and bookmarks work. */
export function useAddress(): Address {
  const [chosen, setChosen] = useState(() => choiceIn(location.hash));
  const [stray, setStray] = useState(() => strayIn(location.hash));
  useEffect(() => {
    const changed = (): void => {
      const now = choiceIn(location.hash);
      setChosen((before) => (isSameChoice(before, now) ? before : now));
      setStray(strayIn(location.hash));
    };
    window.addEventListener('hashchange', changed);
    window.addEventListener('popstate', changed);
    return () => {
      window.removeEventListener('hashchange', changed);
      window.removeEventListener('popstate', changed);
    };
  }, []);
  const choose = useCallback((choice: Choice | undefined, isRefined = false) => {
    if (!isSameChoice(choice, choiceIn(location.hash))) {
      const address = location.pathname + addressOf(choice);
      if (isRefined) history.replaceState(null, '', address);
      else history.pushState(null, '', address);
    }
    setChosen((before) => (isSameChoice(before, choice) ? before : choice));
    setStray(undefined);
  }, []);
  return { chosen, stray, choose };
}

// Ages are in minutes after the first one: half a minute is exact enough.
const AGE_EVERY_MS = 30_000;

/** The time (ms since 1970), as exact as ages need it. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), AGE_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Whole seconds since a time of this machine's clock, drawn anew each second. */
export function useElapsed(since: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, Math.floor((now - since) / 1000));
}

/** Seconds until `at` (ms, `performance.now`), counted down. */
export function useCountdown(at: number | undefined): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    setNow(performance.now());
    if (at === undefined) return;
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, [at]);
  return at === undefined ? 0 : Math.max(0, Math.ceil((at - now) / 1000));
}
