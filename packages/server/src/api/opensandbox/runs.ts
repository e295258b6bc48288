// Runs of a session as streams of the sandbox daemon's protocol, and their ids in that protocol.

import { randomBytes } from 'node:crypto';
import {
  BinnacleError,
  isOutput,
  isSessionId,
  type Position,
  parsePosition,
  type RunEvent,
  type RunInfo,
} from '@binnacle/protocol';
import type { Entry } from '../../log/log.ts';
import type { Session, SessionListener } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Execution, ExecutionEnd } from './events.ts';

const UUID_LENGTH = 36;

/** Creates a run id that contains the session id, so that the id alone finds the session, also after a restart. */
export const newRunId = (session: Session): string => `${session.id}.${randomBytes(12).toString('base64url')}`;

/**
 * Finds a run; undefined for an id of another kind. Throws `run_not_found`, `session_not_found`, `session_gone`,
 * `no_runs`.
 */
export function findRun(
  seen: SeenSessions,
  id: string,
): { readonly session: Session; readonly run: RunInfo } | undefined {
  const of = id.slice(0, UUID_LENGTH);
  if (id[UUID_LENGTH] !== '.' || !isSessionId(of)) return undefined;
  const session = seen.get(of);
  return { session, run: session.runs.find(id) };
}

/** Returns the ending of a run. A run with an exit status ended with it; bash itself reports a signal as 128 + n. */
export function endingOfRun({ outcome, exitCode, durationMs }: RunInfo): ExecutionEnd {
  if (outcome === 'timed_out') {
    return { type: 'error', evalue: 'timeout', why: 'It took longer than its timeout and was interrupted.' };
  }
  if (exitCode === 0) return { type: 'complete', ms: durationMs ?? 0 };
  if (exitCode !== null) return { type: 'error', evalue: String(exitCode), why: `exit status ${exitCode}` };
  return { type: 'error', evalue: outcome ?? 'lost', why: WHY[outcome ?? 'lost'] ?? WHY.lost };
}

const WHY = {
  cancelled: 'It was interrupted before it had an exit status.',
  session_ended: 'Its session ended before it did.',
  lost: 'How it ended was not seen: the process that owned it died.',
} as Readonly<Record<string, string>> & { readonly lost: string };

/** A run from its first byte, or from `since` on: output before the run is then `replay`. */
export class RunExecution implements Execution {
  readonly session: Session;
  readonly id: string;
  readonly at: Position;
  readonly #isReplayed: boolean;
  #hasBegun = false;

  /**
   * `before`: head of the log before the run was requested, because the start of the run can be read before the
   * runner's response.
   */
  constructor(session: Session, run: RunInfo, from: { readonly before: Position; readonly since?: Position }) {
    this.session = session;
    this.id = run.id;
    this.#isReplayed = from.since !== undefined;
    this.at = from.since ?? (run.position === null ? from.before : parsePosition(run.position));
  }

  readonly listener = (finish: (ending: ExecutionEnd) => void): SessionListener => {
    const check = (run: RunInfo) => {
      // All other runs have their end in the log, after their last byte.
      if (run.id === this.id && run.state === 'ended' && run.startedAt === null) finish(endingOfRun(run));
    };
    // The run may have ended between the runner's response and the start of this listener.
    queueMicrotask(() => {
      const known = this.#find();
      if (known !== undefined) check(known);
    });
    return { ran: (_session, run) => check(run) };
  };

  sort(entry: Entry) {
    if (entry.kind === 'event') return this.#handleEvent(JSON.parse(Buffer.from(entry.bytes).toString()) as RunEvent);
    if (entry.kind === 'closed') return this.over() ?? 'nothing';
    if (!isOutput(entry.kind)) return 'nothing';
    if (this.#hasBegun) return 'output';
    return this.#isReplayed ? 'replay' : 'nothing';
  }

  over(): ExecutionEnd | undefined {
    const run = this.#find();
    return run?.state === 'ended' ? endingOfRun(run) : undefined;
  }

  #find(): RunInfo | undefined {
    try {
      return this.session.runs.find(this.id);
    } catch {
      return undefined; // Deleted with its session; listeners are notified of that.
    }
  }

  #handleEvent(event: RunEvent): 'nothing' | ExecutionEnd {
    if (event.type === 'session_reset' || event.run.id !== this.id) return 'nothing';
    if (event.type === 'run_ended') return endingOfRun(event.run);
    this.#hasBegun = true;
    return 'nothing';
  }
}

/** Returns the run that `DELETE /command?id=SESSION` interrupts: the current one. Throws `no_job`. */
export function currentRun(session: Session): string {
  const current = session.info.runs?.current;
  if (current === undefined || current === null) {
    throw new BinnacleError('no_job', { message: 'Nothing runs in this session.', hint: 'Start a run first.' });
  }
  return current;
}
