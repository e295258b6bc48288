// Cursor blinking with two frames a second. xterm's own blinking in its DOM renderer is a CSS animation, which requests
// every frame of the display; and while a frame is requested, Chromium delays network data until the frame is drawn:
// each key appeared a frame late. The style is in cursor-blink.css.

import type { IDisposable, Terminal } from '@xterm/xterm';
import './cursor-blink.css';

const EVERY_MS = 500;
const DARK = 'cursor-dark';
/**
 * Selector of a blinking cursor. Matches nothing if the graphics card draws the terminal (xterm blinks there by itself)
 * or without the focus.
 */
const BLINKING = '.xterm-rows.xterm-focus .xterm-cursor-blink';

/** Starts blinking. Call when the terminal is in the page. The cursor stays visible while output is drawn. */
export function blinkCursor(terminal: Terminal): IDisposable {
  const { element } = terminal;
  if (element === undefined) return { dispose: () => undefined };
  let hasRendered = false;
  const listener = terminal.onRender(() => {
    hasRendered = true;
    element.classList.remove(DARK);
  });
  const timer = setInterval(() => {
    if (!hasRendered) {
      const isDark = !element.classList.contains(DARK) && element.querySelector(BLINKING) !== null;
      element.classList.toggle(DARK, isDark);
    }
    hasRendered = false;
  }, EVERY_MS);
  return {
    dispose: () => {
      clearInterval(timer);
      listener.dispose();
    },
  };
}
