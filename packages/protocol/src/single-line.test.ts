import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { singleLine } from './single-line.ts';

describe('one line of untrusted text', () => {
  it.each([
    ['a bell and an override of the order', 'a\u0007b\u202ec', 'a b c'],
    ['marks and blanks without a width', 'a\u061cb\u200bc\u2028d\u2060e\ufeff', 'a b c d e'],
    ['line breaks', ' a\r\n\u2028b\u0007 ', 'a b'],
    ['C1 controls', 'a\u009b31mb\u0085c', 'a 31mb c'],
    ['a title of a terminal', 'a\u001b]0;x\u0007\u202eb\u200bc\n', 'a ]0;x b c'],
    ['isolates', 'a\u2066b\u2069c', 'a b c'],
    ['annotations and an object that is not there', 'a\ufff9b\ufffac\ufffbd\ufffc', 'a b c d'],
    ['blank letters', '\u2800\u2800\ufffc\u{1d159}\u{13441}', ''],
    ['fillers', 'a\u115fb\u1160c\uffa0d\u00ade', 'abcde'],
    ['rows of joiners and selectors', `Ada${'\u034f\u200d\u3164\ufe0f'.repeat(28)}!`, 'Ada!'],
    ['tags', 'a\u{e0041}\u{e0101}b', 'ab'],
    ['private characters', 'a\ue000b\u{f0000}c', 'a b c'],
    ['halves of characters', 'a\ud800b\udc00c', 'a b c'],
    ['second blank beside what is removed', 'a \u202eb\u200b c', 'a b c'],
    ['blanks around', ' \u200b a b \u3000', 'a b'],
  ])('has no %s', (_title, text, line) => expect(singleLine(text)).toBe(line));

  it.each(['👩\u200d🚀', '❤\ufe0f\u200d🔥 می\u200cخواهم क्\u200dष', 'Grüße, 日本語', 'שלום', '1\ufe0f\u20e3', 'a  b'])(
    'keeps what people write: %s',
    (text) => expect(singleLine(text)).toBe(text),
  );

  it('is cut between characters, with an ellipsis that counts or with none', () => {
    expect(singleLine('x'.repeat(200), { max: 200 })).toBe('x'.repeat(200));
    expect(singleLine('x'.repeat(201), { max: 200 })).toBe(`${'x'.repeat(199)}…`);
    expect(singleLine('😀'.repeat(101), { max: 100 })).toBe(`${'😀'.repeat(99)}…`);
    expect(singleLine('😀'.repeat(100), { max: 100 })).toBe('😀'.repeat(100));
    expect(singleLine('x'.repeat(9), { max: 4, ellipsis: '' })).toBe('xxxx');
  });

  it('has one space for a run of blanks, and another replacement, where that is wanted', () => {
    expect(singleLine('a \t b\n\n c', { collapses: true })).toBe('a b c');
    expect(singleLine('a\u202e\u0007b', { replacement: '·' })).toBe('a·b');
  });

  it('never has a break, a control or a mark of direction, and is the same when made again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat({ max: 40 }), (text, max) => {
        const line = singleLine(text, { max });
        expect(line).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
        expect([...line].length).toBeLessThanOrEqual(Math.max(1, max));
        expect(singleLine(singleLine(text))).toBe(singleLine(text));
      }),
      { numRuns: 500 },
    );
  });
});
