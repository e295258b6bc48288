// Highlights one line of a terminal, and scrolls to it. The style is in highlight-line.css.

import type { IMarker, Terminal } from '@xterm/xterm';
import './highlight-line.css';

// Lines shown above the highlighted one, for context.
const LINES_ABOVE = 4;
// Maximum wrapped rows of a highlighted line: a longer line is not for reading.
const MOST_WRAPPED = 20;

export function decorate(terminal: Terminal, marker: IMarker): void {
  if (marker.isDisposed) return; // later output pushed the line out of the scrollback
  const decoration = terminal.registerDecoration({
    marker,
    width: terminal.cols,
    height: heightOf(terminal, marker.line),
    layer: 'top',
  });
  decoration?.onRender((element) => {
    element.classList.add('place');
    element.dataset.testid = 'place';
  });
  terminal.scrollToLine(Math.max(0, marker.line - LINES_ABOVE));
}

function heightOf(terminal: Terminal, line: number): number {
  const { active } = terminal.buffer;
  let height = 1;
  while (height < MOST_WRAPPED && active.getLine(line + height)?.isWrapped === true) height += 1;
  return height;
}
