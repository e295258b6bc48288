// Limits on the work that one session may cause in a page: xterm repeats a sequence up to 2,147,483,647 times in one
// task, and makes a screen of any size. Knows no session.

import { defined } from '@binnacle/protocol';
import type { IDisposable, Terminal } from '@xterm/xterm';
import { boundTurns, DrawingTurns } from './drawing-time.ts';

/** More than the widest wall of screens shows; the page holds all cells in memory. */
const MAX_COLS = 1000;
const MAX_ROWS = 400;

/** Insert and delete lines, scroll up and down: beyond a screen of it there is no difference. */
const BY_ROWS = ['L', 'M', 'S', 'T'];
/** Tabs forth and back: beyond a line of it there is no difference. */
const BY_COLS = ['I', 'Z'];
/** Lines that "repeat the last character" may fill. Programs use it within one. */
const REPEATED_LINES = 4;

/**
 * Applies all limits and repairs of this file to a terminal that draws the output of untrusted programs. Returns an
 * object that removes them.
 */
export function guard(terminal: Terminal): IDisposable {
  const turns = new DrawingTurns();
  const undo = [
    boundTurns(terminal, turns),
    boundCounts(terminal, turns),
    boundColours(terminal),
    boundMarks(terminal),
    mendErasing(terminal),
    mendNarrowing(terminal),
    // The clipboard is the reader's: OSC 52 neither writes nor reads it.
    terminal.parser.registerOscHandler(52, () => true),
  ];
  return {
    dispose: () => {
      for (const each of undo) each.dispose();
    },
  };
}

/** Limits a size to 1000 columns and 400 rows. */
export const boundSize = ({ cols, rows }: { readonly cols: number; readonly rows: number }) => ({
  cols: Math.min(cols, MAX_COLS),
  rows: Math.min(rows, MAX_ROWS),
});

/** Makes huge counts small before xterm follows them, and lets the page have its turns among many that are not. */
export function boundCounts(terminal: Terminal, turns = new DrawingTurns()): IDisposable {
  const bound = (final: string, most: () => number): IDisposable =>
    terminal.parser.registerCsiHandler({ final }, ([requested]) => {
      const limit = most();
      const count = typeof requested === 'number' ? requested : 1;
      if (count > limit) {
        const counts = countsOf(terminal);
        // Better a screen that is wrong in one place than a page that hangs.
        if (counts === undefined) return true;
        counts[0] = limit;
      }
      return turns.pass();
    });
  const undo = [
    ...BY_ROWS.map((final) => bound(final, () => terminal.rows)),
    ...BY_COLS.map((final) => bound(final, () => terminal.cols)),
    bound('b', () => Math.max(1, Math.floor((REPEATED_LINES * terminal.cols) / lastLength(terminal)))),
  ];
  return {
    dispose: () => {
      for (const each of undo) each.dispose();
    },
  };
}

/**
 * Erasing up to the cursor (`CSI 1 J`) in the last cell of a screen with nothing above it throws in xterm 6, and what was
 * written behind it is lost. Here it erases.
 */
export function mendErasing(terminal: Terminal): IDisposable {
  const undo = [undefined, '?'].map((prefix) =>
    terminal.parser.registerCsiHandler({ ...defined({ prefix }), final: 'J' }, ([what]) => {
      const { active } = terminal.buffer;
      // Its own handler looks for the row below in the whole buffer, and takes it to be there.
      const isSafe = what !== 1 || active.cursorX + 1 < terminal.cols || active.cursorY + 1 < active.length;
      if (isSafe) return false;
      const does = (terminal as unknown as { _core?: { _inputHandler?: Erasing } })._core?._inputHandler;
      does?._eraseInBufferLine(active.cursorY, 0, terminal.cols, true, prefix !== undefined);
      for (let row = active.cursorY - 1; row >= 0; row -= 1) does?._resetBufferLine(row, prefix !== undefined);
      terminal.refresh(0, terminal.rows - 1);
      return true;
    }),
  );
  return {
    dispose: () => {
      for (const each of undo) each.dispose();
    },
  };
}

/**
 * The screen that a program has for itself keeps what is cut off when it becomes narrower, and xterm shows it again when
 * it is wide: old text, until the program has drawn anew. Here it is gone, as in other terminals, and as on the screens
 * that the gateway keeps.
 */
