// The marks beside a terminal's scrollbar.

import type { Terminal } from '@xterm/xterm';

/** Width of the ruler, equal to the scrollbar's: nothing moves when the ruler appears. */
const WIDTH = 14;

/**
 * Shows the ruler. Call before the first mark. A terminal without marks has no ruler: the ruler requests one more frame
 * after each frame, and while a frame is requested, Chromium delays network data.
 */
export function showRuler(terminal: Terminal): void {
  if (terminal.options.overviewRuler?.width !== WIDTH) terminal.options.overviewRuler = { width: WIDTH };
}
