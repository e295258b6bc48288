// Private parts of xterm.js that the page needs: buffer lines as objects, and insertion of lines above the first one.
// The version is pinned for that.

import type { IMarker, Terminal } from '@xterm/xterm';

export interface BufferLine {
  readonly isWrapped: boolean;
  readonly _extendedAttrs?: { readonly [column: number]: { urlId: number } | undefined };
}

interface XtermInternals {
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

export const internalsOf = (terminal: Terminal): XtermInternals =>
  (terminal as unknown as { readonly _core: XtermInternals })._core;

/** Returns the line of the cursor in the scrolling buffer. */
export const cursorLine = (terminal: Terminal): number => {
  const { ybase, y } = internalsOf(terminal).buffers.normal;
  return ybase + y;
};

/**
 * Moves lines `from` up to `to` of a terminal of the same width above all lines of `terminal`. View, markers and
 * selection stay in place.
 */
export function putAbove(terminal: Terminal, older: Terminal, from: number, to: number): void {
  const { buffers, _bufferService } = internalsOf(terminal);
  const { normal } = buffers;
  const taken: BufferLine[] = [];
  for (let at = from; at < to; at += 1) {
    const line = internalsOf(older).buffers.normal.lines.get(at);
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

/** Removes link numbers from a line: they refer to links of the terminal that the line comes from. */
function withoutLinks(line: BufferLine): BufferLine {
  for (const attributes of Object.values(line._extendedAttrs ?? {})) {
    if (attributes !== undefined) attributes.urlId = 0;
  }
  return line;
}
