// The output of a command so far, as plain text that a client continues with a cursor.

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

/** Maximum bytes of an incomplete character: UTF-8 has at most four bytes per character. */
const MAX_INCOMPLETE = 3;

export interface LogsQuery {
  /** Bytes already read. Default: start at the oldest stored output. */
  readonly cursor: number | undefined;
  /** Range of the output; null: not known yet. Default: all output. */
  readonly from?: number | null;
  readonly to?: number | null;
}

/**
 * Writes the output. Throws `offset_ahead` and `gap` before the first byte. While more may follow, a response ends at a
 * whole character: clients decode each response separately.
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
  const outputQuery = { at, follow: false, waitMs: 0, type: 'text/plain; charset=utf-8' };
  await writeOutput(session, outputQuery, response, liveness, selection);
}

/** Counts the bytes before `end` that belong to an incomplete character. */
async function incompleteAt(session: Session, since: number, end: number): Promise<number> {
  const from = Math.max(since, session.log.oldest.offset, end - MAX_INCOMPLETE);
  if (from >= end) return 0;
  const cursor = new Cursor(session.log, await positionOf(session.log, { offset: from }));
  return incompleteBytes(await outputBytes(cursor, end - from));
}
