// The output of a command so far, as plain text that a client reads on with a cursor.

import { BinnacleError } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { outputBytes } from '../../cursor/output-bytes.ts';
import { positionOf } from '../../cursor/start-position.ts';
import { incompleteBytes } from '../../cursor/text-decoder.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenResponse } from '../../visibility/session-access.ts';
import type { Liveness } from '../stream/liveness.ts';
import { writeOutput } from '../stream/output.ts';
import { wholeLog } from '../stream/selection.ts';

/** A character of UTF-8 has four bytes at most, so three can be missing their end. */
const MAX_INCOMPLETE = 3;

export interface LogsQuery {
  /** Bytes that were read already. Default: from the oldest that is kept. */
  readonly cursor: number | undefined;
  /** The part of the output that is meant; null: not known yet. Default: all. */
  readonly from?: number | null;
  readonly to?: number | null;
}

/**
 * Throws `offset_ahead` and `gap` before anything is written. While there may be more, an answer ends at a whole
 * character: clients decode each answer for itself.
 */
export async function writeLogs(
  session: Session,
  query: LogsQuery,
  takeOver: () => SeenResponse,
  liveness: Liveness,
): Promise<void> {
  const { log } = session;
  const hasBegun = query.from !== null;
  const first = hasBegun ? (query.from ?? 0) : log.head.offset;
  const last = hasBegun ? (query.to ?? log.head.offset) : first;
  const since = query.cursor === undefined ? Math.max(first, log.oldest.offset) : first + query.cursor;
  if (since > last) {
    throw new BinnacleError('offset_ahead', {
      details: { oldestOffset: log.oldest.offset - first, headOffset: last - first },
    });
  }
  const isComplete = !session.isHosted || typeof query.to === 'number';
  const until = isComplete ? last : last - (await incompleteAt(session, since, last));
  const at = await positionOf(log, { offset: Math.min(since, until) });
  const response = takeOver();
  response.setHeader('EXECD-COMMANDS-TAIL-CURSOR', String(until - first));
  const selection = { ...wholeLog(session), limit: until };
  const asked = { at, follow: false, waitMs: 0, type: 'text/plain; charset=utf-8' };
  await writeOutput(session, asked, response, liveness, selection);
}

/** How many bytes before `end` begin a character that is not complete. */
async function incompleteAt(session: Session, since: number, end: number): Promise<number> {
  const from = Math.max(since, session.log.oldest.offset, end - MAX_INCOMPLETE);
  if (from >= end) return 0;
  const cursor = new Cursor(session.log, await positionOf(session.log, { offset: from }));
  return incompleteBytes(await outputBytes(cursor, end - from));
}
