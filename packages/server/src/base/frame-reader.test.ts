import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, WireFault } from './frame-reader.ts';

const MAX_BYTES = 300;

function frameOf(body: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length, 0);
  return Buffer.concat([head, body]);
}

const body = fc.uint8Array({ minLength: 1, maxLength: MAX_BYTES });

describe('a reader of frames', () => {
  it('gives each frame as it was sent, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(body, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 400 })), (bodies, sizes) => {
        const frames: Buffer[] = [];
        const reader = new FrameReader(MAX_BYTES, (bytes, start, end) =>
          frames.push(Buffer.from(bytes.subarray(start, end))),
        );
        const stream = Buffer.concat(bodies.map(frameOf));
        let at = 0;
        for (const size of [...sizes, stream.length]) {
          reader.push(stream.subarray(at, at + size));
          at += size;
        }
        expect(frames).toEqual(bodies.map((bytes) => Buffer.from(bytes)));
      }),
    );
  });

  it.each([
    ['longer than the limit', MAX_BYTES + 1],
    ['empty', 0],
  ])('refuses a frame that is %s, before its bytes arrive', (_, length) => {
    const reader = new FrameReader(MAX_BYTES, () => expect.unreachable());
    const head = frameOf(new Uint8Array(length)).subarray(0, 4);
    reader.push(head.subarray(0, 3));
    expect(() => reader.push(head.subarray(3))).toThrow(WireFault);
  });

  it('passes on what its listener throws', () => {
    const reader = new FrameReader(MAX_BYTES, () => {
      throw new Error('no JSON');
    });
    expect(() => reader.push(frameOf(Buffer.from('x')))).toThrow('no JSON');
  });
});
