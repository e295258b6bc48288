import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { boundMarks } from './guards.ts';

const ACCENT = '\u0301';
const draw = async (terminal: Terminal, text: string): Promise<void> =>
  await new Promise<void>((resolve) => terminal.write(text, resolve));
const cell = (terminal: Terminal, at: number): string =>
  terminal.buffer.active.getLine(0)?.getCell(at)?.getChars() ?? '';

function open(): Terminal {
  const terminal = new Terminal({ cols: 20, rows: 4, allowProposedApi: true });
  boundMarks(terminal);
  return terminal;
}

it('a letter keeps the accents that people write, and what is far more is not drawn', async () => {
  const terminal = open();
  await draw(terminal, `e${ACCENT.repeat(5)}a${ACCENT.repeat(200_000)}b`);
  expect(cell(terminal, 0)).toBe(`e${ACCENT.repeat(5)}`);
  expect(cell(terminal, 1)).toBe(`a${ACCENT.repeat(32)}`);
  expect(cell(terminal, 2)).toBe('b');
});

it('those that come one by one are counted together', async () => {
  const terminal = open();
  await draw(terminal, 'a');
  for (let n = 0; n < 100; n += 1) await draw(terminal, ACCENT);
  expect(cell(terminal, 0)).toBe(`a${ACCENT.repeat(32)}`);
});

it('text without any is drawn as it would be', async () => {
  const [bound, free] = [open(), new Terminal({ cols: 20, rows: 4, allowProposedApi: true })];
  const text = 'plain é 日本 👩‍👩‍👧 नमस्ते \x1b[1mbold\x1b[m\r\nnext';
  await draw(bound, text);
  await draw(free, text);
  const seen = (terminal: Terminal) =>
    [0, 1].map((row) => terminal.buffer.active.getLine(row)?.translateToString(true));
  expect(seen(bound)).toEqual(seen(free));
});
