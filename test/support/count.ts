// How often and how long: few in `npm test`, all in `npm run test:all`, most in `npm run soak`.

import { it } from 'vitest';

export const isSoak = process.env.BINNACLE_SOAK === '1';
/** `npm run test:all`, and soak, which is longer than that. */
export const isAll = process.env.BINNACLE_ALL === '1' || isSoak;

/**
 * The number for this run.
 *
 * @example const kills = count({ quick: 2, all: 8 });
 */
export const count = ({ quick, all, soak = all }: { quick: number; all: number; soak?: number }): number =>
  isSoak ? soak : isAll ? all : quick;

/**
 * The rows of this run: in `npm test` only `quick` of them, spread evenly over the table, with the first and the last.
 *
 * @example it.each(some(HOSTILE_NAMES, 4))('refuses %j', …)
 */
export function some<T>(rows: readonly T[], quick: number): readonly T[] {
  if (isAll || rows.length <= quick) return rows;
  if (quick <= 1) return rows.slice(0, quick);
  return Array.from({ length: quick }, (_, at) => rows[Math.round((at * (rows.length - 1)) / (quick - 1))] as T);
}

/** Takes the place of a test that this run leaves out: the test is neither run nor counted as skipped. */
const leftOut = Object.assign(() => undefined, { each: () => () => undefined });

/**
 * A test of `npm run test:all` alone: a kill, a flood or a storm whose property another test proves in `npm test`, smaller
 * or elsewhere. A file needs at least one other test; a file without one is named `*.all.test.ts`.
 *
 * @example inAll('goes on over a kill of the gateway', async () => { … });
 */
export const inAll = (isAll ? it : leftOut) as typeof it;
