import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EscapeOptions, EscapeParser } from './parser.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Parts as `kind:content`, in which text and parts of strings are joined. */
function partsOf(pieces: readonly Uint8Array[], options: EscapeOptions = {}): string[] {
  const parts: string[] = [];
  let open: 'text' | 'string' | undefined;
  const add = (kind: string, content: string): void => {
    parts.push(`${kind}:${content}`);
  };
  const parser = new EscapeParser(
    {
      text: (units, from, to) => {
        const content = latin1(units.subarray(from, to));
        if (open === 'text') parts[parts.length - 1] += content;
        else add('text', content);
        open = 'text';
      },
      control: (code, _at, isInside) => {
        if (!isInside) open = undefined;
        if (!isInside) add('control', code.toString(16));
      },
      sequence: (units, from, to, end) => {
        open = undefined;
        add(end === 'whole' ? 'sequence' : end, latin1(units.subarray(from, to)));
      },
      string: (units, from, to, end) => {
        const content = latin1(units.subarray(from, to));
        if (open === 'string') parts[parts.length - 1] += content;
        else add('string', content);
        open = end === 'more' ? 'string' : undefined;
        if (end === 'cut' || end === 'interrupted') parts[parts.length - 1] += `<${end}>`;
      },
    },
    options,
  );
  for (const piece of pieces) parser.push(piece);
  parser.end();
  return parts;
}

const inOne = (text: string, options?: EscapeOptions): string[] => partsOf([bytesOf(text)], options);

/** Sequences whole and broken, and bytes that mean nothing. */
const hostile = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.string({ unit: 'binary', maxLength: 6 }).map(bytesOf),
      fc
        .constantFrom(
          ...[
            '\x1b[31m',
            '\x1b[',
            '\x1b',
            '\x1b]0;t\x07',
            '\x1b]',
            '\x1bP',
            '\x1b\\',
            '\x1b_x\x1b\\',
            '\x1b(B',
            '\x1b(',
          ],
          ...['\x9b', '\x9d', '\x9c', '\x90', '\x85', '\x07', '\x18', '\x1a', '\n', '\r', '\x7f', '\0', 'é', '漢', '©'],
        )
        .map(bytesOf),
    ),
    { maxLength: 24 },
  )
  .map((all) => Uint8Array.from(all.flatMap((one) => [...one])));

