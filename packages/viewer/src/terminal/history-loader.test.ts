import type { Session, SessionEntry } from '@binnacle/client';
import type { SessionInfo, ShownScreen } from '@binnacle/protocol';
import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { count, inAll } from '../../../../test/support/count.ts';
import { Anchors } from './anchors.ts';
import { CommandMarks } from './command-marks.ts';
import { HistoryLoader, type HistoryState } from './history-loader.ts';
import type { Screen } from './screen.ts';
import { StderrRows } from './stderr-rows.ts';

const COLS = 200;
const ROWS = 6;
const row = (n: number): string => `line ${String(n).padStart(5, '0')} ${'x'.repeat(100)}\r\n`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const draw = async (terminal: Terminal, text: string): Promise<void> =>
  await new Promise<void>((resolve) => terminal.write(text, resolve));
const rowsOf = (terminal: Terminal): string[] =>
  Array.from(
    { length: terminal.buffer.normal.length },
    (_, at) => terminal.buffer.normal.getLine(at)?.translateToString(true).slice(0, 10) ?? '',
  ).filter(Boolean);
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `line ${String(from + at).padStart(5, '0')}`);

/** A terminal that shows the last 100 of `count` lines, and what loads those above. `said`: what the log says it was. */
async function opened(
  count: number,
  mostLines?: number,
  textOf: (n: number) => string = row,
  kindOf: (n: number) => 'tty' | 'stdout' | 'stderr' = () => 'tty',
  gap?: { readonly from: number; readonly to: number },
) {
  const log = Array.from({ length: count }, (_, n) => textOf(n)).join('');
  const each = row(0).length;
  const terminal = new Terminal({ cols: COLS, rows: ROWS, scrollback: 5000, allowProposedApi: true });
  const anchors = new Anchors(terminal);
  await draw(terminal, Array.from({ length: 100 }, (_, at) => row(count - 100 + at)).join(''));
  anchors.mark(log.length);
  const streams = new StderrRows(terminal);
  const screen = {
    ...{
      terminal,
      anchors,
      streams,
      runs: new CommandMarks(terminal, () => undefined),
      size: { cols: COLS, rows: ROWS },
    },
    finder: { forget: () => undefined },
  } as unknown as Screen;
  const session = {
    // Drawn from nothing at the beginning of a line: as exact as these lines need.
    screen: async ({ at = 0 }) => {
      const offset = Math.floor(at / each) * each;
      return { offset, cols: COLS, rows: ROWS, data: '\x1bc' } as ShownScreen;
    },
    entries: async function* ({ since = 0, until = log.length }): AsyncGenerator<SessionEntry> {
      const isPipe = kindOf(0) !== 'tty';
      for (let at = since; at < until; ) {
        if (at === gap?.from) {
          yield { kind: 'gap', offset: gap.from, to: gap.to, reason: 'damaged' };
          at = gap.to;
        }
        const end = isPipe ? Math.min(until, (Math.floor(at / each) + 1) * each) : until;
        yield { kind: kindOf(Math.floor(at / each)), time: 0, offset: at, bytes: bytes(log.slice(at, end)) };
        at = end;
      }
    },
  } as unknown as Session;
  let above: HistoryState | undefined;
  let woken: (() => void) | undefined;
  const older = new HistoryLoader(
    session,
    screen,
    (change) => {
      above = change;
      if (change.state !== 'loading') woken?.();
    },
    mostLines,
  );
  const mode = kindOf(0) === 'tty' ? 'pty' : 'pipe';
  older.begin({ mode, oldestOffset: 0, runs: null } as SessionInfo, false, undefined);
  const reach = async (): Promise<HistoryState | undefined> => {
    const settled = new Promise<void>((resolve) => {
      woken = resolve;
    });
    older.reach();
    await settled;
    return above;
  };
  return { terminal, reach, streams, older, anchors };
}

