// Makes one line of a terminal stand out, and scrolls to it. Its look is in highlight-line.css.

import type { IMarker, Terminal } from '@xterm/xterm';
import './highlight-line.css';

// What stands above the line: enough to see what it belongs to.
const LINES_ABOVE = 4;
// A line that wraps further than this is no line that anybody reads.
const MOST_WRAPPED = 20;

export function decorate(terminal: Terminal, marker: IMarker): void {
  if (marker.isDisposed) return; // so much came behind it that it is out of the scrollback
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
