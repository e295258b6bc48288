// The page's address as React state.

import { useCallback, useEffect, useState } from 'react';
import { addressOf, isSameRoute, parseRoute, type Route, unknownKindOf } from '../model/route.ts';

export interface RouteState {
  readonly route: Route | undefined;
  /** The kind of an address that cannot name anything valid. */
  readonly unknownKind: 'session' | 'conversation' | undefined;
  /** Goes to a route. `isRefined`: a more exact address of the same subject, which replaces the history entry. */
  readonly choose: (next: Route | undefined, isRefined?: boolean) => void;
}

/** Returns the route of the address, so that reload, back and bookmarks work. */
export function useRoute(): RouteState {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  const [unknownKind, setUnknownKind] = useState(() => unknownKindOf(location.hash));
  useEffect(() => {
    const changed = (): void => {
      const now = parseRoute(location.hash);
      setRoute((before) => (isSameRoute(before, now) ? before : now));
      setUnknownKind(unknownKindOf(location.hash));
    };
    window.addEventListener('hashchange', changed);
    window.addEventListener('popstate', changed);
    return () => {
      window.removeEventListener('hashchange', changed);
      window.removeEventListener('popstate', changed);
    };
  }, []);
  const choose = useCallback((next: Route | undefined, isRefined = false) => {
    if (!isSameRoute(next, parseRoute(location.hash))) {
      const address = location.pathname + addressOf(next);
      if (isRefined) history.replaceState(null, '', address);
      else history.pushState(null, '', address);
    }
    setRoute((before) => (isSameRoute(before, next) ? before : next));
    setUnknownKind(undefined);
  }, []);
  return { route, unknownKind, choose };
}
