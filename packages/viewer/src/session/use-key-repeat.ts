// Repeats a key that is held down.

import { type PointerEvent, useCallback, useEffect, useRef } from 'react';

// Delays of a common keyboard.
const FIRST_MS = 400;
const NEXT_MS = 60;

/** Returns handlers for one button: one press per click, and repeated presses while a finger stays on the button. */
export function useHold(press: () => void) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const hasRepeated = useRef(false);
  const latest = useRef(press);
  latest.current = press;
  const end = useCallback(() => clearTimeout(timer.current), []);
  useEffect(() => end, [end]);
  const repeat = useCallback(() => {
    hasRepeated.current = true;
    latest.current();
    timer.current = setTimeout(repeat, NEXT_MS);
  }, []);
  return {
    onPointerDown: (event: PointerEvent) => {
      // The focus stays in the terminal: the phone's keyboard would fold away.
      event.preventDefault();
      hasRepeated.current = false;
      end();
      timer.current = setTimeout(repeat, FIRST_MS);
    },
    onPointerUp: end,
    onPointerCancel: end,
    onPointerLeave: end,
    onClick: () => {
      end();
      if (!hasRepeated.current) latest.current();
      hasRepeated.current = false;
    },
  };
}
