// Positions of readers in a log. The only file that makes, parses or compares them.

import { BinnacleError } from './codes.ts';

declare const brand: unique symbol;
/**
 * Name of one life of a log: 1 to 32 of `a-z 0-9`. It changes when history was lost, so that an old position cannot be
 * taken for a new one.
 */
export type Epoch = string & { readonly [brand]: 'Epoch' };

/** Place of a reader in a log. */
export interface Position {
  /** Epoch of the log. */
  readonly epoch: Epoch;
  /** Address in the log: bytes of framed entries since its beginning, always at the beginning of an entry. */
  readonly place: number;
  /**
   * Output bytes (tty, stdout, stderr) before it. It may exceed the offset of the entry at `place`: then that many
   * bytes of the entry are skipped.
   */
  readonly offset: number;
}

const EPOCH = /^[a-z0-9]{1,32}$/;
const TEXT = /^([a-z0-9]{1,32})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

/** Returns a text as an epoch. Throws `bad_position`. */
export function parseEpoch(text: string): Epoch {
  if (!EPOCH.test(text)) throw new BinnacleError('bad_position', { message: `"${text}" is not an epoch.` });
  return text as Epoch;
}

/**
 * Returns a position as text: `<epoch>.<place>.<offset>`, numbers in base 36.
 *
 * @example
 * ```ts
 * import { formatPosition, parsePosition } from '@binnacle/protocol';
 *
 * const { epoch, offset } = parsePosition('e1.2s.1c');
 * console.log(offset, formatPosition({ epoch, place: 100, offset })); // 48 'e1.2s.1c'
 * ```
 */
export const formatPosition = (at: Position): string =>
  `${at.epoch}.${at.place.toString(36)}.${at.offset.toString(36)}`;

/** Parses what `formatPosition` wrote. Throws `bad_position`. */
export function parsePosition(text: string): Position {
  const match = TEXT.exec(text);
  const [, epoch, place36, offset36] = match ?? [];
  if (epoch === undefined || place36 === undefined || offset36 === undefined) throw new BinnacleError('bad_position');
  const place = Number.parseInt(place36, 36);
  const offset = Number.parseInt(offset36, 36);
  const canonical = place.toString(36) === place36 && offset.toString(36) === offset36;
  if (!canonical || !Number.isSafeInteger(place) || !Number.isSafeInteger(offset))
    throw new BinnacleError('bad_position');
  return { epoch: epoch as Epoch, place, offset };
}

/** Returns a negative number if `a` comes before `b`. Throws `wrong_epoch` for positions of two epochs. */
export function comparePositions(a: Position, b: Position): number {
  if (a.epoch !== b.epoch) throw new BinnacleError('wrong_epoch');
  return a.place - b.place || a.offset - b.offset;
}

/** Parses an offset, such as `since`, `tail` or `Last-Event-ID`: decimal digits, 0 to 2^53-1. Throws `bad_offset`. */
export function parseOffset(text: string): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new BinnacleError('bad_offset', { message: `"${text.slice(0, 40)}" is not an offset.` });
  return value;
}
