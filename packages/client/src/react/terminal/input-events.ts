// What comes out of an emulator in a page, told apart: what a person types, where they point, what it answers by itself.
// Knows no session; xterm.js is handed in.

import type { IDisposable, Terminal } from '@xterm/xterm';
import { Gestures } from './input-kind.ts';

export interface HandEvents {
  /** A key, a paste, composed text. */
  readonly typed: (text: string) => void;
  /** A mouse or wheel report: text, or bytes one a character in the oldest encoding. */
  readonly pointed: (report: string | Uint8Array) => void;
  /** The emulator answered the program by itself. Never while history is drawn. */
  readonly replied: (text: string) => void;
}

/** `isAnswering`: history was answered when it happened. */
export function listenToHand(
  terminal: Terminal,
  host: HTMLElement,
  events: HandEvents,
  isAnswering: () => boolean,
): { readonly gestures: Gestures } & IDisposable {
  const gestures = new Gestures();
  const aborter = new AbortController();
  const how = { capture: true, passive: true, signal: aborter.signal };
  for (const type of ['paste', 'beforeinput', 'compositionend'] as const) {
    host.addEventListener(type, () => gestures.typed(performance.now()), how);
  }
  for (const type of ['wheel', 'mousedown'] as const) {
    host.addEventListener(type, () => gestures.pointed(performance.now()), how);
  }
  const undo = [
    terminal.onKey(({ key }) => gestures.pressed(performance.now(), key)),
    terminal.onData((data) => {
      const kind = gestures.sort(data);
      if (kind === 'text') events.typed(data);
      else if (!isAnswering()) return;
      else if (kind === 'pointer') events.pointed(data);
      else events.replied(data);
    }),
    // The oldest mouse encoding puts coordinates into single bytes, so it cannot be text.
    terminal.onBinary((data) => {
      if (isAnswering()) events.pointed(Uint8Array.from(data, (char) => char.charCodeAt(0) & 0xff));
    }),
  ];
  return {
    gestures,
    dispose: () => {
      aborter.abort();
      for (const each of undo) each.dispose();
    },
  };
}
