import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csiParts, EscapeTokenizer, MAX_SEQUENCE_BYTES, MAX_STRING_BYTES, stringParts, type Token } from './escapes.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const joined = (tokens: readonly Token[]): Buffer => Buffer.concat(tokens.map((token) => token.bytes));
const kinds = (text: string): string[] => {
  const escapes = new EscapeTokenizer();
  return [...escapes.feed(bytes(text)), ...escapes.end()].map((token) => `${token.kind}:${Buffer.from(token.bytes)}`);
};

/** Bytes that mean something, more often than chance would have them. */
const terminalBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\x1b[31m',
        '\x1b[?1049h',
        '\x1b]0;x\x07',
        '\x1b]52;c;eA==\x1b\\',
        '\x1bP+q\x1b\\',
        '\x1b(B',
        '\x1b',
        '\x9b2J',
        'ü',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    ),
  )
  .map((parts) => bytes(parts.join('')));

describe('cutting terminal output into tokens', () => {
  it('tells text, controls, CSI, strings and other escapes apart', () => {
    expect(kinds('a\x1b[1;31mb\n\x1b]0;t\x07\x1b(Bc')).toEqual([
      'text:a',
      'csi:\x1b[1;31m',
      'text:b',
      'control:\n',
      'string:\x1b]0;t\x07',
      'escape:\x1b(B',
      'text:c',
    ]);
  });

  it('knows the C1 forms that UTF-8 terminals obey, and leaves other characters alone', () => {
    expect(kinds('\u009b2Jé\u0085')).toEqual(['csi:\u009b2J', 'text:é', 'control:\u0085']);
    expect(kinds('\u009d0;x\u009c!')).toEqual(['string:\u009d0;x\u009c', 'text:!']);
  });

  it('loses and invents no byte, however the stream is cut', () => {
    fc.assert(
      fc.property(terminalBytes, fc.array(fc.nat({ max: 60 })), (stream, cuts) => {
        const escapes = new EscapeTokenizer();
        const tokens: Token[] = [];
        let at = 0;
        for (const length of cuts) {
          tokens.push(...escapes.feed(stream.subarray(at, at + length)));
          at += length;
        }
        tokens.push(...escapes.feed(stream.subarray(at)), ...escapes.end());
        expect(joined(tokens).equals(Buffer.from(stream))).toBe(true);
      }),
    );
  });

  it('finds the same sequences in one piece and byte by byte', () => {
    fc.assert(
      fc.property(terminalBytes, (stream) => {
        const whole = new EscapeTokenizer();
        const single = new EscapeTokenizer();
        const sequences = (tokens: readonly Token[]): string[] =>
          tokens
            .filter(({ kind }) => kind !== 'text')
            .map(({ kind, bytes }) => `${kind}:${Buffer.from(bytes).toString('hex')}`);
        const pieces = Array.from(stream, (byte) => single.feed(Uint8Array.of(byte))).flat();
        expect(sequences([...pieces, ...single.end()])).toEqual(sequences([...whole.feed(stream), ...whole.end()]));
      }),
    );
  });

  it('gives a long string out in pieces, and says so', () => {
    const stream = bytes(`\x1b]0;${'x'.repeat(2 * MAX_SEQUENCE_BYTES)}\x07behind`);
    const tokens = new EscapeTokenizer().feed(stream);
    expect(tokens.map(({ kind, continues }) => [kind, continues ?? false])).toEqual([
      ['string', false],
      ['string', true],
      ['string', true],
      ['text', false],
    ]);
    expect(Buffer.from(tokens.at(-1)?.bytes ?? []).toString()).toBe('behind');
    expect(joined(tokens).equals(Buffer.from(stream))).toBe(true);
  });

  it('does not take all that follows for a string that never ends', () => {
    const tokens = new EscapeTokenizer().feed(
      bytes(`\x1b]0;${'x'.repeat(MAX_STRING_BYTES + MAX_SEQUENCE_BYTES)}behind`),
    );
    expect(tokens.at(-1)?.kind).toBe('text');
    expect(Buffer.from(tokens.at(-1)?.bytes ?? []).toString()).toContain('behind');
  });

  it('breaks off any other sequence that is longer than may be held', () => {
    const tokens = new EscapeTokenizer().feed(bytes(`\x1b[${'1;'.repeat(MAX_SEQUENCE_BYTES)}m`));
    expect(tokens[0]?.kind).toBe('escape');
  });

  it('leaves controls inside of a sequence there, as terminals execute them and go on', () => {
    const [csi] = new EscapeTokenizer().feed(bytes('\x1b[5\r\n;1\x7fi'));
    expect(csi && [csi.kind, csiParts(csi)]).toEqual(['csi', { parameters: '5;1', final: 'i' }]);
  });

  it('reads the parts of a sequence', () => {
    const [csi, osc] = new EscapeTokenizer().feed(bytes('\x1b[?25l\x1b]8;;http://x\x1b\\'));
    expect(csi && csiParts(csi)).toEqual({ parameters: '?25', final: 'l' });
    expect(osc && stringParts(osc)).toEqual({ starter: ']', content: '8;;http://x' });
  });
});
