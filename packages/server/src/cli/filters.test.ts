import { describe, expect, it } from 'vitest';
import { type Filter, plainFilter, replayFilter } from './filters.ts';

const through = (filter: Filter, text: string): string =>
  Buffer.concat([filter.push(Buffer.from(text)), filter.end()]).toString();

/** Each has an effect beyond the picture: an answer typed for the person, the clipboard, a bell, a notification. */
const EFFECTS = {
  'device attributes': '\x1b[c',
  'secondary attributes': '\x1b[>0c',
  'device status': '\x1b[5n',
  'cursor position': '\x1b[6n',
  'extended cursor position': '\x1b[?6n',
  'mode request': '\x1b[?2026$p',
  'version request': '\x1b[>0q',
  'keyboard request': '\x1b[?u',
  'window size report': '\x1b[18t',
  'title report': '\x1b[21t',
  'terminal parameters': '\x1b[x',
  'foreground colour': '\x1b]10;?\x07',
  'background colour': '\x1b]11;?\x1b\\',
  'palette colour': '\x1b]4;1;?\x07',
  'clipboard write': '\x1b]52;c;ZXZpbA==\x07',
  'clipboard read': '\x1b]52;c;?\x07',
  notification: '\x1b]9;hello\x07',
  'terminfo request': '\x1bP+q544e\x1b\\',
  'settings request': '\x1bP$qm\x1b\\',
  'graphics query': '\x1b_Gi=1,a=q;AAAA\x1b\\',
  'old identify': '\x1bZ',
  enquiry: '\x05',
  bell: '\x07',
  'C1 attributes': '\u009bc',
  'C1 clipboard': '\u009d52;c;eA==\u009c',
};

describe('tail', () => {
  it('keeps text, line breaks, tabs and colours', () => {
    const text = 'plain \x1b[1;38;2;1;2;3mbold\x1b[m\r\n\tümlaut 漢字 🧭\n';
    expect(through(plainFilter(), text)).toBe(text);
  });

  it.each(Object.entries(EFFECTS))('drops: %s', (_, sequence) => {
    expect(through(plainFilter(), `a${sequence}b`)).toBe('ab');
  });

  it.each([
    ['cursor movement', '\x1b[5A'],
    ['erasing', '\x1b[2J'],
    ['the alternate screen', '\x1b[?1049h'],
    ['a title', '\x1b]0;root@bank\x07'],
    ['a link that says something else', '\x1b]8;;http://evil\x1b\\'],
    ['a charset', '\x1b(0'],
    ['a reset', '\x1bc'],
    ['a keyboard mode that looks like a colour', '\x1b[>4;2m'],
    ['a device control string', '\x1bPq#0\x1b\\'],
    ['delete', '\x7f'],
    ['a string that never ends', '\x1b]0;rest'],
  ])('drops %s', (_, sequence) => {
    expect(through(plainFilter(), `a${sequence}`)).toBe('a');
  });
});

describe('history on attach', () => {
  it.each(Object.entries(EFFECTS))('does not repeat: %s', (_, sequence) => {
    expect(through(replayFilter(), `a${sequence}b`)).toBe('ab');
  });

  it('keeps the picture: movement, modes, titles, links, sixels', () => {
    const text =
      '\x1b[?1049h\x1b[2J\x1b[5;5H\x1b]0;title\x07\x1b]8;;http://x\x1b\\l\x1b]8;;\x1b\\\x1bPq#0~-\x1b\\\x1b[22;0t';
    expect(through(replayFilter(), text)).toBe(text);
  });
});
