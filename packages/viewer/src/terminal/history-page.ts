// A piece of the past, drawn into a terminal that nobody sees, so that its lines can be taken. Knows no page.

import type { Session } from '@binnacle/client';
import { boundSize, guard } from '@binnacle/client/terminal';
import type { SessionInfo } from '@binnacle/protocol';
import { Terminal } from '@xterm/xterm';
import { Anchors } from './anchors.ts';
import { RunMarks } from './command-marks.ts';
import type { Screen } from './screen.ts';
import type { StreamRows } from './stderr-rows.ts';
import { cursorLine } from './xterm-internals.ts';

// CAN ends a sequence that the gap cut; the rest takes back colours.
const afterGap = (bytes: number): string =>
  `\x18\x1b[0m\r\n[${bytes.toLocaleString('en')} bytes of output are missing here]\r\n`;

export type Stream = 'stdout' | 'stderr';

export interface PastPage {
  readonly terminal: Terminal;
  readonly anchors: Anchors;
  readonly runs: RunMarks;
  /** The line of the cursor at its end. */
  readonly end: number;
  dispose(): void;
}

/** More lines than a page gives are not kept of it: those before its end are. */
const MOST_LINES = 20_000;
// Drawn in one go: the page has its turns between.
const PIECE_BYTES = 64 * 1024;
// A line that is cut ends within this, or it is no text anyway.
const RAGGED_BYTES = 4096;
const LINE_FEED = 0x0a;

/** What output `from` up to `to` gives, in the width of `screen`. */
export async function drawPage(
  session: Session,
  info: SessionInfo,
  screen: Screen,
  from: number,
  to: number,
  only: Stream | undefined,
  signal: AbortSignal,
): Promise<PastPage> {
  const { cols, rows } = screen.size;
  const terminal = new Terminal({
    cols,
    rows,
    scrollback: MOST_LINES,
    allowProposedApi: true,
    convertEol: screen.terminal.options.convertEol ?? false,
  });
  guard(terminal);
  const anchors = new Anchors(terminal);
  const runs = new RunMarks(terminal, () => undefined);
  if (info.runs !== null) runs.told();
  const streams: StreamRows = screen.streams.of(terminal);
  const resize = (size: { readonly cols: number; readonly rows: number }): void => {
    const drawable = boundSize(size);
    terminal.resize(drawable.cols, drawable.rows);
  };
  const draw = async (bytes: string | Uint8Array): Promise<void> =>
    await new Promise<void>((resolve) => terminal.write(bytes, resolve));
  try {
    let since = from;
    if (info.mode === 'pty') {
      const shown = await session.screen({ at: from, signal });
      resize(shown);
      await draw(shown.data);
      since = shown.offset;
    }
    // A terminal's screen has what stands before it in its line; without one the page begins behind the line that it cuts.
    let isRagged = info.mode === 'pipe' && from > info.oldestOffset;
    if (!isRagged) anchors.mark(since);
    for await (const entry of session.entries({ since, until: to, signal })) {
      signal.throwIfAborted();
      if (entry.kind === 'resize') {
        if (info.mode === 'pty') resize(entry.data);
      } else if (entry.kind === 'gap') {
        await draw(afterGap(entry.to - entry.offset));
        isRagged = false;
        anchors.mark(entry.to);
      } else if (entry.kind === 'event') {
        runs.apply(entry.data);
      } else if (entry.kind === 'tty' || entry.kind === 'stdout' || entry.kind === 'stderr') {
        const cut = isRagged ? entry.bytes.subarray(0, RAGGED_BYTES).indexOf(LINE_FEED) + 1 : 0;
        if (isRagged) anchors.mark(entry.offset + cut);
        isRagged = false;
        if (only !== undefined && entry.kind !== only) continue;
        for (let at = cut; at < entry.bytes.length; at += PIECE_BYTES) {
          const piece = entry.bytes.subarray(at, Math.min(at + PIECE_BYTES, to - entry.offset));
          if (piece.length === 0) break;
          await draw(piece);
          if (entry.kind !== 'tty') streams.drawn(entry.kind === 'stderr');
          anchors.drawn(entry.offset + at + piece.length);
        }
      }
    }
    const end = terminal.buffer.active.type === 'normal' ? terminal.registerMarker(0) : undefined;
    terminal.resize(screen.size.cols, Math.max(rows, terminal.rows));
    return {
      terminal,
      anchors,
      runs,
      end: end === undefined || end.isDisposed ? cursorLine(terminal) : end.line,
      dispose: () => terminal.dispose(),
    };
  } catch (error) {
    terminal.dispose();
    throw error;
  }
}
