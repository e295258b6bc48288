// Conversion of a drawn screen to the form that clients get.

import type { ScreenSnapshot } from '@binnacle/protocol';
import type { RenderedScreen } from '../../screen/wire.ts';

/** Removes the fields that only the server uses. */
export function snapshotOf(rendered: RenderedScreen): ScreenSnapshot {
  const { offset, position, cols, rows, data, scrollback, drawnFrom: renderedFrom, exact } = rendered;
  return { offset, position, cols, rows, data, scrollback, drawnFrom: renderedFrom, exact };
}
