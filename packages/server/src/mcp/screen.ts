// What a terminal shows now: a session's output, drawn by an emulator that nobody sees. Knows no protocol.

import { BinnacleError, isOutput } from '@binnacle/protocol';
// CommonJS, of which Node finds no names.
import headless from '@xterm/headless';
import { Cursor } from '../cursor/cursor.ts';
import { positionOf } from '../cursor/from.ts';
import type { Entry } from '../log/log.ts';
import type { Session } from '../session.ts';

const { Terminal } = headless;

/** Programs draw all of a screen again long before they have written this much; a shell's screen is its last lines. */
const MAX_BYTES = 1024 * 1024;
/** Drawn at once: some milliseconds. */
const SLICE = 32 * 1024;

export interface Screen {
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
  /** Output bytes that it shows. */
  readonly offset: number;
}

/** Draws the end of what it has written so far. Throws `not_a_tty`, and what reading throws. */
export async function drawScreen(session: Session, signal: AbortSignal): Promise<Screen> {
  const { spec } = session.record;
  if (spec.mode !== 'pty' && !session.isForeign) {
    throw new BinnacleError('not_a_tty', {
      message: 'The command runs on pipes and has no screen.',
      hint: 'Read it with bash_output, or start it with pty: true.',
    });
  }
  await session.refresh();
  const { log } = session;
  const { head } = log;
  // What is not read from its beginning has the size of now: sizes are told where they change, and that was before.
  const terminal = new Terminal({ cols: spec.cols, rows: spec.rows, scrollback: 0, allowProposedApi: true });
  let title = '';
  terminal.onTitleChange((now) => {
    title = now.slice(0, 1000);
  });
  const draw = async (entry: Entry): Promise<void> => {
    if (entry.kind === 'resize') {
      const { cols, rows } = JSON.parse(Buffer.from(entry.bytes).toString()) as { cols: number; rows: number };
      terminal.resize(cols, rows);
    } else if (isOutput(entry.kind)) {
      for (let from = 0; from < entry.bytes.length && !signal.aborted; from += SLICE) {
        const slice = entry.bytes.subarray(from, from + SLICE);
        await new Promise<void>((resolve) => terminal.write(slice, resolve));
      }
    }
  };
  try {
    const begin =
      head.offset <= MAX_BYTES ? ('start' as const) : { offset: Math.max(log.oldest.offset, head.offset - MAX_BYTES) };
    const cursor = new Cursor(log, await positionOf(log, begin));
    while (cursor.position.place < head.place && !signal.aborted) {
      const reading = await cursor.next();
      if (reading.kind === 'head') break;
      if (reading.kind === 'page') for (const entry of reading.page.entries) await draw(entry);
    }
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
      offset: cursor.position.offset,
    };
  } finally {
    terminal.dispose();
  }
}
