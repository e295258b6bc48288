// Lets the cursor of a terminal blink with two frames a second. xterm's own blinking, where it draws with text, is a CSS
// animation, which asks for all the frames that the display has; and while a frame is asked for, Chromium keeps what comes
// from the network until it is drawn: each key was seen a frame late. Its look is in cursor-blink.css.

import type { IDisposable, Terminal } from '@xterm/xterm';
import './cursor-blink.css';

const EVERY_MS = 500;
const DARK = 'cursor-dark';
/** Nothing where the terminal is drawn by the graphics card, which blinks by itself, or has not the focus. */
const BLINKING = '.xterm-rows.xterm-focus .xterm-cursor-blink';

/** Call it when the terminal is in the page. It is not dark while something is drawn. */
export function blinkCursor(terminal: Terminal): IDisposable {
  const { element } = terminal;
  if (element === undefined) return { dispose: () => undefined };
  let wasDrawn = false;
  const drawn = terminal.onRender(() => {
    wasDrawn = true;
    element.classList.remove(DARK);
  });
  const timer = setInterval(() => {
    if (!wasDrawn) {
      const isDark = !element.classList.contains(DARK) && element.querySelector(BLINKING) !== null;
      element.classList.toggle(DARK, isDark);
    }
    wasDrawn = false;
  }, EVERY_MS);
  return {
    dispose: () => {
      clearInterval(timer);
      drawn.dispose();
    },
  };
}
