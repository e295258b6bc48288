import { Terminal } from '@xterm/xterm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { boundColours } from './guards.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Terminal with a palette drawer in the place of the drawer that it has in a page. */
function open() {
  const terminal = new Terminal({ cols: 20, rows: 4, allowProposedApi: true });
  const rendered: number[] = [];
  const palette = { version: 0 };
  const emitter = new (class {
    fire(colours: typeof palette): void {
      rendered.push(colours.version);
    }
  })();
  Object.assign((terminal as unknown as { _core: object })._core, { _themeService: { _onChangeColors: emitter } });
  // Registered first, it runs behind ours, as xterm's own does.
  terminal.parser.registerOscHandler(4, () => {
    palette.version += 1;
    emitter.fire(palette);
    return true;
  });
  const bounds = boundColours(terminal);
  const draw = async (text: string): Promise<void> => {
    const done = new Promise<void>((resolve) => terminal.write(text, resolve));
    await vi.advanceTimersByTimeAsync(1);
    await done;
  };
  return { rendered, draw, bounds };
}

it('one change is drawn at once, ten thousand are drawn ten times a second, and the last one always', async () => {
  const { rendered, draw } = open();
  await draw('\x1b]4;1;#ff0000\x07');
  expect(rendered).toEqual([1]);
  await draw('\x1b]4;1;#00ff00\x07'.repeat(10_000));
  expect(rendered).toEqual([1]);
  await vi.advanceTimersByTimeAsync(100);
  expect(rendered).toEqual([1, 10_001]);
  await vi.advanceTimersByTimeAsync(1000);
  await draw('\x1b]4;1;#0000ff\x07');
  expect(rendered).toEqual([1, 10_001, 10_002]);
});

it('a terminal that is taken away draws none', async () => {
  const { rendered, draw, bounds } = open();
  await draw('\x1b]4;1;#ff0000\x07'.repeat(2));
  bounds.dispose();
  await vi.advanceTimersByTimeAsync(1000);
  expect(rendered).toEqual([1]);
});
