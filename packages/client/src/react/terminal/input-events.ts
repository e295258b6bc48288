// Sorts the data that xterm.js emits: typed keys, mouse reports, and automatic replies of the emulator.

import type { IDisposable, Terminal } from '@xterm/xterm';
import { Gestures } from './input-kind.ts';

/** Callbacks for `listenToInput`. */
export interface TerminalInputEvents {
  /** A key, a paste or composed text. */
  readonly typed: (text: string) => void;
  /** A mouse or wheel report: text, or bytes in the oldest encoding. */
  readonly pointed: (report: string | Uint8Array) => void;
  /** An automatic answer of the emulator to the program. Never called while history is drawn. */
  readonly replied: (text: string) => void;
}

/**
 * Listens to a terminal and sorts what comes out of it. `isAnswering` returns false while history is drawn, because the
 * program got its answers when the history happened. Returns an object that ends the listening.
 *
 * @example
 * ```ts
 * import { listenToInput, type SteerOwner, TerminalSteer } from '@binnacle/client/terminal';
 * import { Terminal } from '@xterm/xterm';
 *
 * const host = document.createElement('div');
 * const terminal = new Terminal();
 * terminal.open(host);
 * const owner: SteerOwner = {
 *   session,
 *   hold: (action) => session.lease[action](),
 *   release: () => session.lease.release(),
 * };
 * const steer = new TerminalSteer(owner, (error) => console.error(error?.message));
 * const events = {
 *   typed: (text: string) => steer.typed(text),
 *   pointed: (report: string | Uint8Array) => steer.pointed(report),
 *   replied: (text: string) => steer.replied(text),
 * };
 * listenToInput(terminal, host, events, () => true);
 * ```
 */
export function listenToInput(
  terminal: Terminal,
  host: HTMLElement,
  events: TerminalInputEvents,
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
