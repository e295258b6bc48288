// Past and future output of one run, raw or as server-sent events: the run's part of its session's log.

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
import { EventStream, type SseQuery, showLog } from './event-stream.ts';
import type { Liveness } from './liveness.ts';
import { writeOutput } from './output.ts';
import type { StreamEnd } from './response-body.ts';
import { entryBodyOf, type LogEvent, type Selection } from './selection.ts';
import { hasRunBegun, latestOf, waitForRun } from './wait.ts';

/** Start of reading a run: an output offset of its session, a position in its log, or the start of the run. */
export type RunFrom = { readonly since: number } | { readonly position: string } | 'start';

export interface RunQuery {
  readonly from: RunFrom;
  /** False: ends at the current head. */
  readonly follow: boolean;
}

/** A streaming response. `takeOver` is called last, so that every error can be returned before the response starts. */
export interface RunAnswer {
  /** The sessions that the caller may see. */
  readonly seen: SeenSessions;
  readonly session: Session;
  readonly run: RunInfo;
  /** Head of the log at the time of the request, or earlier. A run that was queued then starts after this position. */
  readonly head: Position;
  readonly liveness: Liveness;
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal;
  takeOver(): ServerResponse;
}

/** Sends the events from a position on; the last is `end`. Throws the errors of `startPosition` before the first byte. */
export async function streamRun(
  answer: RunAnswer,
  { from, follow, encoding }: RunQuery & Pick<SseQuery, 'encoding'>,
): Promise<StreamEnd> {
  const { seen, session, run, liveness, takeOver } = answer;
  const at = await startPosition(answer, from);
  const startsAtRun = await isRunStart(session, run, at);
  const selection = new RunSelection(session, run);
  const stream = new EventStream(seen.takeOver(session, takeOver), liveness);
  try {
    // The run as it was when `startPosition` computed the position: a run that has begun since begins elsewhere.
    if (!startsAtRun) stream.event('run', at, run);
    if (run.position !== null) return await showLog(session, selection, { at, follow, encoding }, stream);
    if (follow && !hasRunBegun(run)) await selection.begin(stream, liveness, seen);
    const { position } = selection.run;
    if (position !== null && stream.isOpen && follow) {
      await refreshTo(session, position);
      const begin = parsePosition(position);
      return await showLog(session, selection, { at: begin, follow, encoding }, stream);
    }
    // The run is still queued, or will never begin.
    for (const { event, data } of selection.ending()) stream.event(event, at, data);
    stream.finish();
  } catch (error) {
    stream.fail(error, at);
  } finally {
    selection.release();
  }
  return await stream.closed;
}

/** Writes the bytes of a run. Throws the errors of `startPosition` and `gap`, before the first byte. */
export async function writeRunOutput(answer: RunAnswer, { from, follow }: RunQuery): Promise<'empty' | 'written'> {
  const { seen, session, liveness, signal } = answer;
  let { run } = answer;
  if (follow && !hasRunBegun(run)) {
    await startPosition(answer, from);
    run = await waitForRun(session, { run, isReached: hasRunBegun, signal, liveness, seen });
  }
  if (run.position === null) {
    await startPosition({ ...answer, run }, from);
    return 'empty';
  }
  const at = await startPosition({ ...answer, run }, from);
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
 * Finds the position where reading begins; for a queued run a position before its start. Any position of the log is
 * valid: the run's entries after that position follow. Throws `bad_offset` and `offset_ahead` for a `since` outside of
 * the run, and the errors of `positionOf`.
 */
async function startPosition({ session, run, head }: RunAnswer, from: RunFrom): Promise<Position> {
  const { log } = session;
  if (run.position !== null) await refreshTo(session, run.position);
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
  const requested = from !== 'start' && 'position' in from ? await positionOf(log, from.position) : undefined;
  if (run.position === null) return requested !== undefined && comparePositions(requested, head) < 0 ? requested : head;
  const start = await positionOf(log, run.position);
  if (requested !== undefined) return comparePositions(requested, start) < 0 ? start : requested;
  // At the run's first offset there can also be entries of other runs.
  if (from === 'start' || !('since' in from) || from.since === startOffset) return start;
  return await positionOf(log, { offset: from.since });
}

/** Returns the head of the log as this process knows it. */
export const sessionHead = ({ log }: Session): Position => ({ epoch: log.epoch, ...log.head });

/** Refreshes the session if its log lags behind: a run event can arrive before the log growth that it reports. */
async function refreshTo(session: Session, position: string): Promise<void> {
  if (parsePosition(position).place > session.log.head.place) await session.refresh();
}

/** Returns true if the entry at this position is the start of the run. */
async function isRunStart(session: Session, { position }: RunInfo, at: Position): Promise<boolean> {
  if (position === null || comparePositions(at, parsePosition(position)) !== 0) return false;
  return (await session.log.read(at)).kind === 'page';
}

/** The part of the log from the entry of the run's start to the entry of its end. */
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
    // Includes changes between the request and the start of the listener.
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

  toEvent(entry: Entry): LogEvent | undefined {
    const event = eventOf(entry);
    if (event?.type !== 'run_started' || event.run.id !== this.#run.id) return undefined;
    return { event: 'run', data: event.run };
  }

  isLast(entry: Entry): boolean {
    if (entry.kind === 'closed') return true;
    const event = eventOf(entry);
    if (event?.type === 'run_ended' && event.run.id === this.#run.id) {
      // The log entry can arrive before the run event.
      this.#run = event.run;
      return true;
    }
    // The start of another run: reading began after the end of this run, or the end entry is damaged.
    return event?.type === 'run_started' && event.run.id !== this.#run.id;
  }

  ending(): readonly LogEvent[] {
    const run = latestOf(this.#session, this.#run);
    const end = { event: 'end', data: { run } };
    return run.reset ? [{ event: 'reset', data: { exitCode: run.exitCode } }, end] : [end];
  }

  /**
   * Resolves when the run has begun, will never begin, or the client has disconnected. Throws the errors of
   * `waitForRun`.
   */
  async begin(stream: EventStream, liveness: Liveness, seen: SeenSessions): Promise<void> {
    const disconnected = new AbortController();
    void stream.closed.then(() => disconnected.abort());
    const wait = { run: this.#run, isReached: hasRunBegun, signal: disconnected.signal, liveness, seen };
    this.#run = await waitForRun(this.#session, wait);
  }
}

const eventOf = (entry: Entry): RunEvent | undefined =>
  entry.kind === 'event' ? (entryBodyOf(entry) as RunEvent) : undefined;
