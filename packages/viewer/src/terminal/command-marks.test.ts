import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { CommandMarks, MOST_MARKS } from './command-marks.ts';

const draw = async (terminal: Terminal, text: string): Promise<void> =>
  await new Promise<void>((resolve) => terminal.write(text, resolve));

/** A terminal of ten rows, and its reports about marks. */
function opened() {
  const terminal = new Terminal({ cols: 40, rows: 10, scrollback: 5000, allowProposedApi: true });
  const counts: number[] = [];
  const runs = new CommandMarks(terminal, (count) => counts.push(count));
  return { terminal, counts, runs };
}

const FIRST = '$ one\r\n\x1b]133;C\x07out 1\r\nout 2\r\n\x1b]133;D;0\x07';
const SECOND = '$ two\r\n\x1b]133;C\x1b\\last 1\r\nlast 2\r\n\x1b]133;D\x1b\\$ ';

it('commands that a program reports (OSC 133) are marked', async () => {
  const { terminal, counts, runs } = opened();
  await draw(terminal, FIRST);
  expect(counts).toEqual([1]);
  expect(runs.lastOutput()).toBe('out 1\nout 2\n');
  await draw(terminal, SECOND);
  expect(counts).toEqual([1, 2]);
  expect(runs.lastOutput()).toBe('last 1\nlast 2\n');
});

it('failed commands have a distinct mark, also after a transfer into another terminal', async () => {
  const { terminal, runs } = opened();
  await draw(terminal, `${FIRST}${SECOND}\r\n$ bad\r\n\x1b]133;C\x07no\r\n\x1b]133;D;2;aid=7\x07$ `);
  const [bad = -1, ...none] = runs.failed;
  expect(none).toEqual([]);
  expect(terminal.buffer.active.getLine(bad)?.translateToString(true)).toBe('$ bad');
  const { runs: shown } = opened();
  shown.mergeOverlap(runs, bad, 1);
  expect(shown.failed).toEqual([0]);
});

it('a command that fails without output is marked itself, not the prompt after it', async () => {
  const { terminal, runs } = opened();
  await draw(terminal, '$ false\r\n\x1b]133;C\x07\x1b]133;D;1\x07$ true\r\n\x1b]133;C\x07\x1b]133;D;0\x07$ ');
  expect(runs.failed.map((line) => terminal.buffer.active.getLine(line)?.translateToString(true))).toEqual(['$ false']);
  expect(runs.lastOutput()).toBe('');
});

it('on pipes, which show no commands, a run takes the place of one that failed and printed nothing', async () => {
  const { terminal, counts, runs } = opened();
  terminal.options.convertEol = true;
  runs.followLog();
  await draw(terminal, 'before\n');
  runs.apply({ type: 'run_started' });
  runs.apply({ type: 'run_ended', run: { exitCode: 1 } });
  expect(runs.failed).toEqual([1]);
  runs.apply({ type: 'run_started' });
  await draw(terminal, 'out\n');
  runs.apply({ type: 'run_ended', run: { exitCode: 0 } });
  expect(runs.failed).toEqual([]);
  expect(counts).toEqual([1]);
});

it.each([
  [2, 1],
  [130, 1],
  [0, 0],
  [null, 0],
])('a run that the log says ended with %j', async (exitCode, failed) => {
  const { terminal, runs } = opened();
  runs.followLog();
  runs.apply({ type: 'run_started', run: { exitCode: null } });
  await draw(terminal, 'out\r\n');
  runs.apply({ type: 'run_ended', run: { exitCode } });
  expect(runs.failed).toHaveLength(failed);
});

it('with runs in the log, reports of programs add no second mark', async () => {
  const { terminal, counts, runs } = opened();
  runs.followLog();
  await draw(terminal, FIRST + SECOND);
  expect(counts).toEqual([]);
  runs.begin();
  expect(counts).toEqual([1]);
});

it('the view moves from one command to the next or previous', async () => {
  const { terminal, runs } = opened();
  for (let at = 0; at < 3; at += 1) {
    await draw(terminal, `$ command ${at}\r\n`);
    runs.begin();
    await draw(terminal, 'out\r\n'.repeat(20));
  }
  const seen: number[] = [];
  for (let line = runs.next(true); line !== undefined && seen.length < 9; line = runs.next(true)) {
    seen.push(line);
    runs.show(line);
  }
  expect(seen).toEqual([43, 22, 1]);
  expect(runs.next(false)).toBe(22);
});

it('the number of marks is bounded, and the oldest are dropped', async () => {
  const { terminal, counts, runs } = opened();
  for (let at = 0; at < MOST_MARKS + 5; at += 1) {
    runs.begin();
    await draw(terminal, `out ${at}\r\n`);
  }
  expect(counts.at(-1)).toBe(MOST_MARKS);
  terminal.scrollToLine(5);
  expect(runs.next(true)).toBe(5);
  terminal.scrollToLine(4);
  expect(runs.next(true)).toBeUndefined();
  // Those that were let go of are not followed by the terminal any more.
  expect(terminal.markers.filter(({ isDisposed }) => !isDisposed).length).toBeLessThanOrEqual(2 * MOST_MARKS);
});

it('a line with many commands is marked once, by the end of the last', async () => {
  const { terminal, counts, runs } = opened();
  await draw(terminal, '\x1b]133;C\x07\x1b]133;D;0\x07'.repeat(1000));
  expect([counts, runs.failed]).toEqual([[1], []]);
  await draw(terminal, '\x1b]133;C\x07\x1b]133;D;1\x07'.repeat(1000));
  expect([counts, runs.failed]).toEqual([[1], [0]]);
  await draw(terminal, '\x1b]133;C\x07out\r\n\x1b]133;D;0\x07');
  expect([counts, runs.failed, runs.lastOutput()]).toEqual([[1], [], 'out\n']);
  expect(terminal.markers.filter(({ isDisposed }) => !isDisposed)).toHaveLength(2);
});

it('lines that were already loaded get the marks of an overlapping page, each once', async () => {
  const text = `before\r\n${FIRST}${SECOND}`;
  const { terminal, counts, runs } = opened();
  runs.followLog();
  await draw(terminal, text);
  const page = opened();
  await draw(page.terminal, `above\r\nabove\r\n${text}`);
  runs.mergeOverlap(page.runs, 2, 7);
  runs.mergeOverlap(page.runs, 2, 7);
  expect(counts).toEqual([2]);
  expect(runs.lastOutput()).toBe('last 1\nlast 2\n');
});
