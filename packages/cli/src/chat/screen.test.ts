import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Screen } from './screen.ts';

function screenOf(columns: number | undefined) {
  const out = Object.assign(new PassThrough(), { columns, rows: undefined });
  const prompt = { getCursorPos: () => ({ rows: 0, cols: 2 }), prompt: () => undefined, setPrompt: () => undefined };
  const screen = new Screen(out as unknown as NodeJS.WriteStream, prompt);
  return { screen, written: () => String(out.read() ?? '') };
}

describe('the terminal of a chat', () => {
  it.each([
    ['says 0 columns', 0],
    ['says none', undefined],
  ])('goes up by whole rows where it %s', (_, columns) => {
    const { screen, written } = screenOf(columns);
    expect(screen.width).toBe(79);
    screen.print(['one'], ['working']);
    written();
    screen.print(['two'], []);
    expect(written()).toBe('\r\x1b[1A\x1b[Jtwo\n');
  });
});
