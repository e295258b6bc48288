import { describe, expect, it } from 'vitest';
import { TerminalModes } from './modes.ts';

const restoreAfter = (...chunks: readonly string[]): string => {
  const modes = new TerminalModes();
  for (const chunk of chunks) modes.push(Buffer.from(chunk));
  return modes.restore();
};

describe('putting a terminal back', () => {
  it('has nothing to do after plain output', () => {
    expect(restoreAfter('hello\r\n\x1b[31mred\x1b[0m\x1b[2J')).toBe('');
  });

  it('leaves the alternate screen, the mouse, bracketed paste and the hidden cursor, the screen last', () => {
    const restore = restoreAfter('\x1b[?1049h\x1b[?1000;1006h\x1b[?2004h\x1b[?25l');
    expect(restore).toBe('\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[?1049l');
  });

  it('does not touch what the program has put back itself', () => {
    expect(restoreAfter('\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l')).toBe('');
  });

  it('sees a mode that was cut between two chunks', () => {
    expect(restoreAfter('\x1b[?10', '49h')).toBe('\x1b[?1049l');
  });

  it('pops the keyboard modes that were pushed, and resets the others', () => {
    expect(restoreAfter('\x1b[>1u\x1b[>5u\x1b[<u\x1b[>4;2m\x1b=')).toBe('\x1b[<1u\x1b[>4m\x1b>');
  });

  it('resets a scroll region without moving the cursor, a charset and a colour', () => {
    expect(restoreAfter('\x1b[2;10r\x1b(0\x1b[7m')).toBe('\x0f\x1b(B\x1b7\x1b[r\x1b8\x1b[0m');
  });

  it('knows that a full-screen program is on', () => {
    const modes = new TerminalModes();
    modes.push(Buffer.from('\x1b[?1049h'));
    expect(modes.fullScreen).toBe(true);
    modes.push(Buffer.from('\x1b[?1049l'));
    expect(modes.fullScreen).toBe(false);
  });
});
