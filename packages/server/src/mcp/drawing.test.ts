import headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { MAX_COLS, MAX_ROWS } from '../screen/screen-size.ts';
import { type Drawn, draw } from './drawing.ts';

const SIZE = { at: 0, cols: 20, rows: 6 };
const drawText = (text: string, sizes = [SIZE]): Promise<Drawn> => draw({ bytes: Buffer.from(text), sizes });

/** As an emulator draws it that is left as it is. */
async function plain(text: string): Promise<readonly string[]> {
  const terminal = new headless.Terminal({ ...SIZE, scrollback: 0, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(text, resolve));
  return Array.from({ length: SIZE.rows }, (_, y) => terminal.buffer.active.getLine(y)?.translateToString(true) ?? '');
}

describe('what is drawn', () => {
  it.each([...'STLMIZb'])('does not take longer where "CSI n %s" has a number without end', async (final) => {
    const begun = performance.now();
    const screen = (count: number): string => `one\r\ntwo\r\nthree\x1b[2;3Hx\x1b[${count}${final}y`;
    const { lines } = await drawText(screen(2 ** 31 - 1));
    expect(performance.now() - begun).toBeLessThan(1000);
    // As many as fit do the same.
    expect(lines).toEqual(await plain(screen(final === 'b' ? 6 * 20 : final === 'I' || final === 'Z' ? 20 : 6)));
  });

  it.each([...'STLMIZb'])('is what any emulator shows where "CSI n %s" has a number that fits', async (final) => {
    for (const count of ['', 0, 1, 3, 6]) {
      const text = `one\r\ntwo\r\nthree\x1b[2;3Hx\x1b[${count}${final}y`;
      expect((await drawText(text)).lines).toEqual(await plain(text));
    }
  });

  it('is as large as the largest screen that is drawn where a terminal is larger', async () => {
    const { cols, rows, lines } = await drawText('x'.repeat(600), [{ at: 0, cols: 65_535, rows: 65_535 }]);
    expect({ cols, rows, count: lines.length }).toEqual({ cols: MAX_COLS, rows: MAX_ROWS, count: MAX_ROWS });
    expect(lines.slice(0, 3).map(({ length }) => length)).toEqual([500, 100, 0]);
  });

  it('has the size of where it came in the output, also of one that is too large', async () => {
    const sizes = [SIZE, { at: 4, cols: 4, rows: 2 }, { at: 9, cols: 65_535, rows: 3 }];
    const { cols, rows, lines } = await drawText('abcdefghixy', sizes);
    expect({ cols, rows }).toEqual({ cols: MAX_COLS, rows: 3 });
    expect(lines.join('\n')).toContain('ixy');
  });

  it('has a short title, however long a one was set', async () => {
    expect((await drawText(`\x1b]2;${'t'.repeat(5000)}\x07`)).title).toHaveLength(1000);
  });
});