it('pages are put above the first line until the log’s first line, each line once, and the view stays', async () => {
  const { terminal, reach } = await opened(2500);
  terminal.scrollToTop();
  const seen = rowsOf(terminal)[terminal.buffer.active.viewportY];
  expect((await reach())?.state).toBe('there');
  expect(rowsOf(terminal)[terminal.buffer.active.viewportY]).toBe(seen);
  expect((await reach())?.state).toBe('there');
  expect((await reach())?.state).toBe('none');
  expect(rowsOf(terminal)).toEqual(numbered(0, 2500));
});

it('the number of lines is bounded, the nearest remain, and the offset to continue from is reported', async () => {
  const { terminal, reach } = await opened(2500, 700);
  const above = await reach();
  expect(above?.state).toBe('far');
  expect(above?.offset).toBeGreaterThan(0);
  expect(terminal.buffer.normal.length).toBe(700);
  const retained = rowsOf(terminal);
  expect(retained).toEqual(numbered(2500 - retained.length, 2500));
});

it('a page that does not join is not inserted: the viewer offers to go further back', async () => {
  const { terminal, reach } = await opened(2500, undefined, (n) => row(n).replace('line', 'else'));
  expect((await reach())?.state).toBe('far');
  expect(rowsOf(terminal)).toEqual(numbered(2400, 2500));
});

inAll('older output of pipes joins as well, with the stream of each line', async () => {
  const isStderr = (n: number): boolean => n % 7 === 1;
  const { terminal, reach, streams } = await opened(1500, undefined, row, (n) => (isStderr(n) ? 'stderr' : 'stdout'));
  expect((await reach())?.state).toBe('there');
  expect((await reach())?.state).toBe('none');
  expect(rowsOf(terminal)).toEqual(numbered(0, 1500));
  // The first lines were drawn without a stream.
  const marks = numbered(0, 1400).map((_, n) => streams.has(n));
  expect(marks).toEqual(marks.map((_, n) => isStderr(n)));
});

it('lines that left the top are loaded again, and nothing is loaded if all lines are there', async () => {
  const { terminal, reach, older } = await opened(1500);
  older.begin({ mode: 'pty', oldestOffset: 0, runs: null } as SessionInfo, true, undefined);
  // Not full: the first line is the log's, as far as it knows.
  await draw(terminal, '');
  older.reach();
  expect(rowsOf(terminal)).toEqual(numbered(1400, 1500));
  terminal.options.scrollback = 50;
  // A smaller size took some lines more: it is not full any more.
  terminal.options.scrollback = 90;
  expect((await reach())?.state).toBe('there');
  expect((await reach())?.state).toBe('none');
  expect(rowsOf(terminal)).toEqual(numbered(0, 1500));
});

it('without any anchor, older lines are found from the end', async () => {
  const { terminal, reach, anchors } = await opened(1500);
  anchors.clear();
  anchors.rendered(1500 * row(0).length);
  anchors.oldest?.marker.dispose();
  expect((await reach())?.state).toBe('there');
  expect((await reach())?.state).toBe('none');
  expect(rowsOf(terminal)).toEqual(numbered(0, 1500));
});

it('a gap in older output is shown between its lines', async () => {
  const each = row(0).length;
  // Each entry waits for its drawing.
  const lines = count({ quick: 900, all: 1500 });
  const { terminal, reach } = await opened(lines, undefined, row, () => 'stdout', { from: 700 * each, to: 710 * each });
  for (let state = (await reach())?.state; state !== 'none'; state = (await reach())?.state) {
    expect(state).toBe('there');
  }
  const rows = rowsOf(terminal);
  const at = rows.indexOf('line 00699');
  expect(rows.slice(at + 1, at + 3)).toEqual([`[${(10 * each).toLocaleString('en')} byt`, 'line 00710']);
  expect(rows.at(-1)).toBe(numbered(0, lines).at(-1));
});
