import type { SessionInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import type { Chunk } from '../log/chunks.ts';
import { Drawing, type DrawingOptions, type DrawingState, NO_DRAWING_YET } from './drawing.ts';
import type { TerminalScreen } from './screen.ts';

/** Returns the drawing of a log of which `past` bytes were printed before; `|`: the mark, `^`: the line is shown. */
function drawing(options: DrawingOptions, past: number) {
  const seen = { text: '', state: NO_DRAWING_YET as DrawingState, isPaused: false };
  const put = (text: string): void => {
    seen.text += text;
  };
  const screen: Partial<TerminalScreen> = {
    begin: () => undefined,
    write: (bytes) => void put(new TextDecoder().decode(bytes)),
    pass: () => put('.'),
    draw: (chunk) => void put(`<${chunk.type}>`),
    settled: async () => undefined,
    returnLines: () => put('{bare}'),
    markPlace: () => put('|'),
    showPlace: () => put('^'),
  };
  const source = {
    pastOffset: past,
    pause: () => {
      seen.isPaused = true;
    },
  };
  const to = new Drawing(screen as TerminalScreen, source, options, (change) => {
    seen.state = { ...seen.state, ...change };
  });
  const output = async (offset: number, text: string, kind: 'tty' | 'stdout' | 'stderr' = 'tty'): Promise<void> =>
    await to.draw({ type: 'output', kind, offset, bytes: new TextEncoder().encode(text), position: '' });
  return { to, seen, output };
}

const info = (foreign: object | null = null): SessionInfo => ({ mode: 'pty', foreign }) as unknown as SessionInfo;

it('history is past until the output before it is drawn, and stays live behind that', async () => {
  const { to, seen, output } = drawing({}, 8);
  await to.begin(info(), 0);
  await output(0, 'abcd');
  expect(seen.state.phase).toBe('past');
  await output(4, 'efgh');
  expect(seen.state.phase).toBe('live');
  await to.ended();
  expect([seen.state.phase, seen.text]).toEqual(['over', 'abcdefgh']);
});

it('a log without output is live at once, and one that begins with a screen behind that screen', async () => {
  const empty = drawing({}, 0);
  await empty.to.begin(info(), 0);
  expect(empty.seen.state.phase).toBe('live');
  const long = drawing({}, 900);
  await long.to.begin(info(), undefined);
  expect(long.seen.state.phase).toBe('past');
  await long.to.draw({ type: 'screen', offset: 900, exact: false, drawnFrom: 70 } as Chunk);
  expect(long.seen.state).toMatchObject({ phase: 'live', roughFrom: 70 });
});

it('a requested offset is marked and shown, and much output behind it pauses the reading', async () => {
  const { to, seen, output } = drawing({ at: 14, skipsLine: true }, 500_000);
  await to.begin(info(), 0);
  await output(0, 'cut\nbefore\n');
  await output(11, 'in the line\n');
  await output(23, 'x\n'.repeat(200_000));
  expect(seen.text.slice(0, 21)).toBe('before\nin |the line\nx');
  expect(seen.text.endsWith('^')).toBe(true);
  expect(seen.isPaused).toBe(true);
  expect(seen.state).toMatchObject({ phase: 'paused', place: { at: 14, isRemoved: false } });
  const behind = seen.text.length - 'before\nin |the line\n^'.length;
  expect(seen.state.ahead).toBe(500_000 - 23 - behind);
  const before = seen.text;
  await output(400_023, 'more');
  expect(seen.text).toBe(before);
});

it('a requested offset whose output is gone is marked where output begins', async () => {
  const { to, seen, output } = drawing({ at: 50 }, 104);
  await to.begin(info(), 50);
  await to.draw({ type: 'gap', from: 50, to: 100, reason: 'retention', position: '' });
  await output(100, 'rest');
  expect(seen.text).toBe('<gap>|rest^');
  expect(seen.state).toMatchObject({ phase: 'live', place: { at: 50, isRemoved: true } });
});

it('one stream of a program on pipes is drawn without the other, which counts as read', async () => {
  const { to, seen, output } = drawing({ stream: 'stderr' }, 6);
  await to.begin(info(), 0);
  await output(0, 'out', 'stdout');
  await output(3, 'err', 'stderr');
  expect([seen.text, seen.state.phase]).toEqual(['.err', 'live']);
});

it('bare line feeds of an emitter elsewhere are new lines, and those of a program here are not', async () => {
  for (const [foreign, text] of [
    [{}, '{bare}a\n'],
    [null, 'a\n'],
  ] as const) {
    const { to, seen, output } = drawing({}, 2);
    await to.begin(info(foreign), 0);
    await output(0, 'a\n');
    expect(seen.text).toBe(text);
  }
});
