// Converts the start that a viewer requests into a position of the log.

import { BinnacleError, type Position, parsePosition, type StartPosition } from '@binnacle/protocol';
import type { LogReader } from '../log/log.ts';

/**
 * Returns the position of `from`. `log` must know its newest head. Output that retention removed may be requested: its
 * reading is a `gap` with the numbers. Throws `bad_position`, `wrong_epoch` and `offset_ahead`, the last two with the
 * numbers of the range that can be read.
 */
export async function positionOf(log: LogReader, from: StartPosition): Promise<Position> {
  if (from === 'start') return { epoch: log.epoch, ...log.oldest };
  if (from === 'now') return { epoch: log.epoch, ...log.head };
  if (typeof from === 'string') return checked(log, parsePosition(from));
  if ('offset' in from) return located(log, from.offset);
  return located(log, Math.max(log.oldest.offset, log.head.offset - from.tail));
}

async function located(log: LogReader, offset: number): Promise<Position> {
  // Places of removed output are unknown, but before the oldest: 0 stands for them.
  const removed = { epoch: log.epoch, place: 0, offset };
  if (offset < log.oldest.offset) return removed;
  try {
    return await log.locate(offset);
  } catch (error) {
    if (error instanceof BinnacleError && error.code === 'gap') return removed; // Retention removed it meanwhile.
    throw error;
  }
}

async function checked(log: LogReader, at: Position): Promise<Position> {
  const numbers = { epoch: log.epoch, oldestOffset: log.oldest.offset, headOffset: log.head.offset };
  if (at.epoch !== log.epoch) throw new BinnacleError('wrong_epoch', { details: numbers });
  if (at.place > log.head.place || at.offset > log.head.offset) {
    throw new BinnacleError('offset_ahead', { details: numbers });
  }
  // Only a read determines whether an entry begins there, and a failure must come before the answer begins. The page is
  // cached for the reads that follow.
  await log.read(at);
  return at;
}
