import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count } from '../../../../test/support/count.ts';
import { optionKind, optionLabel, visibleLine, visibleText } from './visible-text.ts';

/** What acts, hides or changes the order of what is around it; the line feed aside. */
const UNSEEN = /[^\P{C}\n]|(?! )\p{Z}|\p{Default_Ignorable_Code_Point}|\p{Me}|[\u2800\ufffc]/u;

const NAMES = new Map([
  ['NUL', 0x00],
  ['BEL', 0x07],
  ['BS', 0x08],
  ['TAB', 0x09],
  ['LF', 0x0a],
  ['VT', 0x0b],
  ['FF', 0x0c],
  ['CR', 0x0d],
  ['ESC', 0x1b],
  ['DEL', 0x7f],
]);
/** The way back: there is one only if nothing is lost and nothing looks like something else. */
const originalOf = (shown: string): string =>
  shown.replace(/⟨(?:U\+([0-9A-F]+)|([A-Z]+))⟩/g, (_, hex: string | undefined, name: string) =>
    String.fromCodePoint(hex === undefined ? (NAMES.get(name) ?? Number.NaN) : Number.parseInt(hex, 16)),
  );

const pieces = fc.constantFrom(
  '\x1b]',
  '\x1b[2K',
  '\x07',
  '\r',
  '\n',
  '\t',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u200d',
  '\u00ad',
  '\u2028',
  '\u{e0041}',
  '\ufe0f',
  '\u{e0100}',
  '\u0301',
  '\u0338',
  '\u20dd',
  '\u3164',
  '\u2800',
  '\u00a0',
  '\u3000',
  '\ud800',
  '\udc00',
  '⟨ESC⟩',
  '⟨U+202E⟩',
  '⟨',
  'e',
  'ส',
  '\u0e31',
  'א',
  '👩',
  ' rm -rf ',
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join('')),
);

describe('visible text', () => {
  it('is what was there, where all of it can be seen', () => {
    for (const plain of ['rm -rf ./build && echo "done"\n  next', 'Grüße, 日本語, Привет, नमस्ते, สวัสดี', 'e\u0301', '👍'])
      expect(visibleText(plain)).toBe(plain);
  });

  it('shows a sequence of a terminal, whether it has an end or not, and all that is in it', () => {
    expect(visibleText('true \x1b]; touch /tmp/x #\x07')).toBe('true ⟨ESC⟩]; touch /tmp/x #⟨BEL⟩');
    expect(visibleText('true \x1b]; a\nb')).toBe('true ⟨ESC⟩]; a\nb');
    expect(visibleText('rm -rf / #\rls   ')).toBe('rm -rf / #⟨CR⟩ls   ');
  });

  it('shows what changes the order, what nobody sees, and spaces that are none to a shell', () => {
    expect(visibleText('\u202e\u2066\u200b\u00ad\u2028\u{e0041}\ufe0f\u00a0\u2800\u3164\ud800')).toBe(
      '⟨U+202E⟩⟨U+2066⟩⟨U+200B⟩⟨U+00AD⟩⟨U+2028⟩⟨U+E0041⟩⟨U+FE0F⟩⟨U+00A0⟩⟨U+2800⟩⟨U+3164⟩⟨U+D800⟩',
    );
  });

  it('leaves a letter the marks that people write, and shows what would cover it or its neighbours', () => {
    expect(visibleText('e\u0323\u0302')).toBe('e\u0323\u0302');
    expect(visibleText('e\u0301\u0301\u0301')).toBe('e\u0301\u0301⟨U+0301⟩');
    expect(visibleText(';\u0301')).toBe(';⟨U+0301⟩');
    expect(visibleText('a\u0338b\u20dd')).toBe('a⟨U+0338⟩b⟨U+20DD⟩');
    expect(visibleText(`a${'\u0300'.repeat(1000)}`).match(/\u0300/g)).toHaveLength(2);
  });

  it('has no character that acts or hides, of all that there are', () => {
    for (let code = 0; code <= 0x10ffff; code += 1) {
      const char = String.fromCodePoint(code);
      const shown = visibleText(char);
      if (UNSEEN.test(shown) || originalOf(shown) !== char) expect.fail(`U+${code.toString(16)} is shown as ${shown}`);
    }
  });

  it('has none however they come together, and says exactly what the text was', () => {
    fc.assert(
      fc.property(text, (original) => {
        const shown = visibleText(original);
        expect(shown).not.toMatch(UNSEEN);
        expect(originalOf(shown)).toBe(original);
        expect(shown.split('\n')).toHaveLength(original.split('\n').length);
        expect(visibleLine(original)).not.toMatch(/\n/);
        expect(originalOf(visibleLine(original))).toBe(original);
      }),
      // A Korean letter, and one behind it that Unicode has not given out.
      { numRuns: count({ quick: 500, all: 3000 }), examples: [['\u1200\ud7c7']] },
    );
  });

  it('is never taken for a sign by being written like one', () => {
    expect(visibleText('⟨ESC⟩')).toBe('⟨U+27E8⟩ESC⟨U+27E9⟩');
    expect(visibleLine('a\nb')).toBe('a⟨LF⟩b');
  });
});

describe('the label of an answer', () => {
  it.each([
    ['Allow', 'allow_once'],
    ['Yes', 'allow_once'],
    ['Allow once', 'allow_once'],
    ['Always allow', 'allow_always'],
    ['Yes, always', 'allow_always'],
    ['Allow for this conversation', 'allow_always'],
    ['Always allow commands that begin with: git push', 'allow_always'],
    ['Deny', 'deny_once'],
    ['No', 'deny_once'],
    ['Reject', 'deny_once'],
    ['Never allow example.com', 'deny_always'],
  ] as const)('stands alone where it says what it does: %s', (label, kind) => {
    expect(optionLabel({ label, kind })).toBe(label);
  });

  it.each([
    ['Deny', 'allow_always', 'Allow always: “Deny”'],
    ['Allow', 'deny_once', 'Deny: “Allow”'],
    ['Allow', 'allow_always', 'Allow always: “Allow”'],
    ['Always allow', 'allow_once', 'Allow once: “Always allow”'],
    ['Allow nothing, deny', 'allow_once', 'Allow once: “Allow nothing, deny”'],
    ['No', 'deny_always', 'Deny always: “No”'],
    ['', 'allow_once', 'Allow once: “”'],
    ['Go on', 'allow_once', 'Allow once: “Go on”'],
    ['D\u0435ny', 'allow_always', 'Allow always: “D\u0435ny”'],
    ['Allow  [n] Deny', 'allow_once', 'Allow once: “Allow  [n] Deny”'],
    ['Deny\x1b[2K\nxx', 'deny_once', 'Deny: “Deny⟨ESC⟩[2K⟨LF⟩xx”'],
  ] as const)('is behind our own word where it does not: %j for %s', (label, kind, shown) => {
    expect(optionLabel({ label, kind })).toBe(shown);
    expect(shown).toContain(optionKind({ kind }));
  });

  it('never says only the opposite, whatever it is', () => {
    const label = fc.oneof(text, fc.array(fc.constantFrom('Allow', 'Deny', 'always', 'no', ' ', 'never')).map(String));
    const kind = fc.constantFrom('allow_once', 'allow_always', 'deny_once', 'deny_always');
    fc.assert(
      fc.property(label, kind, (labelText, what) => {
        const shown = optionLabel({ label: labelText, kind: what });
        expect(shown).toMatch(what.startsWith('allow') ? /^(always )?(allow|yes|accept|approve|permit)/i : /^(d|n|r)/i);
      }),
    );
  });
});
