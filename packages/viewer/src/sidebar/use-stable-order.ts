// Keeps the order of the list while the user is about to choose a row: nothing moves below a pointer or a focus.

import { type PointerEvent as ReactPointerEvent, useEffect, useRef, useState } from 'react';
import { type Section, stableOrder } from './rows.ts';

interface StableOrder {
  readonly sections: readonly Section[];
  /** Handlers for the element that contains the rows. */
  readonly holder: {
    readonly onPointerMove: (event: ReactPointerEvent) => void;
    readonly onPointerLeave: () => void;
    readonly onFocus: () => void;
    readonly onBlur: () => void;
  };
}

/** Returns the rows in a stable order. `list`: a change of this identity discards the earlier order. */
export function useStableOrder(now: readonly Section[], list: unknown): StableOrder {
  const [isFrozen, setFrozen] = useState(false);
  const shown = useRef({ now, list, sections: now });
  const before = shown.current;
  if (before.now !== now || before.list !== list || !isFrozen) {
    const sections = isFrozen && before.list === list ? stableOrder(before.sections, now) : now;
    shown.current = { now, list, sections };
  }
  useEffect(() => {
    if (!isFrozen) return;
    // A key typed elsewhere means that the user has left the list, wherever the pointer lies.
    const pressed = (event: KeyboardEvent): void => {
      if (!(event.target instanceof Element) || event.target.closest('.sidebar-lists') === null) setFrozen(false);
    };
    window.addEventListener('keydown', pressed, { capture: true });
    return () => window.removeEventListener('keydown', pressed, { capture: true });
  }, [isFrozen]);
  return {
    sections: shown.current.sections,
    holder: {
      onPointerMove: ({ pointerType }) => {
        // A finger is only there while it chooses.
        if (pointerType !== 'touch') setFrozen(true);
      },
      onPointerLeave: () => setFrozen(false),
      onFocus: () => setFrozen(true),
      onBlur: () => setFrozen(false),
    },
  };
}