describe('the parser of escape sequences', () => {
  it.each<[string, string, string[]]>([
    [
      'text, controls and sequences',
      'a\x1b[1;31mb\n\x1b]0;t\x07\x1b(Bc',
      ['text:a', 'sequence:\x1b[1;31m', 'text:b', 'control:a', 'string:\x1b]0;t\x07', 'sequence:\x1b(B', 'text:c'],
    ],
    ['C1 controls in UTF-8', '\x9b2J©\x85', ['sequence:\xc2\x9b2J', 'text:\xc2\xa9', 'control:85']],
    [
      'ST in its three forms',
      '\x1b]a\x07\x1b]b\x1b\\\x9dc\x9c',
      ['string:\x1b]a\x07', 'string:\x1b]b\x1b\\', 'string:\xc2\x9dc\xc2\x9c'],
    ],
    ['BEL in a string that is no OSC', '\x1bPa\x07b\x1b\\', ['string:\x1bPa\x07b\x1b\\']],
    [
      'CAN and SUB',
      '\x1b[3\x18x\x1b]0;\x1ay',
      ['cut:\x1b[3', 'control:18', 'text:x', 'string:\x1b]0;<cut>', 'control:1a', 'text:y'],
    ],
    ['a control inside', '\x1b[3\n1m', ['sequence:\x1b[3\n1m']],
    [
      'another ESC',
      '\x1b[3\x1b[1m\x1b]0;t\x1b[2m',
      ['cut:\x1b[3', 'sequence:\x1b[1m', 'string:\x1b]0;t<interrupted>', 'sequence:\x1b[2m'],
    ],
    ['a character inside', '\x1b[3é\x1b(\x9b1m', ['cut:\x1b[3', 'text:\xc3\xa9', 'cut:\x1b(', 'sequence:\xc2\x9b1m']],
    ['no end', 'a\x1b]0;t', ['text:a', 'string:\x1b]0;t<cut>']],
    ['no character', 'a\x1b[', ['text:a', 'cut:\x1b[']],
  ])('reads %s', (_title, text, parts) => {
    expect(inOne(text)).toEqual(parts);
    expect(partsOf(Array.from(bytesOf(text), (byte) => Uint8Array.of(byte)))).toEqual(parts);
  });

  it('reads C1 controls of one unit, or none, and ends all strings with BEL, where an option says so', () => {
    const single = (units: readonly number[]): string[] => partsOf([Uint8Array.from(units)], { c1: 'single' });
    expect(single([0x9b, 0x33, 0x6d, 0xc2, 0x9d, 0x61, 0x9c, 0x85])).toEqual([
      'sequence:\x9b3m',
      'text:\xc2',
      'string:\x9da\x9c',
      'control:85',
    ]);
    expect(inOne('\x9b3m\x1b]a\x9cb\x07', { c1: 'none' })).toEqual(['text:\xc2\x9b3m', 'string:\x1b]a\xc2\x9cb\x07']);
    expect(inOne('\x1bPa\x07b', { bellEndsAll: true })).toEqual(['string:\x1bPa\x07', 'text:b']);
    expect(inOne('a\nb\x07\x1b[m', { controls: [7] })).toEqual(['text:a\nb', 'control:7', 'sequence:\x1b[m']);
  });

  it('gives the same parts for every cutting, with and without each handler, and never throws', () => {
    const options = fc.record({
      c1: fc.constantFrom('utf-8' as const, 'single' as const, 'none' as const),
      bellEndsAll: fc.boolean(),
      maxSequence: fc.constantFrom(8, 65_536),
      maxString: fc.constantFrom(12, Number.POSITIVE_INFINITY),
      controls: fc.constantFrom(undefined, [7], []),
    });
    fc.assert(
      fc.property(hostile, fc.array(fc.nat({ max: 40 })), options, (bytes, cuts, all) => {
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          pieces.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        pieces.push(bytes.subarray(at));
        const { controls, ...rest } = all;
        const options = { ...rest, ...(controls !== undefined && { controls }) };
        const whole = partsOf([bytes], options);
        expect(partsOf(pieces, options)).toEqual(whole);
        expect(
          partsOf(
            Array.from(bytes, (byte) => Uint8Array.of(byte)),
            options,
          ),
        ).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
  });

  it('loses and invents no byte', () => {
    fc.assert(
      fc.property(hostile, (bytes) => {
        const all: number[] = [];
        const inside: number[] = [];
        const add = (units: Uint8Array, from: number, to: number): void => {
          all.push(...units.subarray(from, to));
        };
        const control = (code: number, _at: number, isInside: boolean): void => {
          if (isInside) inside.push(code);
          else all.push(...(code < 0x80 ? [code] : [0xc2, code]));
        };
        const parser = new EscapeParser({ text: add, sequence: add, string: add, control }, { maxSequence: 8 });
        for (const byte of bytes) parser.push(Uint8Array.of(byte));
        parser.end();
        expect(all).toEqual([...bytes]);
      }),
      { numRuns: 1000 },
    );
  });

  it('tells the last position outside of sequences', () => {
    const parser = new EscapeParser({});
    const after = (text: string): [number, boolean] => {
      parser.push(bytesOf(text));
      return [parser.groundAt, parser.isGround];
    };
    expect(after('ab\x1b[3')).toEqual([2, false]);
    expect(after('\x1b]0;')).toEqual([2, false]);
    expect(after('t\x07')).toEqual([11, true]);
    expect(after('x\x1b[1m\x1b')).toEqual([16, false]);
  });

  it('stores a bounded part of an endless string, and gives up on it where it is limited', () => {
    const received: [number, string][] = [];
    const parser = new EscapeParser(
      {
        string: (_, from, to, end) => received.push([to - from, end]),
        text: (_, from, to) => received.push([to - from, 'text']),
      },
      { maxSequence: 100, maxString: 1000 },
    );
    parser.push(bytesOf('\x1b]'));
    for (let n = 0; n < 20; n += 1) parser.push(new Uint8Array(70).fill(0x78));
    expect(received.slice(0, 3)).toEqual([
      [102, 'more'],
      [40, 'more'],
      [70, 'more'],
    ]);
    expect(received.reduce((sum, [length]) => sum + length, 0)).toBe(2 + 20 * 70);
    expect(received.find(([, end]) => end === 'cut')).toBeDefined();
    expect(received.at(-1)).toEqual([70, 'text']);
  });

  it('ends a sequence around a control where the handler wants it', () => {
    const seen: string[] = [];
    const parser = new EscapeParser({
      text: (units, from, to, at) => seen.push(`${at}:${latin1(units.subarray(from, to))}`),
      control: (code, at) => {
        seen.push(`${at}:${code}`);
        return code === 10;
      },
    });
    parser.push(bytesOf('a\x1b[1\n2mb'));
    expect(seen).toEqual(['0:a', '4:10', '5:2mb']);
  });
});
