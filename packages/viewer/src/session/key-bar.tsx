// The keys that a phone's keyboard lacks.

import type { Arrow } from '../terminal/keys.ts';
import './key-bar.css';
import { type PointerEvent, useCallback, useEffect, useRef } from 'react';

interface KeyBarProps {
  /** True if Ctrl applies to the next key. */
  readonly ctrl: boolean;
  readonly onCtrl: () => void;
  readonly onText: (text: string) => void;
  /** Sends an arrow. Its bytes depend on the terminal's cursor key mode. */
  readonly onArrow: (arrow: Arrow) => void;
  /** Switches the program to the size of this screen, and back. Undefined if the size is not to be chosen. */
  readonly fit: { readonly isFit: boolean; readonly onFit: (on: boolean) => void } | undefined;
}

const ARROWS: readonly (readonly [Arrow, string, string])[] = [
  ['D', '←', 'Left'],
  ['B', '↓', 'Down'],
  ['A', '↑', 'Up'],
  ['C', '→', 'Right'],
];

export function KeyBar({ ctrl, onCtrl, onText, onArrow, fit }: KeyBarProps) {
  return (
    <div className="keys" role="toolbar" aria-label="Extra keys" data-testid="key-bar">
      <Key label="Esc" name="Esc" onPress={() => onText('\x1b')} />
      <Key label="Tab" name="Tab" onPress={() => onText('\t')} />
      <Key label="⇧Tab" name="Shift Tab" onPress={() => onText('\x1b[Z')} />
      <Key label="Ctrl" name="Ctrl" onPress={onCtrl} isPressed={ctrl} />
      <Key label="^C" name="Ctrl C" onPress={() => onText('\x03')} />
      {ARROWS.map(([arrow, label, name]) => (
        <RepeatingKey key={name} label={label} name={name} onPress={() => onArrow(arrow)} />
      ))}
      {fit !== undefined && (
        <Key label="Fit" name="Fit to this screen" onPress={() => fit.onFit(!fit.isFit)} isPressed={fit.isFit} />
      )}
    </div>
  );
}

interface KeyProps {
  readonly label: string;
  readonly name: string;
  readonly onPress: () => void;
  readonly isPressed?: boolean;
}

function Key({ label, name, onPress, isPressed }: KeyProps) {
  // The default action is prevented: a press must not take the focus from the terminal, or the phone's keyboard would
  // fold away.
  return (
    <button
      type="button"
      className="key"
      aria-label={name}
      aria-pressed={isPressed}
      title={name}
      onPointerDown={(event) => event.preventDefault()}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onPress}
    >
      {label}
    </button>
  );
}

function RepeatingKey({ label, name, onPress }: KeyProps) {
  const hold = useHold(onPress);
  return (
    <button
      type="button"
      className="key"
      aria-label={name}
      onMouseDown={(event) => event.preventDefault()}
      // A long touch would open the browser's text menu for the label of the button.
      onContextMenu={(event) => event.preventDefault()}
      {...hold}
    >
      {label}
    </button>
  );
}

// Delays of a common keyboard.
const FIRST_MS = 400;
const NEXT_MS = 60;

/** Returns handlers for one button: one press per click, and repeated presses while a finger stays on the button. */
function useHold(press: () => void) {
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
