// How often and how long: few in `npm test`, all in `npm run test:all`, most in `npm run soak`.

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
