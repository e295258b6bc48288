// How much work one session may give a page: xterm does what a sequence says up to 2,147,483,647 times in one turn,
// and makes a screen of any size. Knows no session.

import type { IDisposable, Terminal } from '@xterm/xterm';

/** More than the widest wall of screens shows; the page holds all cells in memory. */
const MAX_COLS = 1000;
const MAX_ROWS = 400;

/** Insert and delete lines, scroll up and down: beyond a screen of it there is no difference. */
const BY_ROWS = ['L', 'M', 'S', 'T'];
/** Tabs forth and back: beyond a line of it there is no difference. */
const BY_COLS = ['I', 'Z'];
/** Lines that "repeat the last character" may fill. Programs use it within one. */
const REPEATED_LINES = 4;
/** Made anew or moved in one turn of the page: some 10 to 50 ms. */
const LINES_IN_TURN = 2000;

export const boundSize = ({ cols, rows }: { readonly cols: number; readonly rows: number }) => ({
  cols: Math.min(cols, MAX_COLS),
  rows: Math.min(rows, MAX_ROWS),
});

/** Makes huge counts small before xterm follows them, and lets the page have its turns among many that are not. */
export function boundCounts(terminal: Terminal): IDisposable {
  let lines = 0;
  const bound = (final: string, most: () => number, linesOf: (count: number) => number): IDisposable =>
    terminal.parser.registerCsiHandler({ final }, ([asked]) => {
      const limit = most();
      const count = typeof asked === 'number' ? asked : 1;
      if (count > limit) {
        const counts = countsOf(terminal);
        // Better a screen that is wrong in one place than a page that hangs.
        if (counts === undefined) return true;
        counts[0] = limit;
      }
      lines += linesOf(Math.min(count, limit));
      if (lines < LINES_IN_TURN) return false;
      lines = 0;
      return new Promise((resolve) => setTimeout(() => resolve(false)));
    });
  const undo = [
    ...BY_ROWS.map((final) =>
      bound(
        final,
        () => terminal.rows,
        (count) => count,
      ),
    ),
    ...BY_COLS.map((final) =>
      bound(
        final,
        () => terminal.cols,
        () => 0,
      ),
    ),
    bound(
      'b',
      () => Math.max(1, Math.floor((REPEATED_LINES * terminal.cols) / lastLength(terminal))),
      (count) => count / terminal.cols,
    ),
  ];
  return {
    dispose: () => {
      for (const each of undo) each.dispose();
    },
  };
}

/**
 * What xterm's own handlers read. Not public, and there is no public way to do less than a sequence says: `write` in a
 * handler comes behind all that waits.
 */
function countsOf(terminal: Terminal): { [at: number]: number } | undefined {
  const { _core } = terminal as unknown as {
    _core?: { _inputHandler?: { _parser?: { _params?: { params?: unknown } } } };
  };
  const counts = _core?._inputHandler?._parser?._params?.params;
  return counts instanceof Int32Array ? counts : undefined;
}

/** Code units of what stands before the cursor: any number of accents may be in one cell. */
function lastLength(terminal: Terminal): number {
  const { active } = terminal.buffer;
  const line = active.getLine(active.baseY + active.cursorY);
  const last = line?.getCell(active.cursorX - 1);
  const drawn = last?.getWidth() === 0 ? line?.getCell(active.cursorX - 2) : last;
  return Math.max(1, drawn?.getChars().length ?? 1);
}
