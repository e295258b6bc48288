// Where a reader is in a log. The only file that makes, parses or compares positions.

import { BinnacleError } from './codes.ts';

declare const brand: unique symbol;
/** Names one life of a log. Changes when history was lost, so that an old position cannot be taken for a new one. */
export type Epoch = string & { readonly [brand]: 'Epoch' };

/**
 * `place`: address in the log, in bytes of framed entries since its beginning; always the beginning of an entry.
 * `offset`: output bytes (tty, stdout, stderr) delivered before it. It may be larger than the offset of the entry
 * at `place`: then that many bytes of the entry were delivered already, and reading skips them.
 */
export interface Position {
  readonly epoch: Epoch;
  readonly place: number;
  readonly offset: number;
}

const EPOCH = /^[a-z0-9]{1,32}$/;
const TEXT = /^([a-z0-9]{1,32})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

export function parseEpoch(text: string): Epoch {
  if (!EPOCH.test(text)) throw new BinnacleError('bad_position', { message: `"${text}" is not an epoch.` });
  return text as Epoch;
}

export const formatPosition = (at: Position): string =>
  `${at.epoch}.${at.place.toString(36)}.${at.offset.toString(36)}`;

/** Reads what `formatPosition` wrote. Throws `bad_position`. */
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

/** Negative when `a` comes before `b`. Only positions of one epoch can be compared. */
export function comparePositions(a: Position, b: Position): number {
  if (a.epoch !== b.epoch) throw new BinnacleError('wrong_epoch');
  return a.place - b.place || a.offset - b.offset;
}

/** Reads a `since`, `tail` or `Last-Event-ID` number: decimal digits only, 0 to 2^53-1. Throws `bad_offset`. */
export function parseOffset(text: string): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new BinnacleError('bad_offset', { message: `"${text.slice(0, 40)}" is not an offset.` });
  return value;
}
