import headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { Emulator } from './emulator.ts';
import { MAX_COLS, MAX_ROWS } from './screen-size.ts';

const SIZE = { cols: 20, rows: 6 };

function render(text: string, size = SIZE): readonly string[] {
  const emulator = new Emulator(size);
  emulator.write(Buffer.from(text));
  const lines = linesOf(emulator.terminal);
  emulator.dispose();
  return lines;
}

/** As an emulator draws it that is left as it is. */
async function plain(text: string): Promise<readonly string[]> {
  const terminal = new headless.Terminal({ ...SIZE, scrollback: 1000, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(text, resolve));
  return linesOf(terminal);
}

const linesOf = ({ rows, buffer: { active } }: InstanceType<typeof headless.Terminal>): string[] =>
  Array.from({ length: rows }, (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? '');

describe('an emulator', () => {
  it.each([...'STLMIZb'])('does not take longer where "CSI n %s" has a number without end', async (final) => {
    const begun = performance.now();
    const screen = (count: number): string => `one\r\ntwo\r\nthree\x1b[2;3Hx\x1b[${count}${final}y`;
    const lines = render(screen(2 ** 31 - 1));
    expect(performance.now() - begun).toBeLessThan(1000);
    // As many as fit do the same.
    expect(lines).toEqual(await plain(screen(final === 'b' ? 6 * 20 : final === 'I' || final === 'Z' ? 20 : 6)));
  });

  it.each([...'STLMIZb'])('shows what any emulator shows where "CSI n %s" has a number that fits', async (final) => {
    for (const count of ['', 0, 1, 3, 6]) {
      const text = `one\r\ntwo\r\nthree\x1b[2;3Hx\x1b[${count}${final}y`;
      expect(render(text)).toEqual(await plain(text));
    }
  });

  it('is as large as the largest screen that is drawn where a terminal is larger, and says so', () => {
    const emulator = new Emulator({ cols: 65_535, rows: 65_535 });
    emulator.write(Buffer.from('x'.repeat(600)));
    expect(emulator.size).toEqual({ cols: MAX_COLS, rows: MAX_ROWS });
    expect(emulator.isClipped).toBe(true);
    expect(
      linesOf(emulator.terminal)
        .slice(0, 3)
        .map(({ length }) => length),
    ).toEqual([500, 100, 0]);
    emulator.resize({ cols: 4, rows: 2 });
    expect([emulator.size, emulator.isClipped]).toEqual([{ cols: 4, rows: 2 }, false]);
    emulator.dispose();
  });
});
