import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { boundTurns, DrawingTurns } from './drawing-time.ts';

const draw = async (terminal: Terminal, text: string): Promise<void> =>
  await new Promise<void>((resolve) => terminal.write(text, resolve));
const screenOf = ({ buffer: { active } }: Terminal): readonly (string | undefined)[] =>
  Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true));

/** Each costs a screen of 100,000 cells. */
const STORM = '\x1b#8\x1b[2J'.repeat(400);

/** Processor time, which other programs of the machine do not add to. */
const worked = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** How much was done at most before other work of the page had its turn, as a part of all. */
async function longestOf(isBound: boolean): Promise<{ readonly part: number; readonly screen: readonly unknown[] }> {
  const terminal = new Terminal({ cols: 500, rows: 200, scrollback: 0, allowProposedApi: true });
  if (isBound) boundTurns(terminal, new DrawingTurns());
  let longest = 0;
  let last = worked();
  const beat = setInterval(() => {
    longest = Math.max(longest, worked() - last);
    last = worked();
  }, 1);
  const begun = worked();
  await draw(terminal, `${STORM}\x1b[H\x1b[?1049h\x1b[?1049l\x1bcbehind`);
  clearInterval(beat);
  longest = Math.max(longest, worked() - last);
  return { part: longest / (worked() - begun), screen: screenOf(terminal) };
}

it('costly sequences in a row leave turns to the page, and do what they do', async () => {
  const [bound, plain] = [await longestOf(true), await longestOf(false)];
  expect(plain.part).toBeGreaterThan(0.9);
  expect(bound.part).toBeLessThan(0.5);
  expect(bound.screen).toEqual(plain.screen);
  expect(bound.screen[0]).toBe('behind');
});

it('what costs little waits for nothing: one sequence goes on in the same turn', () => {
  const turns = new DrawingTurns();
  expect([turns.pass(), turns.pass(), turns.pass()]).toEqual([false, false, false]);
});
