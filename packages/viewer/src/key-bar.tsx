// The keys that a phone's keyboard lacks. Knows what they send, not where to.

import type { PointerEvent } from 'react';

export type Arrow = 'A' | 'B' | 'C' | 'D';

interface KeyBarProps {
  /** Ctrl is held for the next key. */
  readonly ctrl: boolean;
  readonly onCtrl: () => void;
  readonly onText: (text: string) => void;
  /** Arrows depend on the terminal's cursor key mode. */
  readonly onArrow: (arrow: Arrow) => void;
}

const ARROWS: readonly (readonly [Arrow, string, string])[] = [
  ['D', '←', 'Left'],
  ['B', '↓', 'Down'],
  ['A', '↑', 'Up'],
  ['C', '→', 'Right'],
];

/** What Ctrl and a character send; undefined where there is nothing. */
export function withCtrl(text: string): string | undefined {
  if (text === ' ') return '\x00';
  if (text === '?') return '\x7f';
  const code = text.length === 1 ? text.toUpperCase().charCodeAt(0) : 0;
  return code >= 0x40 && code <= 0x5f ? String.fromCharCode(code - 0x40) : undefined;
}

export function KeyBar({ ctrl, onCtrl, onText, onArrow }: KeyBarProps) {
  // A press must not take the focus from the terminal: the phone's keyboard would fold away.
  const keep = (event: PointerEvent): void => event.preventDefault();
  const key = (label: string, name: string, press: () => void, pressed?: boolean) => (
    <button
      key={name}
      type="button"
      className="key"
      aria-label={name}
      aria-pressed={pressed}
      onPointerDown={keep}
      onMouseDown={(event) => event.preventDefault()}
      onClick={press}
    >
      {label}
    </button>
  );
  return (
    <div className="keys" role="toolbar" aria-label="Extra keys" data-testid="key-bar">
      {key('Esc', 'Escape', () => onText('\x1b'))}
      {key('Tab', 'Tab', () => onText('\t'))}
      {key('⇧Tab', 'Shift Tab', () => onText('\x1b[Z'))}
      {key('Ctrl', 'Ctrl', onCtrl, ctrl)}
      {key('^C', 'Ctrl C', () => onText('\x03'))}
      {ARROWS.map(([arrow, label, name]) => key(label, name, () => onArrow(arrow)))}
    </div>
  );
}
