import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { incompleteBytes, TextCutter } from './text-decoder.ts';

const SAMPLE = Buffer.from('aé€😀߿ࠀ\uffff𐀀\u{10ffff}z');
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/** Bytes that are likely to be the beginning, the inside or a wrong part of a character. */
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0x9f, 0xa0, 0xed, 0xef, 0xbb, 0xf0, 0x90, 0x8f, 0xf4, 0xf5, 0xff),
);
const bytes = fc.oneof(
  fc.array(byte, { maxLength: 60 }).map((list) => Uint8Array.from(list)),
  fc.string({ unit: 'binary', maxLength: 30 }).map((text) => Uint8Array.from(Buffer.from(text))),
);

describe('text', () => {
  it('holds back the beginning of a character, cut at any byte', () => {
    for (let at = 0; at <= SAMPLE.length; at++) {
      const cutter = new TextCutter();
      const first = cutter.cut('tty', SAMPLE.subarray(0, at));
      expect(first.text).not.toContain('�');
      expect(Buffer.byteLength(first.text) + first.incomplete).toBe(at);
      expect(first.text + cutter.cut('tty', SAMPLE.subarray(at)).text).toBe(SAMPLE.toString());
    }
  });

  it('comes byte by byte as whole characters', () => {
    const cutter = new TextCutter();
    const pieces = [...SAMPLE].map((one) => cutter.cut('tty', Uint8Array.of(one)).text);
    expect(pieces.filter((piece) => piece !== '')).toEqual([...SAMPLE.toString()]);
  });

  it('keeps the streams apart', () => {
    const cutter = new TextCutter();
    const euro = Buffer.from('€');
    const smile = Buffer.from('😀');
    expect(cutter.cut('stdout', euro.subarray(0, 2))).toEqual({ text: '', incomplete: 2 });
    expect(cutter.cut('stderr', smile.subarray(0, 3))).toEqual({ text: '', incomplete: 3 });
    expect(cutter.cut('stdout', euro.subarray(2)).text).toBe('€');
    expect(cutter.cut('stderr', smile.subarray(3)).text).toBe('😀');
  });

  it('says U+FFFD at once for what can be no character, and for what is left at the end', () => {
    const cutter = new TextCutter();
    for (const wrong of [
      [0xff],
      [0xc0],
      [0xc1],
      [0xf5],
      [0x80],
      [0xe0, 0x80],
      [0xed, 0xa0],
      [0xf0, 0x8f],
      [0xf4, 0x90],
    ]) {
      const { text, incomplete } = cutter.cut('tty', Uint8Array.from(wrong));
      expect({ wrong, text, incomplete }).toEqual({ wrong, text: decode(Uint8Array.from(wrong)), incomplete: 0 });
    }
    expect(cutter.cut('tty', Uint8Array.of(0xe2, 0x82)).incomplete).toBe(2);
    expect(cutter.flush('tty')).toBe('�');
    expect(cutter.flush('tty')).toBe('');
  });

  it('keeps a byte order mark, which is a character like others', () => {
    const cutter = new TextCutter();
    expect(cutter.cut('tty', Buffer.from('\ufeffx')).text).toBe('\ufeffx');
  });

  it('is what a decoder makes of the whole, wherever it is cut', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(60), { maxLength: 12 }), (all, cuts) => {
        const cutter = new TextCutter();
        let text = '';
        let sent = 0;
        let from = 0;
        for (const to of [...cuts, all.length].map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b)) {
          const piece = cutter.cut('tty', all.subarray(from, to));
          from = to;
          text += piece.text;
          sent = to - piece.incomplete;
          expect(piece.incomplete).toBeLessThanOrEqual(3);
          // What was sent so far is exactly the text of the bytes before the incomplete character.
          expect(text).toBe(decode(all.subarray(0, sent)));
        }
        expect(text + cutter.flush('tty')).toBe(decode(all));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never holds back what is decided already', () => {
    fc.assert(
      fc.property(bytes, (all) => {
        const incomplete = incompleteBytes(all);
        // As a streaming decoder sees it: what it gives back only at the end is what must wait.
        const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
        const now = decoder.decode(all, { stream: true });
        expect(decode(all.subarray(0, all.length - incomplete))).toBe(now);
      }),
      { numRuns: 2_000 },
    );
  });
});
