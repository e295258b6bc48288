// A drawn screen as a frame of it goes out.

import type { ScreenSnapshot } from '@binnacle/protocol';
import type { Drawn } from '../../screen/wire.ts';

/** Without what a terminal makes of it by itself. */
export function snapshotOf(drawn: Drawn): ScreenSnapshot {
  const { offset, position, cols, rows, data, scrollback, drawnFrom, exact } = drawn;
  return { offset, position, cols, rows, data, scrollback, drawnFrom, exact };
}
