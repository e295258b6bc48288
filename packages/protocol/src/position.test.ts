import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BinnacleError } from './codes.ts';
import { comparePositions, type Epoch, formatPosition, parseEpoch, parseOffset, parsePosition } from './position.ts';

const MOST = Number.MAX_SAFE_INTEGER;
const count = fc.oneof(fc.nat(1_000), fc.integer({ min: 0, max: MOST }), fc.constantFrom(0, MOST));
const epoch = fc.stringMatching(/^[a-z0-9]{1,32}$/) as fc.Arbitrary<Epoch>;
const position = fc.record({ epoch, place: count, offset: count });

const codeOf = (act: () => unknown): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof BinnacleError ? error.code : 'not a BinnacleError';
  }
};

describe('positions', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(position, (at) => {
        expect(parsePosition(formatPosition(at))).toEqual(at);
      }),
    );
  });

  it('have one spelling: what is accepted is what would be written', () => {
    const near = fc.stringMatching(/^[a-zA-Z0-9]{0,34}[.,]?[0-9a-zA-Z]{0,13}[.]?[0-9a-zA-Z+-]{0,13}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        if (codeOf(() => parsePosition(text)) === undefined) expect(formatPosition(parsePosition(text))).toBe(text);
        else expect(codeOf(() => parsePosition(text))).toBe('bad_position');
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    '',
    '.',
    '..',
    'e1',
    'e1.0',
    'e1.0.',
    'e1..0',
    '.0.0',
    'e1.0.0.0',
    'e1.00.0',
    'e1.0.01',
    'e1.-1.0',
    'e1.0.-1',
    'E1.0.0',
    'e1.A.0',
    'e1.0.0 ',
    ' e1.0.0',
    'e1.0.0\n',
    'e1.1e9_.0',
    `e1.0.${(2 ** 53).toString(36)}`,
    'e1.zzzzzzzzzzz.0',
    'e1.0.NaN!',
    `${'e'.repeat(33)}.0.0`,
  ])('are not read from %j', (text) => {
    expect(codeOf(() => parsePosition(text))).toBe('bad_position');
  });

  it('are in order by place, then offset, and only within one epoch', () => {
    const at = (place: number, offset: number, name = 'a') => ({ epoch: name as Epoch, place, offset });
    expect(comparePositions(at(1, 9), at(2, 0))).toBeLessThan(0);
    expect(comparePositions(at(2, 1), at(2, 0))).toBeGreaterThan(0);
    expect(comparePositions(at(2, 1), at(2, 1))).toBe(0);
    expect(codeOf(() => comparePositions(at(1, 1), at(1, 1, 'b')))).toBe('wrong_epoch');
  });

  it('have epochs of small letters and digits', () => {
    expect(parseEpoch('0a9z')).toBe('0a9z');
    for (const text of ['', 'A', 'a.b', 'a b', 'a'.repeat(33)])
      expect(codeOf(() => parseEpoch(text))).toBe('bad_position');
  });
});

describe('offsets', () => {
  it.each([
    ['0', 0],
    ['1', 1],
    ['4096', 4096],
    ['4294967296', 2 ** 32],
    ['9007199254740991', MOST],
  ])('%s is %i', (text, value) => {
    expect(parseOffset(text)).toBe(value);
  });

  it.each([
    '',
    ' ',
    '12abc',
    '-1',
    '-0',
    '+1',
    '1e9',
    'NaN',
    'Infinity',
    '0x10',
    '0b1',
    '1.0',
    '1.5',
    '1_000',
    '1,000',
    ' 1',
    '1 ',
    '1\n',
    '01',
    '00',
    '9007199254740992',
    '9007199254740993',
    '99999999999999999999',
    '１２',
    'null',
  ])('%j is none', (text) => {
    expect(codeOf(() => parseOffset(text))).toBe('bad_offset');
  });

  it('come back as they were written, and nothing else is accepted', () => {
    fc.assert(
      fc.property(count, (value) => {
        expect(parseOffset(String(value))).toBe(value);
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[ +-]?[0-9a-fxeE._]{0,20}$/)), (text) => {
        if (codeOf(() => parseOffset(text)) === undefined) expect(String(parseOffset(text))).toBe(text);
        else expect(codeOf(() => parseOffset(text))).toBe('bad_offset');
      }),
      { numRuns: 1_000 },
    );
  });
});
