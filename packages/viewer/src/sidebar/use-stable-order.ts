// Holds the order of the list while somebody is about to choose from it: nothing moves below a pointer or a focus.

import { type PointerEvent as ReactPointerEvent, useEffect, useRef, useState } from 'react';
import { held, type Section } from './rows.ts';

interface Held {
  readonly sections: readonly Section[];
  /** For the element that holds the rows. */
  readonly holder: {
    readonly onPointerMove: (event: ReactPointerEvent) => void;
    readonly onPointerLeave: () => void;
    readonly onFocus: () => void;
    readonly onBlur: () => void;
  };
}

/** `list`: with another one of these, nothing is held. */
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
    // Who types elsewhere has left the list, wherever the pointer lies.
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
        // A finger is there only while it chooses.
        if (pointerType !== 'touch') setHeld(true);
      },
      onPointerLeave: () => setHeld(false),
      onFocus: () => setHeld(true),
      onBlur: () => setHeld(false),
    },
  };
}
