// The page's address as React state.

import { useCallback, useEffect, useState } from 'react';
import { addressOf, type Choice, choiceIn, isSameChoice, strayIn } from '../model/route.ts';

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
