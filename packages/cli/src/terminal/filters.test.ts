import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attachFilter, type Filter, MAX_SEQUENCE_BYTES, plainFilter } from './filters.ts';

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

/** Sequences that act on the desktop around the terminal: no session needs the desktop of a person who attaches. */
const DESKTOP = {
  'printing starts': '\x1b[5i',
  'printing of the screen': '\x1b[i',
  'printing, private': '\x1b[?5i',
  'window size': '\x1b[8;1;1t',
  'window size in lines': '\x1b[24t',
  'window size in pixels': '\x1b[4;10;10t',
  'window moves': '\x1b[3;0;0t',
  'window is an icon': '\x1b[2t',
  'window is maximised': '\x1b[9;1t',
  'a file of iTerm2': '\x1b]1337;File=name=eA==:AAAA\x07',
  'the clipboard of iTerm2': '\x1b]1337;Copy=:eA==\x1b\\',
  'iTerm2 with a zero in front': '\x1b]01337;StealFocus\x07',
  'C1 printing': '\u009b5i',
  'C1 command of iTerm2': '\u009d1337;StealFocus\u009c',
  'printing around a control': '\x1b[5\x0bi',
  'printing around DEL': '\x1b[5\x7fi',
  'a control in front of what iTerm2 is told': '\x1b\x00]1337;StealFocus\x07',
  'a control inside of what iTerm2 is told': '\x1b]13\x0137;StealFocus\x07',
  'C1 around a control': '\u009d\x001337;StealFocus\u009c',
  'a file of iTerm2 that is longer than may be held': `\x1b]1337;File=:${'A'.repeat(3 * MAX_SEQUENCE_BYTES)}\x07`,
};

/** Each was let through as harmless pieces, which the terminal put together again. */
const IN_PIECES = {
  'a query around a control': '\x1b[6\x0bn',
  'old identify around a control': '\x1b\x0bZ',
  'C1 identify': '\u009a',
  'a query with a zero in front': '\x1b[018t',
  'clipboard with a zero in front': '\x1b]052;c;eA==\x07',
  'clipboard behind a control': '\x1b\x00]52;c;eA==\x07',
  'clipboard around a control': '\x1b]5\x012;c;eA==\x07',
  'a colour that is asked for around a control': '\x1b]10;\x00?\x07',
  'a terminfo request behind a control': '\x1bP\x00+q544e\x1b\\',
  'clipboard behind a string that another query ended': '\x1b]\x1b[c',
  'a clipboard that is longer than may be held': `\x1b]52;c;${'A'.repeat(3 * MAX_SEQUENCE_BYTES)}\x07`,
};

