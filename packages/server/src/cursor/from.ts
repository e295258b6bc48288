// Turns what a viewer asks for into a position of the log.

import { BinnacleError, type From, type Position, parsePosition } from '@binnacle/protocol';
import type { LogReader } from '../log/log.ts';

/**
 * `log` must know its newest head. Throws `bad_position`, `wrong_epoch`, `gap` and `offset_ahead`, the last three with
 * the numbers that tell where reading is possible.
 */
export async function positionOf(log: LogReader, from: From): Promise<Position> {
  if (from === 'start') return { epoch: log.epoch, ...log.oldest };
  if (from === 'now') return { epoch: log.epoch, ...log.head };
  if (typeof from === 'string') return checked(log, parsePosition(from));
  if ('offset' in from) return log.locate(from.offset);
  return log.locate(Math.max(log.oldest.offset, log.head.offset - from.tail));
}

/** A position before the oldest is let through: reading it says `gap` in-band, with what is gone. */
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
