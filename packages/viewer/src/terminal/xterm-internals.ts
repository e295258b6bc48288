// What of xterm.js is not public and the page needs: the lines of a buffer as objects, and putting more of them above the
// first one. The version is pinned for that. Knows no session.

import type { IMarker, Terminal } from '@xterm/xterm';

export interface BufferLine {
  readonly isWrapped: boolean;
  readonly _extendedAttrs?: { readonly [column: number]: { urlId: number } | undefined };
}

interface Inside {
  readonly buffers: {
    readonly normal: {
      ybase: number;
      ydisp: number;
      readonly y: number;
      readonly lines: {
        readonly length: number;
        readonly maxLength: number;
        get(at: number): BufferLine | undefined;
        splice(at: number, removed: number, ...lines: BufferLine[]): void;
      };
      addMarker(line: number): IMarker;
    };
  };
  readonly _bufferService: { readonly _onScroll: { fire(top: number): void } };
}

export const inside = (terminal: Terminal): Inside => (terminal as unknown as { readonly _core: Inside })._core;

/** The line of the lines that scroll on which the cursor is. */
export const cursorLine = (terminal: Terminal): number => {
  const { ybase, y } = inside(terminal).buffers.normal;
  return ybase + y;
};

/**
 * Takes lines `from` up to `to` of a terminal of the same width and puts them above all that `terminal` has. What is
 * looked at, marked and selected stays where it is.
 */
export function putAbove(terminal: Terminal, older: Terminal, from: number, to: number): void {
  const { buffers, _bufferService } = inside(terminal);
  const { normal } = buffers;
  const taken: BufferLine[] = [];
  for (let at = from; at < to; at += 1) {
    const line = inside(older).buffers.normal.lines.get(at);
    if (line !== undefined) taken.push(withoutLinks(line));
  }
  const count = taken.length;
  if (count === 0) return;
  const needed = normal.lines.length + count - terminal.rows;
  if ((terminal.options.scrollback ?? 0) < needed) terminal.options.scrollback = needed;
  const selected = terminal.buffer.active.type === 'normal' ? terminal.getSelectionPosition() : undefined;
  normal.lines.splice(0, 0, ...taken);
  normal.ybase += count;
  normal.ydisp += count;
  if (terminal.buffer.active.type !== 'normal') return;
  if (selected !== undefined) {
    const { start, end } = selected;
    terminal.select(start.x, start.y + count, (end.y - start.y) * terminal.cols + end.x - start.x);
  }
  _bufferService._onScroll.fire(normal.ydisp);
  terminal.refresh(0, terminal.rows - 1);
}

/** Their numbers name links of the terminal that they come from. */
function withoutLinks(line: BufferLine): BufferLine {
  for (const attributes of Object.values(line._extendedAttrs ?? {})) {
    if (attributes !== undefined) attributes.urlId = 0;
  }
  return line;
}
