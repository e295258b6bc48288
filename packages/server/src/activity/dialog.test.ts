import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { dialogOf, hintsAtDialog } from './dialog.ts';
import { lastLineOf } from './question.ts';

interface Ordinary {
  readonly name: string;
  /** State that lists show. */
  readonly state: 'idle' | 'waiting';
  readonly rows: readonly string[];
  /** End of the output. */
  readonly tail: string;
}

const read = (path: string) => JSON.parse(readFileSync(join(import.meta.dirname, path), 'utf8'));
const ORDINARY: readonly Ordinary[] = read('ordinary.recorded.json');

describe('the screens of ordinary programs', () => {
  it.each(ORDINARY)('$name is $state', ({ rows, tail, state }) => {
    expect(dialogOf(rows)).toBeUndefined();
    expect(lastLineOf(Buffer.from(tail)).question === null ? 'idle' : 'waiting').toBe(state);
  });

  it('htop shows no dialog, and hints at none', async () => {
    const written = Buffer.from((read('../screen/htop.recorded.json') as string[]).join(''));
    const terminal = new headless.Terminal({ cols: 100, rows: 30, allowProposedApi: true });
    await new Promise<void>((done) => terminal.write(written, done));
    const rows = Array.from({ length: 30 }, (_, row) => terminal.buffer.active.getLine(row)?.translateToString() ?? '');
    expect(dialogOf(rows)).toBeUndefined();
    expect(hintsAtDialog(written)).toBe(false);
  });
});

describe('a dialog', () => {
  const rows = (text: string): string[] => text.split('\n');

  it('is options with one selected and a question above, whatever frame is around them', () => {
    const dialog = '│ Allow execution of [Shell]?  │\n│ ● 1. Allow once   │\n│   2. No (esc)  │\n╰────╯';
    expect(dialogOf(rows(dialog))).toEqual({ question: 'Allow execution of [Shell]?' });
  });

  it('may have options that go on in a second row, and keys below', () => {
    const dialog =
      "Run it?\n› 1. Yes\n  2. Yes, and don't ask again for\n     commands like it\n  3. No\n\nesc to cancel";
    expect(dialogOf(rows(dialog))).toEqual({ question: 'Run it?' });
  });

  it.each([
    ['nothing is selected', 'Run it?\n  1. Yes\n  2. No\n\nesc to cancel'],
    ['nothing is asked', 'Steps\n❯ 1. Yes\n  2. No'],
    ['nobody can refuse', 'Which one?\n❯ 1. Yes\n  2. Allow all'],
    ['a prompt follows', 'Run it?\n❯ 1. Yes\n  2. No\n$ '],
    ['other text follows', 'Run it?\n❯ 1. Yes\n  2. No\n\nThat is what it shows.'],
    ['a sentence begins like an option', 'Is it done?\n> Yes, it is.\nNo further changes were needed.'],
    ['a row has the words, and no keys beside them', 'Permission required\nAllow once   Allow always   Reject'],
  ])('is none where %s', (_, text) => expect(dialogOf(rows(text))).toBeUndefined());

  it('is hinted at by words, between colours too', () => {
    expect(hintsAtDialog(Buffer.from('\x1b[48;2;20;20;20mPermission required\x1b[0m'))).toBe(true);
    expect(hintsAtDialog(Buffer.from('\x1b(Byes'))).toBe(true);
    expect(hintsAtDialog(Buffer.from('\x1b[1mno such file\x1b[0m, yesterday'))).toBe(false);
  });
});
