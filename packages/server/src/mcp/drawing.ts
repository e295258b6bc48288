// A terminal that nobody sees draws what a program wrote. Runs in a thread of its own: a few bytes can keep an
// emulator busy for ever, and nothing but the end of the thread stops it. Knows no sessions.

// CommonJS, of which Node finds no names.
import headless from '@xterm/headless';
import { limitCounts } from '../screen/counts.ts';
import { MAX_COLS, MAX_ROWS } from '../screen/screen-size.ts';

const { Terminal } = headless;

const MAX_TITLE = 1000;
/** The emulator takes bytes as a whole before it lets go of them. */
const SLICE = 32 * 1024;

export interface Drawing {
  readonly bytes: Uint8Array;
  /** The first is the one that it begins with. Ordered by `at`: so many of the bytes were drawn before. */
  readonly sizes: readonly { readonly at: number; readonly cols: number; readonly rows: number }[];
}

export interface Drawn {
  readonly cols: number;
  readonly rows: number;
  /** From the top, without the blanks at their ends. */
  readonly lines: readonly string[];
  /** Both from 0. */
  readonly cursor: { readonly row: number; readonly col: number };
  readonly title: string;
  /** The screen of a full-screen program, which has no history. */
  readonly isAlternate: boolean;
  /** Arrow keys are sent as the program asked for them. */
  readonly hasApplicationKeys: boolean;
}

export async function draw({ bytes, sizes }: Drawing): Promise<Drawn> {
  const [first, ...others] = sizes;
  const terminal = new Terminal({ ...drawable(first), scrollback: 0, allowProposedApi: true });
  limitCounts(terminal);
  let title = '';
  terminal.onTitleChange((now) => {
    title = now.slice(0, MAX_TITLE);
  });
  let done = 0;
  const drawTo = async (end: number): Promise<void> => {
    while (done < end) {
      const slice = bytes.subarray(done, Math.min(end, done + SLICE));
      await new Promise<void>((resolve) => terminal.write(slice, resolve));
      done += slice.length;
    }
  };
  for (const size of others) {
    await drawTo(size.at);
    const { cols, rows } = drawable(size);
    terminal.resize(cols, rows);
  }
  await drawTo(bytes.length);
  const { active } = terminal.buffer;
  return {
    cols: terminal.cols,
    rows: terminal.rows,
    lines: Array.from(
      { length: terminal.rows },
      (_, row) => active.getLine(active.viewportY + row)?.translateToString(true) ?? '',
    ),
    cursor: { row: active.cursorY, col: active.cursorX },
    title,
    isAlternate: active.type === 'alternate',
    hasApplicationKeys: terminal.modes.applicationCursorKeysMode,
  };
}

const drawable = (size: { readonly cols: number; readonly rows: number } = { cols: 80, rows: 24 }) => ({
  cols: Math.min(size.cols, MAX_COLS),
  rows: Math.min(size.rows, MAX_ROWS),
});
