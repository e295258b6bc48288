// What runs of a conversation took, added up. Pure.

import type { Usage } from '@binnacle/protocol';

/** More than any run takes, and than all of a conversation do; what tells more is broken or lies. */
export const MAX_TOKENS = 1e15;
export const MAX_COST_USD = 1e9;

const MOST: Readonly<Record<keyof Usage, number>> = {
  inputTokens: MAX_TOKENS,
  outputTokens: MAX_TOKENS,
  costUsd: MAX_COST_USD,
};
const NAMES = Object.keys(MOST) as readonly (keyof Usage)[];

/** Sums of fractions of a cent would else grow tails of digits. */
const COST_STEPS = 1e9;

/** What an agent told, without what no run can have taken: that is as if it were not told. */
export function boundedUsage(told: Readonly<Partial<Record<keyof Usage, unknown>>>): Usage {
  // Not with NaN either.
  const isPossible = (name: keyof Usage): boolean => {
    const value = told[name];
    return typeof value === 'number' && value >= 0 && value <= MOST[name];
  };
  return Object.fromEntries(NAMES.filter(isPossible).map((name) => [name, told[name]])) as Usage;
}

/** Of each number what is known; null where nothing is. */
export function sumOfUsage(one: Usage | null, other: Usage | null): Usage | null {
  const [a, b] = [boundedUsage(one ?? {}), boundedUsage(other ?? {})];
  const sum = (name: keyof Usage): number | undefined =>
    a[name] === undefined && b[name] === undefined ? undefined : Math.min(MOST[name], (a[name] ?? 0) + (b[name] ?? 0));
  const [inputTokens, outputTokens, cost] = [sum('inputTokens'), sum('outputTokens'), sum('costUsd')];
  const known = {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
    ...(cost === undefined ? {} : { costUsd: Math.round(cost * COST_STEPS) / COST_STEPS }),
  };
  return Object.keys(known).length === 0 ? null : known;
}

/** As a row keeps it: a number that is not known can be null there. */
export function usageOf(row: string | null): Usage | null {
  if (row === null) return null;
  return sumOfUsage(boundedUsage(JSON.parse(row)), null);
}
