// A piece of history, drawn into an invisible terminal so that its lines can be transferred.

import type { Session } from '@binnacle/client';
import { boundSize, guard } from '@binnacle/client/terminal';
import type { SessionInfo } from '@binnacle/protocol';
import { Terminal } from '@xterm/xterm';
import { Anchors } from './anchors.ts';
import { CommandMarks } from './command-marks.ts';
import type { Screen } from './screen.ts';
import type { StderrRows } from './stderr-rows.ts';
import { cursorLine } from './xterm-internals.ts';

// CAN ends a sequence that the gap cut; the rest resets the colours.
const afterGap = (bytes: number): string =>
  `\x18\x1b[0m\r\n[${bytes.toLocaleString('en')} bytes of output are missing here]\r\n`;

export type Stream = 'stdout' | 'stderr';

export interface PastPage {
  readonly terminal: Terminal;
  readonly anchors: Anchors;
  readonly runs: CommandMarks;
  /** The line of the cursor at the end of the page. */
  readonly end: number;
  dispose(): void;
}

/** Maximum lines of a page; of more, the last ones are used. */
const MOST_LINES = 20_000;
// Bytes drawn in one go, so that the page can handle events in between.
const PIECE_BYTES = 64 * 1024;
// Maximum bytes of a cut line; anything longer is no text anyway.
const RAGGED_BYTES = 4096;
const LINE_FEED = 0x0a;

/** Draws output `from` up to `to`, in the width of `screen`. */
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
  const runs = new CommandMarks(terminal, () => undefined);
  if (info.runs !== null) runs.followLog();
  const streams: StderrRows = screen.streams.of(terminal);
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
    // On a terminal, the screen supplies the beginning of the cut line. On pipes the page begins after the cut line.
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
          if (entry.kind !== 'tty') streams.rendered(entry.kind === 'stderr');
          anchors.rendered(entry.offset + at + piece.length);
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
