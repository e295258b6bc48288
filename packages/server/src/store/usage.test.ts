import { expect, it } from 'vitest';
import { boundedUsage, MAX_COST_USD, MAX_USAGE_TOKENS, sumOfUsage } from './usage.ts';

it('adds up what is known, and makes up nothing', () => {
  expect(sumOfUsage(null, null)).toBeNull();
  expect(sumOfUsage({}, null)).toBeNull();
  expect(sumOfUsage({ inputTokens: 5 }, { outputTokens: 2, costUsd: 0.1 })).toEqual({
    ...{ inputTokens: 5, outputTokens: 2, costUsd: 0.1 },
  });
  expect(sumOfUsage({ inputTokens: 0, costUsd: 0.1 }, { inputTokens: 7, costUsd: 0.2 })).toEqual({
    ...{ inputTokens: 7, costUsd: 0.3 },
  });
});

it('reads a row whose numbers are not all known', () => {
  expect(sumOfUsage(null, null)).toBeNull();
  expect(sumOfUsage(JSON.parse('{"inputTokens":null,"outputTokens":null,"costUsd":null}'), null)).toBeNull();
  expect(sumOfUsage(JSON.parse('{"inputTokens":3,"outputTokens":null,"costUsd":null}'), null)).toEqual({
    inputTokens: 3,
  });
});

it('takes no number that no run could have taken', () => {
  const most = { inputTokens: MAX_USAGE_TOKENS, outputTokens: 0, costUsd: MAX_COST_USD };
  expect(boundedUsage(most)).toEqual(most);
  for (const wrong of [-1, MAX_USAGE_TOKENS * 2, 1e300, Number.POSITIVE_INFINITY, Number.NaN, null, '5']) {
    expect(boundedUsage({ inputTokens: wrong as number, outputTokens: 3, costUsd: wrong as number })).toEqual({
      outputTokens: 3,
    });
  }
  expect(boundedUsage({ costUsd: MAX_COST_USD + 1 })).toEqual({});
});

it('adds up to a number that can be told, also to what older rows have', () => {
  const most = { inputTokens: MAX_USAGE_TOKENS, costUsd: MAX_COST_USD };
  expect(sumOfUsage(most, most)).toEqual(most);
  expect(sumOfUsage({ inputTokens: 2, costUsd: Number.POSITIVE_INFINITY }, { costUsd: 0.5 })).toEqual({
    ...{ inputTokens: 2, costUsd: 0.5 },
  });
  expect(sumOfUsage(JSON.parse('{"inputTokens":3,"costUsd":1e300}'), null)).toEqual({ inputTokens: 3 });
});
