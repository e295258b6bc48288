import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellsOf, cutTo } from '../output/cells.ts';
import { HarmlessText, harmless, Rows } from './text.ts';

const whole = (...pieces: readonly string[]): string => {
  const text = new HarmlessText();
  return pieces.map((piece) => text.push(piece)).join('') + text.end();
};

describe('text of an agent', () => {
  it('keeps what people read', () => {
    const text = 'Grüße, 日本語, 👩‍👩‍👧 and\n  code();';
    expect(whole(text)).toBe(text);
    expect(whole('a\tb')).toBe('a    b');
  });

  it('loses what would act on the terminal', () => {
    expect(whole('\x1b[2J\x1b[31mred\x1b[0m\x07\x1b]52;c;aGk=\x07 \x1b]0;title\x1b\\end\x9b5A\r\b')).toBe('red end');
    expect(whole('left\u202eright\u2066\ufeff')).toBe('leftright');
  });

  it('loses it also where it was cut', () => {
    expect(whole('a\x1b', '[3', '1mb\x1b]0;ti', 'tle\x07c')).toBe('abc');
  });

  it('is not swallowed by a sequence without an end: that is shown, and the next row is as it was', () => {
    expect(whole('x\x1b]0;no end\nnext\nlast')).toBe('x·]0;no end\nnext\nlast');
    expect(whole('x\x1b]0;no end')).toBe('x·]0;no end');
  });

  it('has no character that acts, however it was cut', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom('\x1b[', '\x1b]', '\x9b', '\x1bP', '\x1b\\', '\x07', '31m', '\r', '\u2028', '\x1b', '\n'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point.
        expect(whole(...pieces)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
      { numRuns: 500 },
    );
  });

  it('is one row for a title', () => {
    expect(harmless(' a\n\tb\x1b[1m c ')).toBe('a b c');
  });
});

describe('rows', () => {
  const rowsOf = (width: number, ...pieces: readonly string[]): string[] => {
    const rows = new Rows(() => width);
    return [...pieces.flatMap((piece) => rows.push(piece)), ...rows.end()];
  };

  it('break between words, and inside of one that is too long', () => {
    expect(rowsOf(10, 'the quick brown fox')).toEqual(['the quick', 'brown fox']);
    expect(rowsOf(10, 'abcdefghijklmno p')).toEqual(['abcdefghij', 'klmno p']);
    expect(rowsOf(10, 'exactly te', 'n')).toEqual(['exactly', 'ten']);
    expect(rowsOf(10, '1234567890 next')).toEqual(['1234567890', 'next']);
  });

  it('keep the empty ones and what is in front of code', () => {
    expect(rowsOf(20, 'a\n\n  b\n')).toEqual(['a', '', '  b']);
  });

  it('are the same however the text is cut, fit, and lose nothing but spaces', () => {
    const text = fc.array(fc.constantFrom('a', 'word', ' ', '  ', '\n', '日本', '👍', 'é', 'longerword'), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(text, fc.integer({ min: 4, max: 30 }), (pieces, width) => {
        const rows = rowsOf(width, ...pieces);
        expect(rows).toEqual(rowsOf(width, pieces.join('')));
        for (const row of rows) expect(cellsOf(row)).toBeLessThanOrEqual(width);
        expect(rows.join('').replaceAll(' ', '')).toBe(pieces.join('').replace(/[ \n]/g, ''));
      }),
    );
  });

  it('are measured in cells of the terminal', () => {
    expect([cellsOf('abc'), cellsOf('日本'), cellsOf('e\u0301'), cellsOf('“x” — →'), cellsOf('👍')]).toEqual([
      3, 4, 1, 7, 2,
    ]);
    expect(cutTo('日本語です', 7)).toBe('日本語…');
    expect(cutTo('short', 7)).toBe('short');
  });
});
