// Beginning of the drawing of a session: at its start, at its screen, near its end, or before a requested offset. Pure.

import type { DrawingOptions, SessionOptions } from '@binnacle/client/react';
import type { SessionInfo } from '@binnacle/protocol';

/** Minimum length of a log that opens with its screen, or on pipes at its end: this much is drawn in a blink. */
export const TAIL_BYTES = 256 * 1024;
/** Bytes drawn before a requested offset: some screenfuls. */
const BEFORE_BYTES = 16 * 1024;

export interface LogRange extends DrawingOptions {
  readonly from: NonNullable<SessionOptions['from']>;
  /** True if no stored output precedes the range. */
  readonly isWhole: boolean;
}

/** Returns all of a short log, the current screen or the end of a long one, or what surrounds the output offset `at`. */
export function logRangeOf(info: SessionInfo, at: number | undefined): LogRange {
  const { oldestOffset, outputOffset, mode } = info;
  if (at !== undefined) {
    // An offset before the oldest stored output is passed on unchanged: the response then names the gap.
    const offset = at < oldestOffset ? at : Math.max(oldestOffset, at - BEFORE_BYTES);
    return { from: { offset }, at, skipsLine: offset > 0 && offset < at, isWhole: offset <= oldestOffset };
  }
  if (outputOffset - oldestOffset <= TAIL_BYTES) return { from: 'start', isWhole: true };
  return mode === 'pty'
    ? { from: { screen: true }, isWhole: false }
    : { from: { tail: TAIL_BYTES }, skipsLine: true, isWhole: false };
}
