import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { Emulator } from './emulator.ts';
import { isRestorable, restoring } from './restore-text.ts';
import { stateOf } from './screen-state.fixture.ts';

const SIZE = { cols: 20, rows: 6 };

function shown(text: string | Uint8Array, size = SIZE): Emulator {
  const emulator = new Emulator(size);
  emulator.write(Buffer.from(text));
  return emulator;
}

/** Another one, from what is said of the first. */
const again = (emulator: Emulator): Emulator => shown(restoring(emulator, 1000).text, emulator.size);

function expectSame(text: string, size = SIZE): void {
  const first = shown(text, size);
  expect(isRestorable(first)).toBe(true);
  expect(stateOf(again(first))).toEqual(stateOf(first));
}

/** See `charsets` in restore-text.ts: there is one state that no terminal can be brought to. */
const isConsistent = ({ core: { _charsetService: of } }: Emulator): boolean => of.charset === of._charsets[of.glevel];

describe('a screen that is restored', () => {
  it.each([
    ['text', 'one\r\ntwo\r\nthree'],
    ['an empty screen', ''],
    ['rows above the screen', Array.from({ length: 40 }, (_, n) => `row ${n}`).join('\r\n')],
    ['more rows above it than are kept', `${`${'x'.repeat(39)}\r\n`.repeat(700)}${'x'.repeat(11)}\x1b[32mdone`],
    ['a long row', 'x'.repeat(75)],
    ['a row that is just full', 'x'.repeat(20)],
    ['a full screen', 'x'.repeat(120)],
    ['a long row whose end was erased', `${'x'.repeat(30)}\x1b[A\x1b[15G\x1b[4X\x1b[18G\x1b[44m\x1b[5X\x1b[m\x1b[4;3H`],
    ['a long row whose second half begins empty', `${'x'.repeat(30)}\r\x1b[3X`],
    ['wide characters', '日本語\r\n日本語日本語日本語日本語'],
    ['a wide character that did not fit', `x${'日'.repeat(14)}`],
    ['combining characters', 'e\u0301a\u0308\r\n\u0301x 👩‍👩‍👧 🇩🇪'],
    ['colours', '\x1b[31mred\x1b[1;44mbold\x1b[38;5;200;48;2;1;2;3mmore\x1b[0m \x1b[95;103mbright\x1b[7mturned'],
    [
      'styles of text',
      '\x1b[2md\x1b[3mi\x1b[4mu\x1b[4:3mc\x1b[58;2;9;8;7mk\x1b[58:5:99ml\x1b[0;5mb\x1b[8mh\x1b[9ms\x1b[53mo',
    ],
    ['erased places that have a colour', 'abc\x1b[44m\x1b[K\r\n\x1b[41m\x1b[2Kx\x1b[m\x1b[10G\x1b[42m\x1b[3X\x1b[m'],
    ['links', 'a\x1b]8;;https://a.example/\x1b\\link\x1b]8;id=7;https://b.example/\x1b\\two\x1b]8;;\x1b\\x'],
    ['a link that is open', '\x1b]8;;https://a.example/\x07link'],
    [
      'modes',
      '\x1b[?1h\x1b=\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[?25l\x1b[?1004h\x1b[4h\x1b[20h\x1b[?7l\x1b[?45h\x1b[5 q',
    ],
    [
      'another buffer with the first one behind it',
      'shell$ vi\r\n\x1b[?1049h\x1b[2J\x1b[3;5Hinside\x1b[44m\x1b[K\x1b[m',
    ],
    ['a scroll region', 'a\r\nb\r\nc\x1b[2;4r\x1b[3;7H'],
    ['a scroll region with its own origin', '\x1b[2;4r\x1b[?6h\x1b[2;3Hx\r\n'],
    ['a scroll region in both buffers', '\x1b[2;4r\x1b[?1049h\x1b[3;5r\x1b[4;2H'],
    ['a cursor that was kept', '\x1b[3;4H\x1b[31m\x1b(0\x1b7\x1b(B\x1b[m\x1b[Hx\r\n'],
    ['line drawing', '\x1b(0lqk\x1b(B\r\n\x1b)0\x0ex\r\n'],
    ['tabs', '\x1b[3g\x1b[4G\x1bH\x1b[9G\x1bH\r'],
    ['a title', '\x1b]2;title\x07\x1b]1;icon\x07x'],
    ['colours of the terminal', '\x1b]4;1;#102030\x07\x1b]11;rgb:11/22/33\x07\x1b]10;#fff\x07x'],
    ['protected characters', '\x1b[1"qprotected\x1b[0"qnot'],
    [
      'a wide character that does not fit where nothing wraps',
      `${' '.repeat(9)}${'x'.repeat(21)}${' '.repeat(8)}\x1b[?7l日本`,
    ],
    ['one behind a narrow one', `${'x'.repeat(18)}\x1b[?7ly日`],
    ['one that something was written over', `${' '.repeat(18)}\x1b[?7l日本x\r`],
    ['a line under the text that comes back with the cursor', '\x1b[4m\x1b[?1049h\x1b[m\x1b[?1049lx'],
    [
      'a line under the text that goes with the cursor',
      '\x1b]8;;https://a.example/\x07x\x1b7\x1b]8;;\x07\x1b[4:3my\x1b8z',
    ],
    ['places between the halves of a wide character', '日本\b\x1b[2@'],
    ['a cursor outside of the region that has the origin', 'a\x1b[2;4r\x1b[?1049h\x1b[?6h\x1b[?47l'],
    ['half of a wide character', '日本\x1b[2G \x1b[3G\r\n'],
  ])('has %s', (_, text) => expectSame(text));

  it('goes on as the first one would have: joins, repeats, wraps', () => {
    for (const [text, next] of [
      ['e', '\u0301'],
      ['ab', '\x1b[3b'],
      ['x'.repeat(20), 'y'],
      ['x'.repeat(20), '\x1b[mﬀ\u0301'],
      [`${'x'.repeat(18)}日`, '本'],
      ['\x1b[31mx\x1b[44m', 'y\r\n'],
      ['a\x1b[?1049hb', '\x1b[?1049lc'],
      [`${'x'.repeat(18)}\x1b[?7ly日`, '\u0301'],
      [`${'x'.repeat(18)}\x1b[?7ly日`, '\x1b[2b'],
      [`${'x'.repeat(18)}\x1b[?7l日本`, '\u0301z'],
      ['\x1b[2;2H\x1b7\x1b[5;5H', '\x1b8x'],
    ] as const) {
      const first = shown(text);
      const second = again(first);
      for (const one of [first, second]) one.write(Buffer.from(next));
      expect(stateOf(second)).toEqual(stateOf(first));
    }
  });

  it('is as large again where its size changes', () => {
    for (const size of [
      { cols: 33, rows: 9 },
      { cols: 7, rows: 3 },
    ]) {
      const first = shown(`${'x'.repeat(33)}\r\n${'日'.repeat(25)}\r\n${'a b '.repeat(20)}\r\n$ `);
      const second = again(first);
      for (const one of [first, second]) one.resize(size);
      expect(stateOf(second)).toEqual(stateOf(first));
    }
  });

  it('cannot be had inside a sequence or a character', () => {
    for (const text of ['\x1b', '\x1b[3', '\x1b]2;t', '\x1bPq', Buffer.from('日').subarray(0, 2)]) {
      expect(isRestorable(shown(text))).toBe(false);
    }
  });

  it('is the same whatever a program has written', () => {
    const number = fc.integer({ min: 0, max: 25 });
    const sequence = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        '日本',
        'e\u0301',
        '\r\n',
        '\n',
        '\r',
        '\b',
        '\t',
        '\x1bM',
        '\x1b7',
        '\x1b8',
        'x'.repeat(21),
        '─',
      ),
      fc.constantFrom(
        '\x1b[?1049h',
        '\x1b[?1049l',
        '\x1b[?47h',
        '\x1b[?47l',
        '\x1b[?6h',
        '\x1b[?6l',
        '\x1b[4h',
        '\x1b[4l',
      ),
      fc.constantFrom(
        '\x1b(0',
        '\x1b(B',
        '\x0e',
        '\x0f',
        '\x1b)0',
        '\x1b[!p',
        '\x1bH',
        '\x1b[3g',
        '\x1b[?7l',
        '\x1b[?7h',
      ),
      fc.tuple(number, fc.constantFrom(...'ABCDGXKJLMP@STbdI`')).map(([n, final]) => `\x1b[${n}${final}`),
      fc.tuple(number, number, fc.constantFrom('H', 'r')).map(([a, b, final]) => `\x1b[${a};${b}${final}`),
      fc
        .array(fc.constantFrom('0', '1', '3', '4', '7', '31', '44', '38;5;99', '48;2;9;9;9', '4:3'), { maxLength: 3 })
        .map((all) => `\x1b[${all.join(';')}m`),
    );
    fc.assert(
      fc.property(fc.array(sequence, { maxLength: 60 }), fc.array(sequence, { maxLength: 15 }), (before, behind) => {
        const first = shown(before.join(''));
        expect(first.isBroken).toBe(false);
        fc.pre(isRestorable(first) && isConsistent(first));
        const second = again(first);
        expect(stateOf(second)).toEqual(stateOf(first));
        for (const one of [first, second]) one.write(Buffer.from(behind.join('')));
        expect(stateOf(second)).toEqual(stateOf(first));
      }),
      // A slow machine looks at fewer.
      { numRuns: count({ quick: 300, all: 1200 }), interruptAfterTimeLimit: 10_000 },
    );
  });
});
