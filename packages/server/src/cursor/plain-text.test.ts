import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PlainText, type TextPiece } from './plain-text.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'utf8');

function pushed(chunks: readonly Uint8Array[]): readonly TextPiece[] {
  const plain = new PlainText();
  return [...chunks.flatMap((chunk) => plain.push(chunk)), ...plain.flush()];
}

const textOf = (pieces: readonly TextPiece[]): string => pieces.map((piece) => piece.text).join('');
const plain = (input: string | Uint8Array): string =>
  textOf(pushed([typeof input === 'string' ? bytesOf(input) : input]));

/** Cuts where `cuts` says, each taken modulo the length. */
function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

/** What terminals get: text, sequences whole and broken, and bytes that are nothing. */
const anyOutput = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }).map(bytesOf),
      fc.uint8Array({ maxLength: 6 }),
      fc
        .constantFrom(
          '\x1b[31mred\x1b[0m',
          '\x1b]0;title\x07',
          '\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\',
          '\x1bPq#1\x1b\\',
          '\x1b_Gi=1\x1b\\',
          '\x1b^pm\x1b\\',
          '\x1bXsos\x1b\\',
          '\x1b(B',
          '\x1b7',
          '\x9b1mc1\x9b0m',
          '\x9dosc\x9c',
          '\r\n',
          '\r',
          '\n',
          '\r\r\n',
          '\b',
          '\0',
          '\x1b',
          '\x1b[',
          '\x1b]unended',
          '漢字',
          '👍',
          '\x85',
          '\x18',
        )
        .map(bytesOf),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Buffer.concat(parts));

