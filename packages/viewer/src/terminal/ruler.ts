// The marks beside a terminal's scrollbar. Knows not what is marked.

import type { Terminal } from '@xterm/xterm';

/** As wide as the scrollbar is without it: nothing moves when it comes. */
const WIDTH = 14;

/**
 * Call it before something is marked there. A terminal without marks has none: it asks for one more frame behind each
 * frame, and while one is asked for, Chromium keeps what comes from the network.
 */
export function showRuler(terminal: Terminal): void {
  if (terminal.options.overviewRuler?.width !== WIDTH) terminal.options.overviewRuler = { width: WIDTH };
}
