import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Gestures, inputKind } from './input-kind.ts';

const AUTO: readonly [string, string][] = [
  ['DA1', '\x1b[?1;2c'],
  ['DA1 with colours and sixel', '\x1b[?62;4;6;22c'],
  ['DA2', '\x1b[>0;276;0c'],
  ['DA3', '\x1bP!|00000000\x1b\\'],
  ['XTVERSION', '\x1bP>|xterm.js(6.0.0)\x1b\\'],
  ['DSR 5', '\x1b[0n'],
  ['DSR 6', '\x1b[24;80R'],
  ['DECXCPR', '\x1b[?24;80R'],
  ['DECXCPR with page', '\x1b[?24;80;1R'],
  ['colour scheme report', '\x1b[?997;1n'],
  ['DECRPM, private', '\x1b[?2026;2$y'],
  ['DECRPM, ANSI', '\x1b[4;2$y'],
  ['DECRQSS', '\x1bP1$r0m\x1b\\'],
  ['XTGETTCAP', '\x1bP1+r524742=38\x1b\\'],
  ['OSC 4', '\x1b]4;1;rgb:cccc/0000/0000\x1b\\'],
  ['OSC 10', '\x1b]10;rgb:ffff/ffff/ffff\x1b\\'],
  ['OSC 11 with BEL', '\x1b]11;rgb:0000/0000/0000\x07'],
  ['OSC 52 read', '\x1b]52;c;c2VjcmV0\x07'],
  ['title report', '\x1b]lrm -rf /\x1b\\'],
  ['window size', '\x1b[8;24;80t'],
  ['cell size', '\x1b[6;17;8t'],
  ['kitty keyboard flags', '\x1b[?1u'],
  ['kitty graphics', '\x1b_Gi=31;OK\x1b\\'],
  ['focus in', '\x1b[I'],
  ['focus out', '\x1b[O'],
];

const TEXT: readonly [string, string][] = [
  ['a letter', 'a'],
  ['Enter', '\r'],
  ['Ctrl-C', '\x03'],
  ['Escape', '\x1b'],
  ['Alt-b', '\x1bb'],
  ['Alt-Shift-P', '\x1bP'],
  ['Alt-]', '\x1b]'],
  ['Alt-_', '\x1b_'],
  ['Alt-[', '\x1b['],
  ['Alt-Shift-O', '\x1bO'],
  ['Up', '\x1b[A'],
  ['Up in application mode', '\x1bOA'],
  ['Ctrl-Right', '\x1b[1;5C'],
  ['Home', '\x1b[H'],
  ['Delete', '\x1b[3~'],
  ['F1', '\x1bOP'],
  ['F3 in application mode', '\x1bOR'],
  ['F5', '\x1b[15~'],
  ['Shift-Tab', '\x1b[Z'],
  ['a paste in brackets', '\x1b[200~rm\x1b[201~'],
  ['words', 'naïve 🧭'],
];

describe('inputKind', () => {
  it.each(AUTO)('takes %s for an answer of the emulator', (_name, data) => {
    expect(inputKind(data)).toBe('auto');
  });

  it.each(TEXT)('takes %s for typed', (_name, data) => {
    expect(inputKind(data)).toBe('text');
  });

  it.each(['\x1b[<0;10;5M', '\x1b[<64;10;5m', '\x1b[M !!', '\x1b[35;10;5M'])('takes %j for the pointer', (data) => {
    expect(inputKind(data)).toBe('pointer');
  });

  it('takes anything that does not begin with an escape for typed', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.startsWith('\x1b'));
        expect(inputKind(text)).toBe('text');
      }),
    );
  });

  it('takes every cursor report for an answer', () => {
    fc.assert(
      fc.property(fc.nat(65535), fc.nat(65535), fc.boolean(), (row, column, secret) => {
        expect(inputKind(`\x1b[${secret ? '?' : ''}${row};${column}R`)).toBe('auto');
      }),
    );
  });
});

describe('Gestures', () => {
  it('knows Shift-F3 from the cursor report that looks the same, once', () => {
    const gestures = new Gestures();
    gestures.pressed(1, '\x1b[1;2R');
    expect(gestures.sort('\x1b[1;2R')).toBe('text');
    expect(gestures.sort('\x1b[1;2R')).toBe('auto');
  });

  it('takes the arrows that a wheel makes for the pointer, until the next key', () => {
    const gestures = new Gestures();
    gestures.typed(1);
    gestures.pointed(2);
    expect(gestures.sort('\x1bOA')).toBe('pointer');
    gestures.pressed(3, '\x1bOA');
    expect(gestures.sort('\x1bOA')).toBe('text');
    gestures.typed(4);
    expect(gestures.sort('pasted')).toBe('text');
  });
});
