import { Terminal } from '@xterm/xterm';
import { describe, expect, it } from 'vitest';
import { boundCounts, boundSize, mendErasing, mendNarrowing } from './guards.ts';

const HUGE = 2_147_483_647;
const size = { cols: 20, rows: 6 };

function open(isBound = true): Terminal {
  const terminal = new Terminal({ ...size, scrollback: 50, allowProposedApi: true });
  if (isBound) boundCounts(terminal);
  return terminal;
}

const draw = async (terminal: Terminal, text: string): Promise<void> =>
  await new Promise<void>((resolve) => terminal.write(text, resolve));

const seen = ({ buffer: { active } }: Terminal): readonly unknown[] => [
  Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true)),
  active.cursorX,
  active.cursorY,
];

const lines = Array.from({ length: 9 }, (_, n) => `line ${n}`).join('\r\n');

describe('a count beyond all measure', () => {
  for (const [name, final] of Object.entries({
    'insert lines': 'L',
    'delete lines': 'M',
    'scroll up': 'S',
    'scroll down': 'T',
    'tab forth': 'I',
    'tab back': 'Z',
  })) {
    it(`is done at once, and looks as it would have: ${name}`, async () => {
      const around = (count: number): string => `${lines}\x1b[2;3H\x1b[${count}${final}behind`;
      const [bound, plain] = [open(), open(false)];
      const begun = performance.now();
      await draw(bound, around(HUGE));
      expect(performance.now() - begun).toBeLessThan(1000);
      await draw(plain, around(500));
      expect(seen(bound)).toEqual(seen(plain));
    });
  }

  it('repeats a character over some lines only', async () => {
    for (const text of ['x', '漢', '😀']) {
      const terminal = open();
      await draw(terminal, `${text}\x1b[${HUGE}b\r\nbehind`);
      const [rows] = seen(terminal) as [string[]];
      const written = rows.join('');
      expect(written).toMatch(/behind$/);
      expect(written.split(text).length).toBeGreaterThan(15);
      expect(written.length).toBeLessThan(200);
    }
  });

  it('repeats a character of many accents no longer than others', async () => {
    const terminal = open();
    await draw(terminal, `e${'\u0301'.repeat(20_000)}\x1b[${HUGE}b\r\nbehind`);
    expect((seen(terminal)[0] as string[]).join('').length).toBeLessThan(50_000);
  });

  it('holds up nobody where it comes again and again, and in pieces', async () => {
    const terminal = open();
    const begun = performance.now();
    await draw(terminal, `x\x1b[${HUGE}b\x1b[${HUGE}L\x1b[${HUGE}S\x1b[${HUGE};1T\x1b[${HUGE}:2Z`.repeat(500));
    for (const piece of `\x1b[${HUGE}S`) await draw(terminal, piece);
    await draw(terminal, '\x1b[Hbehind');
    expect(performance.now() - begun).toBeLessThan(3000);
    expect((seen(terminal)[0] as string[]).join('')).toMatch(/behind$/);
  });
});

it('many of them leave turns to the page, and none is lost or comes late', async () => {
  const terminal = new Terminal({ cols: 300, rows: 100, scrollback: 50, allowProposedApi: true });
  boundCounts(terminal);
  let longest = 0;
  let last = performance.now();
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const text = Array.from({ length: 1000 }, (_, n) => `\x1b[H${n}\x1b[${HUGE}S${n},`).join('');
  const begun = performance.now();
  await draw(terminal, `${text}behind`);
  clearInterval(beat);
  expect(longest).toBeLessThan((performance.now() - begun) / 2);
  const [rows] = seen(terminal) as [string[]];
  expect(rows.filter((row) => row !== '')).toEqual(['   999,behind']);
});

it('a terminal that is taken away in the middle of it is no error', async () => {
  const terminal = new Terminal({ ...size, allowProposedApi: true });
  const bounds = boundCounts(terminal);
  terminal.write(`${'\x1b[6S'.repeat(2000)}behind`);
  // Behind the first turn of it.
  await new Promise((resolve) => setTimeout(resolve));
  bounds.dispose();
  terminal.dispose();
  const after = open();
  await draw(after, `${'\x1b[6S'.repeat(2000)}behind`);
  expect((seen(after)[0] as string[]).join('')).toBe('behind');
});

it('counts within measure are what they were', async () => {
  const text = `${lines}\x1b[3;4H\x1b[2L\x1b[M\x1b[2S\x1b[3T\x1b[I\x1b[Zab\x1b[9b\x1b[S\x1b[0T`;
  const [bound, plain] = [open(), open(false)];
  await draw(bound, text);
  await draw(plain, text);
  expect(seen(bound)).toEqual(seen(plain));
});

it('a screen of somebody else is drawn as far as a page can', () => {
  expect(boundSize({ cols: 65_535, rows: 65_535 })).toEqual({ cols: 1000, rows: 400 });
  expect(boundSize({ cols: 132, rows: 50 })).toEqual({ cols: 132, rows: 50 });
});

describe('erasing up to the cursor in the last cell of a screen with nothing above it', () => {
  for (const [name, sequence] of Object.entries({ plain: '\x1b[1J', selective: '\x1b[?1J' })) {
    it(`erases, and loses nothing of what is written behind it: ${name}`, async () => {
      const terminal = open();
      mendErasing(terminal);
      await draw(terminal, `above\x1b[6;20Hx${sequence}\x1b[2;1Hbehind`);
      expect(seen(terminal)[0]).toEqual(['', 'behind', '', '', '', '']);
    });
  }

  it('is left to xterm everywhere else', async () => {
    const [mended, plain] = [open(), open(false)];
    mendErasing(mended);
    const text = `${lines}\x1b[3;4H\x1b[1J\x1b[5;1Habc\x1b[0J\x1b[6;20Hx\x1b[1Jy`;
    await draw(mended, text);
    await draw(plain, text);
    expect(seen(mended)).toEqual(seen(plain));
  });
});

it('what a narrower screen of a program cuts off does not come back, and its other screen wraps as ever', async () => {
  const terminal = open();
  mendNarrowing(terminal);
  await draw(terminal, 'a line of the shell\r\n\x1b[?1049h\x1b[Habcdefghi日k\x1b[2;1Hrest of a row');
  terminal.resize(10, 6);
  terminal.resize(20, 6);
  expect(seen(terminal)[0]).toEqual(['abcdefghi', 'rest of a ', '', '', '', '']);
  await draw(terminal, '\x1b[1;10HXYZ\x1b[?1049l');
  expect(seen(terminal)[0]).toContain('a line of the shell');
});
