// The page's address as React state.

import { useCallback, useEffect, useState } from 'react';
import { addressOf, type Choice, choiceIn, isSameChoice, strayIn } from '../model/route.ts';

export interface Address {
  readonly chosen: Choice | undefined;
  /** The kind of an address that cannot name anything valid. */
  readonly stray: 'session' | 'conversation' | undefined;
  /** Goes to a route. `isRefined`: a more exact address of the same subject, which replaces the history entry. */
  readonly choose: (choice: Choice | undefined, isRefined?: boolean) => void;
}

/** Returns the route of the address, so that reload, back and bookmarks work. */
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