export function mendNarrowing(terminal: Terminal): IDisposable {
  return terminal.onResize(({ cols }) => {
    const lines = (terminal as unknown as { _core?: { buffers?: { alt?: { lines?: Lines } } } })._core?.buffers?.alt
      ?.lines;
    const fill = terminal.buffer.active.getNullCell();
    for (let y = 0; y < (lines?.length ?? 0); y += 1) {
      const line = lines?.get(y);
      if (line === undefined || line.length <= cols) continue;
      line.resize(cols, fill);
      // Half of a wide character.
      const last = cols - 1;
      if (line.getWidth(last) === 2) line.setCellFromCodepoint(last, 0, 1, line.loadCell(last, fill));
    }
  });
}

interface Lines {
  readonly length: number;
  get(at: number): Line | undefined;
}
interface Line {
  readonly length: number;
  getWidth(at: number): number;
  loadCell(at: number, cell: object): object;
  resize(cols: number, fill: object): void;
  setCellFromCodepoint(at: number, code: number, width: number, attributes: object): void;
}

interface Erasing {
  _eraseInBufferLine(row: number, from: number, to: number, clearsWrap: boolean, respectsProtection: boolean): void;
  _resetBufferLine(row: number, respectsProtection: boolean): void;
}

/**
 * Returns the parameters that xterm's own handlers read. They are not public, and there is no public way to do less than
 * a sequence says: `write` in a handler comes behind everything that waits.
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
  const cell = last?.getWidth() === 0 ? line?.getCell(active.cursorX - 2) : last;
  return Math.max(1, cell?.getChars().length ?? 1);
}

/** Scripts and emoji that people write need fewer than ten. */
const MAX_MARKS = 32;
/** The first character that may take no cell. */
const FIRST_MARK = 0x300;

interface Printing {
  print(codes: Uint32Array, start: number, end: number): void;
  readonly _unicodeService: { wcwidth(code: number): number };
}

/** Beyond 32 in one cell they are not drawn; the log has them. Does nothing where xterm is built otherwise. */
export function boundMarks(terminal: Terminal): IDisposable {
  const { _core } = terminal as unknown as { _core?: { _inputHandler?: Partial<Printing> } };
  const handler = _core?._inputHandler;
  if (handler?.print === undefined || handler._unicodeService === undefined) return { dispose: () => {} };
  const { _unicodeService: unicode } = handler;
  const print = handler.print.bind(handler) as Printing['print'];
  // Marks in the cell before the cursor; the count continues from call to call.
  let marks = 0;
  handler.print = (codes, start, end) => {
    let from = start;
    for (let at = start; at < end; at += 1) {
      const code = codes[at] ?? 0;
      marks = code >= FIRST_MARK && unicode.wcwidth(code) === 0 ? marks + 1 : 0;
      if (marks <= MAX_MARKS) continue;
      if (at > from) print(codes, from, at);
      from = at + 1;
    }
    if (end > from) print(codes, from, end);
  };
  return {
    dispose: () => {
      // Its own is on the prototype.
      delete handler.print;
    },
  };
}

/** From one change that is drawn to the next. The last one is always drawn. */
const CHANGE_MS = 100;
/** Sequences that set colours, or set them back. */
const COMMANDS = [4, 10, 11, 12, 104, 110, 111, 112];

interface Emitter {
  fire(colours: unknown): void;
}

/** Ten changes a second at most are drawn. What the colours are is known at once. Does nothing where xterm is built otherwise. */
export function boundColours(terminal: Terminal): IDisposable {
  let bound: Emitter | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const bind = (): void => {
    // There is none before the terminal is in a page.
    const { _core } = terminal as unknown as { _core?: { _themeService?: { _onChangeColors?: Emitter } } };
    const emitter = _core?._themeService?._onChangeColors;
    if (emitter?.fire === undefined || emitter === bound) return;
    bound = emitter;
    const fire = emitter.fire.bind(emitter);
    let last = Number.NEGATIVE_INFINITY;
    const draw = (colours: unknown): void => {
      timer = undefined;
      last = performance.now();
      fire(colours);
    };
    // The palette is one object and always holds the newest colours.
    emitter.fire = (colours) => {
      if (timer !== undefined) return;
      const restMs = last + CHANGE_MS - performance.now();
      if (restMs <= 0) draw(colours);
      else timer = setTimeout(() => draw(colours), restMs);
    };
  };
  const undo = COMMANDS.map((command) =>
    terminal.parser.registerOscHandler(command, () => {
      bind();
      return false;
    }),
  );
  return {
    dispose: () => {
      clearTimeout(timer);
      for (const each of undo) each.dispose();
      // Its own is on the prototype.
      if (bound !== undefined) Reflect.deleteProperty(bound, 'fire');
    },
  };
}
