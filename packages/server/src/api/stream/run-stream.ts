// What one run has written and will write: raw, or as server-sent events. The run's part of its session's log.

import type { ServerResponse } from 'node:http';
import {
  BinnacleError,
  comparePositions,
  type Position,
  parsePosition,
  type RunEvent,
  type RunInfo,
} from '@binnacle/protocol';
import { positionOf } from '../../cursor/start-position.ts';
import type { Entry } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';
import { writeOutput } from './output.ts';
import { hasBegun, latestOf, waitForRun } from './run-wait.ts';
import { bodyOf, type Selection, type Told } from './selection.ts';
import { EventStream, type SseQuery, type StreamEnd, showLog } from './sse.ts';

/** Where reading a run begins: an output offset of its session, a position of its log, or at its start. */
export type RunFrom = { readonly since: number } | { readonly position: string } | 'start';

export interface RunQuery {
  readonly from: RunFrom;
  /** False: ends at the head of now. */
  readonly follow: boolean;
}

/** One answer that streams: taken over at the last moment, so that all that can be refused is refused before. */
export interface RunAnswer {
  /** Of who asks. */
  readonly seen: SeenSessions;
  readonly session: Session;
  readonly run: RunInfo;
  /** Where the log ended when the run was asked for, or before: if it had not begun then, it begins behind that. */
  readonly head: Position;
  readonly liveness: Liveness;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  takeOver(): ServerResponse;
}

/** Events from a position on, `end` being the last. Throws what `placeIn` throws, before anything is written. */
export async function streamRun(
  answer: RunAnswer,
  { from, follow, encoding }: RunQuery & Pick<SseQuery, 'encoding'>,
): Promise<StreamEnd> {
  const { seen, session, run, liveness, takeOver } = answer;
  const at = await placeIn(answer, from);
  const isTold = await tellsRun(session, run, at);
  const selection = new RunSelection(session, run);
  const stream = new EventStream(seen.takeOver(session, takeOver), liveness);
  try {
    // As it was when the place was looked for: one that has begun since begins elsewhere.
    if (!isTold) stream.send('run', at, run);
    if (run.position !== null) return await showLog(session, selection, { at, follow, encoding }, stream);
    if (follow && !hasBegun(run)) await selection.begin(stream, liveness, seen);
    const { position } = selection.run;
    if (position !== null && stream.isOpen && follow) {
      await reach(session, position);
      const begin = parsePosition(position);
      return await showLog(session, selection, { at: begin, follow, encoding }, stream);
    }
    // It waits still, or it will never begin.
    for (const { event, data } of selection.ending()) stream.send(event, at, data);
    stream.finish();
  } catch (error) {
    stream.fail(error, at);
  } finally {
    selection.release();
  }
  return await stream.closed;
}

/** Its bytes. Throws what `placeIn` throws and `gap`, before anything is written. */
export async function writeRunOutput(answer: RunAnswer, { from, follow }: RunQuery): Promise<'empty' | 'written'> {
  const { seen, session, liveness, signal } = answer;
  let { run } = answer;
  if (follow && !hasBegun(run)) {
    await placeIn(answer, from);
    run = await waitForRun(session, { run, isSo: hasBegun, signal, liveness, seen });
  }
  if (run.position === null) {
    await placeIn({ ...answer, run }, from);
    return 'empty';
  }
  const at = await placeIn({ ...answer, run }, from);
  const selection = new RunSelection(session, run);
  try {
    const { oldest, head } = session.log;
    if (at.place < oldest.place && at.offset < selection.limit) {
      throw new BinnacleError('gap', { details: { oldestOffset: oldest.offset, headOffset: head.offset } });
    }
    await writeOutput(session, { at, follow, waitMs: 0 }, seen.takeOver(session, answer.takeOver), liveness, selection);
  } finally {
    selection.release();
  }
  return 'written';
}

/**
 * The place where reading begins; of a run that has not begun, one before it. Any position of the log will do: what lies
 * behind it and belongs to the run is what follows. Throws `bad_offset` and `offset_ahead` for a `since` outside of the
 * run, and what `positionOf` throws.
 */
