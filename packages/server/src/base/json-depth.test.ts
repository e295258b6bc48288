import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDeeperThan, MAX_JSON_DEPTH, parseShallowJson } from './json-depth.ts';

/** Of parsed JSON. */
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

describe('the depth of JSON', () => {
  it('is that of what it parses to, whatever its texts hold', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 6, noUnicodeString: false }),
        fc.nat(8),
        fc.boolean(),
        (value, levels, pretty) => {
          const text = JSON.stringify(value, null, pretty ? 2 : 0);
          expect(isDeeperThan(Buffer.from(text), levels)).toBe(depthOf(value) > levels);
        },
      ),
      { numRuns: 500, examples: [[{ 'a"[{\\': ['\\', '\\"', '[[[['] }, 2, false]] },
    );
  });

  it('of what is no JSON is known before it is parsed', () => {
    expect(isDeeperThan(Buffer.from('['.repeat(2_000_000)), 100)).toBe(true);
    expect(isDeeperThan(Buffer.from(`"${'['.repeat(2_000_000)}`), 100)).toBe(false);
    expect(isDeeperThan(Buffer.from(']]]][[[['), 3)).toBe(false);
  });
});

it('JSON of clients is parsed up to a depth', () => {
  const nested = (levels: number) => Buffer.from(`${'['.repeat(levels)}1${']'.repeat(levels)}`);
  expect(JSON.stringify(parseShallowJson(nested(MAX_JSON_DEPTH)))).toBe(nested(MAX_JSON_DEPTH).toString());
  for (const bytes of [nested(MAX_JSON_DEPTH + 1), Buffer.from('['.repeat(1_500_000)), Buffer.from('{')]) {
    expect(() => parseShallowJson(bytes)).toThrow(SyntaxError);
  }
});
