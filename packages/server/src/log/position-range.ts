// Comparison of a position or an offset with the available part of a log, the same for every kind of log.

import { BinnacleError, type Epoch, type Position } from '@binnacle/protocol';
import type { Head, Reading } from './log.ts';

interface LogBounds {
  readonly epoch: Epoch;
  readonly oldest: Head;
  readonly head: Head;
}

/**
 * Returns the reading that needs no access to entries: `head`, or a gap by retention. Returns undefined if there are
 * entries to read. Throws `wrong_epoch`, `offset_ahead` or `bad_position`.
 */
export function checkPosition(log: LogBounds, at: Position): Reading | undefined {
  const { epoch, head, oldest } = log;
  if (at.epoch !== epoch) throw new BinnacleError('wrong_epoch', { details: { epoch } });
  if (at.place > head.place || at.offset > head.offset) throw ahead(log);
  if (at.place === head.place) {
    if (at.offset !== head.offset) throw new BinnacleError('bad_position');
    return { kind: 'head' };
  }
  if (at.place >= oldest.place) return undefined;
  if (at.offset > oldest.offset) throw new BinnacleError('bad_position');
  const next = { epoch, place: oldest.place, offset: oldest.offset };
  return { kind: 'gap', reason: 'retention', from: at.offset, to: oldest.offset, next };
}

/** Throws `bad_offset`, `offset_ahead` or `gap` for an offset that cannot be read. */
export function checkOffset(log: LogBounds, offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) throw new BinnacleError('bad_offset');
  if (offset > log.head.offset) throw ahead(log);
  if (offset < log.oldest.offset) throw new BinnacleError('gap', { details: offsets(log) });
}

const ahead = (log: LogBounds): BinnacleError => new BinnacleError('offset_ahead', { details: offsets(log) });
const offsets = ({ oldest, head }: LogBounds): Record<string, unknown> => ({
  oldestOffset: oldest.offset,
  headOffset: head.offset,
});
