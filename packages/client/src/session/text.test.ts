import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttachmentEvent } from './attachment.ts';
import { TextReader, textOf } from './text.ts';

const output = (kind: 'stdout' | 'stderr', bytes: Uint8Array): AttachmentEvent => ({
  type: 'output',
  kind,
  offset: 0,
  bytes,
  position: '',
});

async function* each<T>(list: T[]): AsyncGenerator<T> {
  yield* list;
}

describe('text', () => {
  it('is the same wherever the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.array(fc.nat(300), { maxLength: 20 }),
        (text, cuts) => {
          const bytes = new TextEncoder().encode(text);
          const reader = new TextReader();
          const at = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
          let got = '';
          let begin = 0;
          for (const end of at) {
            got += reader.read('tty', bytes.subarray(begin, end));
            begin = end;
          }
          got += reader
            .flush()
            .map((piece) => piece.text)
            .join('');
          expect(got).toBe(text);
        },
      ),
    );
  });

  it('keeps characters of stdout and stderr apart when they interleave', async () => {
    const euro = new TextEncoder().encode('€');
    const events = [
      output('stdout', euro.subarray(0, 1)),
      output('stderr', euro.subarray(0, 2)),
      output('stdout', euro.subarray(1)),
      output('stderr', euro.subarray(2)),
    ];
    const pieces = [];
    for await (const piece of textOf(each(events))) pieces.push(piece);
    expect(pieces).toEqual([
      { kind: 'stdout', text: '€' },
      { kind: 'stderr', text: '€' },
    ]);
  });

  it('shows what never became a character, at a gap and at the end', async () => {
    const half = Uint8Array.of(0xe2, 0x82);
    const events: AttachmentEvent[] = [
      output('stdout', half),
      { type: 'gap', from: 2, to: 9, reason: 'retention', position: '' },
      output('stdout', Uint8Array.of(0x41, 0xff)),
      output('stdout', half),
    ];
    let text = '';
    for await (const piece of textOf(each(events))) text += piece.text;
    expect(text).toBe('\ufffdA\ufffd\ufffd');
  });
});
