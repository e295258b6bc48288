// Sums of the usage of a conversation's runs. Pure functions.

import { defined, type Usage } from '@binnacle/protocol';

/** Maximum tokens of a run and of a conversation; a larger report is an error or a lie. */
export const MAX_USAGE_TOKENS = 1e15;
export const MAX_COST_USD = 1e9;

const MOST: Readonly<Record<keyof Usage, number>> = {
  inputTokens: MAX_USAGE_TOKENS,
  outputTokens: MAX_USAGE_TOKENS,
  costUsd: MAX_COST_USD,
};
const NAMES = Object.keys(MOST) as readonly (keyof Usage)[];

/** Rounding of costs: sums of fractions of a cent would otherwise grow tails of digits. */
const COST_STEPS = 1e9;

/** Returns an agent's reported usage without impossible values, which count as absent. */
export function boundedUsage(reported: Readonly<Partial<Record<keyof Usage, unknown>>>): Usage {
  // NaN fails both comparisons.
  const isPossible = (name: keyof Usage): boolean => {
    const value = reported[name];
    return typeof value === 'number' && value >= 0 && value <= MOST[name];
  };
  return Object.fromEntries(NAMES.filter(isPossible).map((name) => [name, reported[name]])) as Usage;
}

/** Adds two usages, each number if it is known in either; null if none is. */
export function sumOfUsage(one: Usage | null, other: Usage | null): Usage | null {
  const [a, b] = [boundedUsage(one ?? {}), boundedUsage(other ?? {})];
  const sum = (name: keyof Usage): number | undefined =>
    a[name] === undefined && b[name] === undefined ? undefined : Math.min(MOST[name], (a[name] ?? 0) + (b[name] ?? 0));
  const [inputTokens, outputTokens, cost] = [sum('inputTokens'), sum('outputTokens'), sum('costUsd')];
  const known = {
    ...defined({ inputTokens, outputTokens }),
    ...(cost === undefined ? {} : { costUsd: Math.round(cost * COST_STEPS) / COST_STEPS }),
  };
  return Object.keys(known).length === 0 ? null : known;
}
