import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { StderrRows } from './stderr-rows.ts';

/** A small terminal on pipes, what draws into it, and its rows with a `!` before those on stderr. */
function opened() {
  const terminal = new Terminal({ cols: 20, rows: 5, scrollback: 10, convertEol: true, allowProposedApi: true });
  const streams = new StderrRows(terminal);
  const draw = async (text: string, isStderr: boolean): Promise<void> => {
    await new Promise<void>((resolve) => terminal.write(text, resolve));
    streams.rendered(isStderr);
  };
  const seen = (): string[] =>
    Array.from({ length: terminal.buffer.normal.length }, (_, at) => {
      const text = terminal.buffer.normal.getLine(at)?.translateToString(true) ?? '';
      return `${streams.has(at) ? '!' : ''}${text}`;
    }).filter(Boolean);
  return { draw, seen };
}
const lines = (count: number, what: string): string =>
  Array.from({ length: count }, (_, at) => `${what}${at}\n`).join('');

it('lines on stderr are distinguished from lines on stdout, even when lines leave the top', async () => {
  const { draw, seen } = opened();
  await draw(lines(100, 'out'), false);
  await draw('err a\nerr b\n', true);
  await draw('out\n', false);
  await draw('err c\n', true);
  expect(seen().slice(-5)).toEqual(['out99', '!err a', '!err b', 'out', '!err c']);
});

it('reused rows carry no mark of their earlier content', async () => {
  const { draw, seen } = opened();
  await draw(lines(100, 'err'), true);
  expect(seen().every((line) => line.startsWith('!'))).toBe(true);
  for (let at = 0; at < 8; at += 1) await draw(lines(3, 'out'), false);
  expect(seen().filter((line) => line.startsWith('!'))).toEqual([]);
  await draw(lines(100, 'err'), true);
  // More than there are lines for, in one piece.
  await draw(lines(100, 'out'), false);
  expect(seen().filter((line) => line.startsWith('!'))).toEqual([]);
});