async function placeIn({ session, run, head }: RunAnswer, from: RunFrom): Promise<Position> {
  const { log } = session;
  if (run.position !== null) await reach(session, run.position);
  const { startOffset, endOffset } = run;
  const end = endOffset ?? log.head.offset;
  if (from !== 'start' && 'since' in from) {
    const { since } = from;
    const details = { startOffset, endOffset, oldestOffset: log.oldest.offset, headOffset: log.head.offset };
    if (startOffset === null || since > end) {
      const message = startOffset === null ? 'The run has not begun.' : 'The offset is ahead of the end of the run.';
      const hint =
        startOffset === null ? 'Read it without since.' : 'Read from startOffset on, at most from endOffset.';
      throw new BinnacleError('offset_ahead', { message, hint, details });
    }
    if (since < startOffset) {
      const message = `The output of this run begins at ${startOffset}.`;
      throw new BinnacleError('bad_offset', { message, hint: 'Read from startOffset on, or without since.', details });
    }
  }
  const asked = from !== 'start' && 'position' in from ? await positionOf(log, from.position) : undefined;
  if (run.position === null) return asked !== undefined && comparePositions(asked, head) < 0 ? asked : head;
  const start = await positionOf(log, run.position);
  if (asked !== undefined) return comparePositions(asked, start) < 0 ? start : asked;
  // At its first offset stand entries of others as well.
  if (from === 'start' || !('since' in from) || from.since === startOffset) return start;
  return await positionOf(log, { offset: from.since });
}

/** The head as far as it is known. */
export const headOf = ({ log }: Session): Position => ({ epoch: log.epoch, ...log.head });

/** The news of a run can be quicker than those of its log. */
async function reach(session: Session, position: string): Promise<void> {
  if (parsePosition(position).place > session.log.head.place) await session.refresh();
}

/** What is read there begins with the entry that says that the run has begun. */
async function tellsRun(session: Session, { position }: RunInfo, at: Position): Promise<boolean> {
  if (position === null || comparePositions(at, parsePosition(position)) !== 0) return false;
  return (await session.log.read(at)).kind === 'page';
}

/** From the entry that says that the run has begun to the one that says that it has ended. */
class RunSelection implements Selection {
  readonly #session: Session;
  readonly release: () => void;
  #run: RunInfo;

  constructor(session: Session, run: RunInfo) {
    this.#session = session;
    this.#run = run;
    this.release = session.listen({
      ran: (_, changed) => {
        if (changed.id === run.id) this.#run = changed;
      },
    });
    // What has changed since it was asked for.
    this.#run = latestOf(session, run);
  }

  get run(): RunInfo {
    return this.#run;
  }

  get limit(): number {
    return this.#run.endOffset ?? Number.POSITIVE_INFINITY;
  }

  get isClosed(): boolean {
    return this.#run.state === 'ended';
  }

  tell(entry: Entry): Told | undefined {
    const event = eventOf(entry);
    if (event?.type !== 'run_started' || event.run.id !== this.#run.id) return undefined;
    return { event: 'run', data: event.run };
  }

  isLast(entry: Entry): boolean {
    if (entry.kind === 'closed') return true;
    const event = eventOf(entry);
    if (event?.type === 'run_ended' && event.run.id === this.#run.id) {
      // The log may be quicker than the news.
      this.#run = event.run;
      return true;
    }
    // Reading began behind the end, or the end is damaged.
    return event?.type === 'run_started' && event.run.id !== this.#run.id;
  }

  ending(): readonly Told[] {
    const run = latestOf(this.#session, this.#run);
    const end = { event: 'end', data: { run } };
    return run.reset ? [{ event: 'reset', data: { exitCode: run.exitCode } }, end] : [end];
  }

  /** Resolves when it has begun, will never begin, or nobody waits any more. Throws what `waitForRun` throws. */
  async begin(stream: EventStream, liveness: Liveness, seen: SeenSessions): Promise<void> {
    const gone = new AbortController();
    void stream.closed.then(() => gone.abort());
    const wait = { run: this.#run, isSo: hasBegun, signal: gone.signal, liveness, seen };
    this.#run = await waitForRun(this.#session, wait);
  }
}

const eventOf = (entry: Entry): RunEvent | undefined =>
  entry.kind === 'event' ? (bodyOf(entry) as RunEvent) : undefined;
