// Keeps the order of the list while the user is about to choose a row: nothing moves below a pointer or a focus.

import { type PointerEvent as ReactPointerEvent, useEffect, useRef, useState } from 'react';
import { held, type Section } from './rows.ts';

interface Held {
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
export function useHeld(now: readonly Section[], list: unknown): Held {
  const [isHeld, setHeld] = useState(false);
  const shown = useRef({ now, list, sections: now });
  const before = shown.current;
  if (before.now !== now || before.list !== list || !isHeld) {
    const sections = isHeld && before.list === list ? held(before.sections, now) : now;
    shown.current = { now, list, sections };
  }
  useEffect(() => {
    if (!isHeld) return;
    // A key typed elsewhere means that the user has left the list, wherever the pointer lies.
    const pressed = (event: KeyboardEvent): void => {
      if (!(event.target instanceof Element) || event.target.closest('.side-lists') === null) setHeld(false);
    };
    window.addEventListener('keydown', pressed, { capture: true });
    return () => window.removeEventListener('keydown', pressed, { capture: true });
  }, [isHeld]);
  return {
    sections: shown.current.sections,
    holder: {
      onPointerMove: ({ pointerType }) => {
        // A finger is only there while it chooses.
        if (pointerType !== 'touch') setHeld(true);
      },
      onPointerLeave: () => setHeld(false),
      onFocus: () => setHeld(true),
      onBlur: () => setHeld(false),
    },
  };
}