describe('PlainText', () => {
  it('gives the same text however the bytes are cut', () => {
    fc.assert(
      fc.property(anyOutput, fc.array(fc.nat(), { maxLength: 12 }), (bytes, cuts) => {
        expect(textOf(pushed(cutAt(bytes, cuts)))).toBe(plain(bytes));
        expect(textOf(pushed([...bytes].map((byte) => Uint8Array.of(byte))))).toBe(plain(bytes));
      }),
      { numRuns: 400 },
    );
  });

  it('can be gone on with by another where it says so', () => {
    fc.assert(
      fc.property(anyOutput, fc.nat(), (bytes, cut) => {
        // A break that is cut between CR and LF may come twice.
        const text = new PlainText();
        const before = textOf(text.push(bytes.subarray(0, cut % (bytes.length + 1))));
        const behind = plain(bytes.subarray(text.resumeAt));
        expect((before + behind).replace(/\n+/g, '\n')).toBe(plain(bytes).replace(/\n+/g, '\n'));
      }),
      {
        numRuns: 1000,
        examples: [
          [Buffer.from([27, 91, 13, 13, 10, 32]), 5],
          [Buffer.from([27, 91, 9]), 3],
        ],
      },
    );
  });

  it('leaves no control characters but TAB and LF', () => {
    fc.assert(
      fc.property(anyOutput, (bytes) => {
        for (const char of plain(bytes)) {
          const code = char.codePointAt(0) ?? 0;
          expect(char === '\t' || char === '\n' || (code >= 0x20 && (code < 0x7f || code > 0x9f))).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('says where each piece begins: always forwards, and a line right behind the break before it', () => {
    fc.assert(
      fc.property(anyOutput, fc.array(fc.nat(), { maxLength: 12 }), (bytes, cuts) => {
        let last = 0;
        for (const piece of pushed(cutAt(bytes, cuts))) {
          expect(piece.text).not.toBe('');
          expect(piece.at).toBeGreaterThanOrEqual(last);
          expect(piece.at).toBeLessThanOrEqual(bytes.length);
          last = piece.at;
        }
      }),
      { numRuns: 400 },
    );
  });

  it('is exact for plain ASCII: a piece is what stands at its place', () => {
    const line = fc.stringMatching(/^[ -~\t]{0,20}$/);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), fc.array(fc.nat(), { maxLength: 8 }), (lines, cuts) => {
        const text = lines.join('\n');
        let next = 0;
        for (const piece of pushed(cutAt(bytesOf(text), cuts))) {
          expect(piece.at).toBe(next);
          expect(text.slice(piece.at, piece.at + piece.text.length)).toBe(piece.text);
          next = piece.at + piece.text.length;
        }
        expect(next).toBe(text.length);
      }),
    );
  });

  it('decodes UTF-8 as everybody does, where there are no sequences', () => {
    const noControls = fc
      .uint8Array({ maxLength: 40 })
      .map((bytes) => bytes.map((byte) => (byte < 0x20 || byte === 0x7f || byte === 0xc2 ? 0x61 : byte)));
    fc.assert(
      fc.property(noControls, (bytes) => {
        expect(plain(bytes)).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['colours', '\x1b[1;38;5;196mred\x1b[0m', 'red'],
    ['a colour by colons', '\x1b[38:2::1:2:3mred', 'red'],
    ['private modes', '\x1b[?2004h$ \x1b[?25l', '$ '],
    ['a title that BEL ends', '\x1b]0;a b\x07x', 'x'],
    ['a title that ST ends', '\x1b]0;a b\x1b\\x', 'x'],
    ['a title that ST in UTF-8 ends', '\x1b]0;a b\u009cx', 'x'],
    ['a title with characters that end in the byte of ST', '\x1b]0;\u071c\x07x', 'x'],
    ['a BEL within DCS', '\x1bPa\x07b\x1b\\x', 'x'],
    ['APC, PM, SOS', '\x1b_a\x1b\\1\x1b^b\x1b\\2\x1bXc\x1b\\3', '123'],
    ['a character set', '\x1b(Bx\x1b#8y', 'xy'],
    ['two bytes', '\x1b7a\x1b8b\x1bMc', 'abc'],
    ['C1 in UTF-8', '\u009b31mred\u009b0m\u009dtitle\u009c!\u0085next', 'red!\nnext'],
    ['a sequence that another interrupts', '\x1b[3\x1b[1mx', 'x'],
    ['a sequence that CAN ends', '\x1b[3\x18x', 'x'],
    ['a sequence within a string', '\x1b]0;t\x1b[1mx', 'x'],
    ['a line break directly behind an ESC that ends a string', '\x1b]0;t\x1b\nx', '\nx'],
    ['a character directly behind an ESC that ends a string', '\x1b]0;t\x1bäx', 'äx'],
    ['a line break within a sequence, which ends there', 'a\x1b[\n1mb', 'a\n1mb'],
    ['a character within a sequence', '\x1b[3äx', 'äx'],
    ['CR LF', 'a\r\nb', 'a\nb'],
    ['CR CR LF', 'a\r\r\nb', 'a\nb'],
    ['a line that is drawn again', '10%\r20%\r\n', '10%\n20%\n'],
    ['empty lines', 'a\n\n\r\nb', 'a\n\n\nb'],
    ['controls', 'a\b\0\x07\x7fb\tc', 'ab\tc'],
  ])('takes out or keeps: %s', (_title, input, expected) => {
    expect(plain(input)).toBe(expected);
  });

  it('does not join a character over a sequence that stands in it', () => {
    expect(plain(Buffer.from([0xe2, 0x82, 0x1b, 0x5b, 0x6d, 0xac]))).toBe('\ufffd\ufffd');
  });

  it('begins a line behind its break, so that its colours belong to it', () => {
    const at = pushed([bytesOf('one\r\n\x1b[31m'), bytesOf('two\x1b[0m\r'), bytesOf('\nthree')]);
    expect(at).toEqual([
      { text: 'one\n', at: 0 },
      { text: 'two\n', at: 5 },
      { text: 'three', at: 19 },
    ]);
  });

  it('gives up on a sequence without an end, and goes on behind it', () => {
    const text = new PlainText();
    text.push(bytesOf('before\x1b]0;'));
    let seen = '';
    for (let i = 0; i < 40; i++) seen += textOf(text.push(Buffer.alloc(4096, 0x78)));
    expect(seen.length).toBe(40 * 4096 - 65_536 + 2); // "0;" counts
    expect(textOf(text.push(bytesOf('behind\n')))).toBe('behind\n');
  });
});
