import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeOutput, OUTPUT_HEADER_BYTES, positionAfter, uuidBytes, uuidText, writeOutputHeader } from './codec.ts';
import { BinnacleError } from './codes.ts';
import { KINDS, kindName } from './entry.ts';
import { parseServerFrame } from './frames.ts';
import type { Epoch } from './position.ts';
import { isSessionId, type SessionId } from './session.ts';

const id = fc.uuid() as fc.Arbitrary<string> as fc.Arbitrary<SessionId>;
const count = fc.oneof(
  fc.nat(10_000),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER),
);
const kind = fc.constantFrom('tty', 'stdout', 'stderr');

function encode(frame: {
  session: SessionId;
  kind: 'tty' | 'stdout' | 'stderr';
  offset: number;
  place: number;
  bytes: Uint8Array;
}): Uint8Array {
  const data = new Uint8Array(OUTPUT_HEADER_BYTES + frame.bytes.length);
  writeOutputHeader(data, { ...frame, sessionBytes: uuidBytes(frame.session) });
  data.set(frame.bytes, OUTPUT_HEADER_BYTES);
  return data;
}

const SOME: SessionId = '0192f0c1-2b3d-7e4f-8a5b-6c7d8e9fa0b1' as SessionId;
const frame = { session: SOME, kind: 'tty', offset: 5, place: 40, bytes: Uint8Array.of(1, 2, 3) } as const;

const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof BinnacleError ? error.code : 'not a BinnacleError';
  }
};

describe('output frames', () => {
  it('come back as they were written, also from the middle of a larger buffer', () => {
    fc.assert(
      fc.property(id, kind, count, count, fc.uint8Array({ maxLength: 200 }), fc.nat(40), (...values) => {
        const [session, kind, offset, place, bytes, before] = values;
        const data = encode({ session, kind: kind as 'tty', offset, place, bytes });
        const larger = new Uint8Array(before + data.length + 7).fill(0xee);
        larger.set(data, before);
        const read = decodeOutput(larger.subarray(before, before + data.length));
        expect(read).toEqual({ session, kind, offset, place, bytes });
      }),
    );
  });

  it('say where to go on', () => {
    expect(positionAfter(decodeOutput(encode(frame)), 'e1' as Epoch)).toEqual({ epoch: 'e1', place: 40, offset: 8 });
  });

  it('may be empty, and are refused when the header is cut at any byte', () => {
    const data = encode({ ...frame, bytes: new Uint8Array() });
    expect(decodeOutput(data).bytes).toHaveLength(0);
    for (let length = 0; length < OUTPUT_HEADER_BYTES; length += 1)
      expect(codeOf(() => decodeOutput(data.subarray(0, length)))).toBe('protocol_error');
  });

  it('are refused with another version, and with a kind that is no output', () => {
    for (let value = 0; value < 256; value += 1) {
      const version = encode(frame);
      version[0] = value;
      expect(codeOf(() => decodeOutput(version))).toBe(value === 1 ? undefined : 'protocol_error');
      const other = encode(frame);
      other[1] = value;
      expect(codeOf(() => decodeOutput(other))).toBe(value >= 1 && value <= 3 ? undefined : 'protocol_error');
    }
  });

  it('never throw anything but protocol_error on garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
        expect([undefined, 'protocol_error']).toContain(codeOf(() => decodeOutput(data)));
      }),
    );
  });
});

describe('session ids', () => {
  it('come back from their bytes', () => {
    fc.assert(
      fc.property(id, (text) => {
        expect(uuidText(uuidBytes(text))).toBe(text);
      }),
    );
  });

  it.each(['', 'x', SOME.toUpperCase(), SOME.slice(1), `${SOME}0`, SOME.replaceAll('-', ''), `../${SOME}`])(
    'are not %j',
    (text) => {
      expect(isSessionId(text)).toBe(false);
    },
  );
});

describe('kinds', () => {
  it('keep their numbers: they are in stored logs', () => {
    expect(KINDS).toEqual({
      tty: 1,
      stdout: 2,
      stderr: 3,
      input: 4,
      resize: 5,
      signal: 6,
      exit: 7,
      closed: 8,
      event: 9,
    });
    for (const [name, number] of Object.entries(KINDS)) expect(kindName(number)).toBe(name);
    for (const number of [0, 10, 255, -1]) expect(kindName(number)).toBeUndefined();
  });
});

describe('server frames', () => {
  it('are read from JSON with t and seq', () => {
    expect(parseServerFrame('{"seq":1,"t":"ping","time":5}')).toEqual({ seq: 1, t: 'ping', time: 5 });
  });

  it.each(['null', '1', '"x"', '[]', '{}', '{"t":"ping"}', '{"seq":1}', '{"t":1,"seq":1}'])('are not %s', (text) => {
    expect(codeOf(() => parseServerFrame(text))).toBe('protocol_error');
  });
});
