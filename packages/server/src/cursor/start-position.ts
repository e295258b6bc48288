// Turns what a viewer asks for into a position of the log.

import { BinnacleError, type From, type Position, parsePosition } from '@binnacle/protocol';
import type { LogReader } from '../log/log.ts';

/**
 * `log` must know its newest head. What is not kept any more can be asked for: reading it says `gap`, with the numbers.
 * Throws `bad_position`, `wrong_epoch` and `offset_ahead`, the last two with the numbers that tell where reading is
 * possible.
 */
export async function positionOf(log: LogReader, from: From): Promise<Position> {
  if (from === 'start') return { epoch: log.epoch, ...log.oldest };
  if (from === 'now') return { epoch: log.epoch, ...log.head };
  if (typeof from === 'string') return checked(log, parsePosition(from));
  if ('offset' in from) return located(log, from.offset);
  return located(log, Math.max(log.oldest.offset, log.head.offset - from.tail));
}

async function located(log: LogReader, offset: number): Promise<Position> {
  // Nobody knows the places of what is gone, but that they were before the oldest.
  const gone = { epoch: log.epoch, place: 0, offset };
  if (offset < log.oldest.offset) return gone;
  try {
    return await log.locate(offset);
  } catch (error) {
    if (error instanceof BinnacleError && error.code === 'gap') return gone; // Retention was faster.
    throw error;
  }
}

async function checked(log: LogReader, at: Position): Promise<Position> {
  const numbers = { epoch: log.epoch, oldestOffset: log.oldest.offset, headOffset: log.head.offset };
  if (at.epoch !== log.epoch) throw new BinnacleError('wrong_epoch', { details: numbers });
  if (at.place > log.head.place || at.offset > log.head.offset) {
    throw new BinnacleError('offset_ahead', { details: numbers });
  }
  // Only reading tells whether an entry begins there, and it must be told before an answer has begun. What is read is
  // cached for who reads on.
  await log.read(at);
  return at;
}
