import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireFault } from '../../base/frame-reader.ts';
import { parseFromPlugin } from './messages.ts';

const MOST = { values: 1000, keys: 100 };
const call = (params: unknown): string => JSON.stringify({ t: 'call', id: 7, method: 'net', params });
const answer = (result: unknown): string => JSON.stringify({ t: 'answer', id: 9, result });

describe('a frame of a plugin', () => {
  it('is read while there is as much in it as may be', () => {
    const params = new Array(990).fill(0);
    expect(parseFromPlugin(call(params), MOST).frame).toEqual({ t: 'call', id: 7, method: 'net', params });
  });

  it.each([
    ['values', new Array(1001).fill(0)],
    ['lists', new Array(1001).fill([])],
    ['values far down', { a: { b: [new Array(1001).fill('')] } }],
    ['keys', Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, 0]))],
    ['keys of many objects', Array.from({ length: 101 }, () => ({ a: 0 }))],
  ])('is not parsed with too many %s, and it is known what it was', (_, much) => {
    expect(parseFromPlugin(call(much), MOST).frame).toEqual({ t: 'too_many', of: 'call', id: 7 });
    expect(parseFromPlugin(answer(much), MOST).frame).toEqual({ t: 'too_many', of: 'answer', id: 9 });
  });

  it('is not parsed at all beyond that: what comes behind is not even JSON', () => {
    const torn = `${call(new Array(2000).fill(0)).slice(0, -2)},{{{`;
    expect(parseFromPlugin(torn, MOST).frame).toEqual({ t: 'too_many', of: 'call', id: 7 });
  });

  it('is a fault with too much in it where it is none that we answer, or says what it is too late', () => {
    const much = new Array(2000).fill(0);
    for (const frame of [
      { t: 'ready', methods: [], offers: much },
      { params: much, t: 'call', id: 7, method: 'net' },
      { t: 'call', params: much, id: 7, method: 'net' },
      much,
    ]) {
      expect(() => parseFromPlugin(JSON.stringify(frame), MOST)).toThrow(WireFault);
    }
  });

  it.each([
    ['lists', '[', ']'],
    ['objects', '{"a":', '}'],
  ])('is a fault nested too deep in %s, however many there are', (_, begin, end) => {
    const nested = (depth: number): string =>
      `{"t":"call","id":7,"method":"net","params":${begin.repeat(depth)}0${end.repeat(depth)}}`;
    const most = { values: 1000, keys: 1000 };
    expect(parseFromPlugin(nested(99), most).frame).toMatchObject({ t: 'call' });
    for (const depth of [100, 100_000]) expect(() => parseFromPlugin(nested(depth), most)).toThrow(/deeper than 100/);
    const flat = JSON.stringify({ t: 'answer', id: 1, result: new Array(300).fill([]) });
    expect(parseFromPlugin(flat, MOST).frame).toMatchObject({ t: 'answer' });
  });

  it('has as many characters in a text as fit: what looks like a list there is none', () => {
    for (const text of ['[,{:'.repeat(5000), '\\'.repeat(5000), '\\"[,'.repeat(5000), '"', '\\', '\\"', '']) {
      const params = { [text]: [text, text] };
      expect(parseFromPlugin(call(params), MOST).frame).toMatchObject({ params });
    }
  });

  it('is counted as it is parsed', () => {
    const count = (value: unknown): { values: number; keys: number } => {
      if (typeof value !== 'object' || value === null) return { values: 1, keys: 0 };
      const inner = Object.values(value).map(count);
      const keys = Array.isArray(value) ? 0 : inner.length;
      return inner.reduce((sum, one) => ({ values: sum.values + one.values, keys: sum.keys + one.keys }), {
        values: 1,
        keys,
      });
    };
    fc.assert(
      fc.property(fc.jsonValue(), (params) => {
        const json = call(params);
        let clean: unknown;
        try {
          clean = parseFromPlugin(json, { values: 1e6, keys: 1e6 });
        } catch {
          return; // A key of a prototype.
        }
        const { values, keys } = count(JSON.parse(json));
        // What is empty has no comma in it: never less than there is, and at most one more for each list and object.
        const cleanValues = (clean as { values: number }).values;
        expect(cleanValues).toBeGreaterThanOrEqual(values);
        expect(cleanValues).toBeLessThanOrEqual(2 * values);
        expect(parseFromPlugin(json, { values: 1e6, keys }).frame).toMatchObject({ t: 'call' });
        if (keys > 0) expect(parseFromPlugin(json, { values: 1e6, keys: keys - 1 }).frame.t).toBe('too_many');
      }),
      { numRuns: 500 },
    );
  });
});