describe('history on attach', () => {
  const replayFilter = (): Filter => attachFilter(true);

  it.each(Object.entries({ ...EFFECTS, ...DESKTOP, ...IN_PIECES }))('does not repeat: %s', (_, sequence) => {
    expect(through(replayFilter(), `a${sequence}b`)).toBe('ab');
  });

  it('does not repeat them either when they come byte by byte', () => {
    for (const [name, sequence] of Object.entries({ ...EFFECTS, ...DESKTOP, ...IN_PIECES })) {
      const filter = replayFilter();
      const bytes = Array.from(Buffer.from(`a${sequence}b`), (byte) => filter.push(Uint8Array.of(byte)));
      expect(Buffer.concat([...bytes, filter.end()]).toString(), name).toBe('ab');
    }
  });

  it('keeps the picture: movement, modes, titles, links, sixels', () => {
    const text =
      '\x1b[?1049h\x1b[2J\x1b[5;5H\x1b]0;title\x07\x1b]8;;http://x\x1b\\l\x1b]8;;\x1b\\\x1bPq#0~-\x1b\\\x1b[22;0t';
    expect(through(replayFilter(), text)).toBe(text);
  });

  it('keeps a long picture whole', () => {
    const text = `\x1bPq#0${'~-'.repeat(MAX_SEQUENCE_BYTES)}\x1b\\behind`;
    expect(through(replayFilter(), text)).toBe(text);
  });

  it.each([
    ['a colour', '\x1b[\x071m', '\x1b[1m'],
    ['C1 colour', '\u009b\x05\x071m', '\u009b1m'],
    ['a charset', '\x1b\x05(\x07B', '\x1b(B'],
    ['a title', '\x1b]0;t\x05itle\x1b\\', '\x1b]0;title\x1b\\'],
    ['a picture', '\x1bPq#0\x05~\x1b\\', '\x1bPq#0~\x1b\\'],
  ])('rings no bell and answers no enquiry inside of %s', (_, sequence, kept) => {
    expect(through(replayFilter(), `a${sequence}b`)).toBe(`a${kept}b`);
    const filter = replayFilter();
    const bytes = Array.from(Buffer.from(`a${sequence}b`), (byte) => filter.push(Uint8Array.of(byte)));
    expect(Buffer.concat([...bytes, filter.end()]).toString()).toBe(`a${kept}b`);
  });

  it('has no enquiry, and BEL only as the end of a string, whatever comes', () => {
    const unit = fc.constantFrom(
      '\x07',
      '\x05',
      '\x1b',
      '[',
      ']',
      'P',
      '0;',
      '1',
      'm',
      'H',
      '\n',
      '\x18',
      '\u009b',
      'é',
    );
    const pieces = fc.array(fc.oneof(unit, fc.string({ maxLength: 3 })), { maxLength: 24 });
    fc.assert(
      fc.property(pieces, (parts) => {
        const left = filtered(attachFilter(true), parts.map(bytesOf)).toString('latin1');
        expect(left).not.toContain('\x05');
        // biome-ignore lint/suspicious/noControlCharactersInRegex: strings that BEL ends
        expect(left.replace(/(?:\x1b|\xc2)[^\x07\x1b]*\x07/g, '')).not.toContain('\x07');
      }),
      { numRuns: 500 },
    );
  });

  it('keeps a line break that stands inside of a sequence which goes', () => {
    expect(through(replayFilter(), 'a\x1b[6\r\nnb')).toBe('a\r\nb');
  });
});

describe('live output on attach', () => {
  const liveFilter = (): Filter => {
    const filter = attachFilter(true);
    filter.goLive();
    return filter;
  };

  it.each(Object.entries(DESKTOP))('does not reach the terminal: %s', (_, sequence) => {
    expect(through(liveFilter(), `a${sequence}b`)).toBe('ab');
  });

  it.each(Object.entries(EFFECTS))('reaches the terminal: %s', (_, sequence) => {
    expect(through(liveFilter(), `a${sequence}b`)).toBe(`a${sequence}b`);
  });

  it('keeps titles that are saved and restored, and colours with a control inside', () => {
    const text = '\x1b[22;0t\x1b[23;0t\x1b[>2t\x1b[31\rmred';
    expect(through(liveFilter(), text)).toBe(text);
  });

  it('withholds what began in the history, too', () => {
    const filter = attachFilter(true);
    const history = filter.push(Buffer.from('a\x1b[5'));
    filter.goLive();
    expect(Buffer.concat([history, filter.push(Buffer.from('ib'))]).toString()).toBe('ab');
  });

  it('goes byte for byte where no terminal is', () => {
    const filter = attachFilter(false);
    filter.goLive();
    const bytes = Buffer.from(Object.values({ ...EFFECTS, ...DESKTOP, ...IN_PIECES }).join('x'));
    expect(Buffer.concat([filter.push(bytes), filter.end()]).equals(bytes)).toBe(true);
  });
});

describe('both filters', () => {
  it('leave nothing that they would remove, even where the bytes around a removed part make a C1 control', () => {
    const half = Buffer.from([0xc2, 0x00, 0x9b, 0x36, 0x6e]);
    expect([...plainFilter().push(half)]).toEqual([0xc2, 0x36, 0x6e]);
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.constantFrom(...Object.values({ ...EFFECTS, ...DESKTOP }), '\0', '\x18', '\x1b[', '\n', 'é').map(bytesOf),
      fc.constantFrom([0xc2], [0x9b], [0x9d], [0xe2, 0x80]).map((bytes) => Uint8Array.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        for (const make of [plainFilter, () => attachFilter(true)]) {
          const once = filtered(make(), pieces);
          expect(filtered(make(), [once]).toString('latin1')).toBe(once.toString('latin1'));
        }
      }),
      { numRuns: 500 },
    );
  });
});

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const filtered = (filter: Filter, pieces: readonly Uint8Array[]): Buffer =>
  Buffer.concat([...pieces.map((piece) => filter.push(piece)), filter.end()]);
