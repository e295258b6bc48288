// Runs in a session as streams of the sandbox daemon's protocol, and the ids under which its clients know them.

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
import type { Ending, Execution } from './events.ts';

const UUID_LENGTH = 36;

/** Names its session, so that it is found by the run's id alone, after a restart as well. */
export const newRunId = (session: Session): string => `${session.id}.${randomBytes(12).toString('base64url')}`;

/** Undefined for what is no run id of this kind. Throws `run_not_found`, `session_not_found`, `session_gone`, `no_runs`. */
export function findRun(
  seen: SeenSessions,
  id: string,
): { readonly session: Session; readonly run: RunInfo } | undefined {
  const of = id.slice(0, UUID_LENGTH);
  if (id[UUID_LENGTH] !== '.' || !isSessionId(of)) return undefined;
  const session = seen.get(of);
  return { session, run: session.runs.find(id) };
}

/** A run that bash has a status of ended with it; 128 + n is bash's own word for a signal. */
export function endingOfRun({ outcome, exitCode, durationMs }: RunInfo): Ending {
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

/** From its first byte, or from `since` on: what comes before the run is then `replay`. */
export class RunExecution implements Execution {
  readonly session: Session;
  readonly id: string;
  readonly at: Position;
  readonly #isReplayed: boolean;
  #hasBegun = false;

  /**
   * `before`: where the log ended before the run was asked for. Its beginning may be read before the answer to the
   * question is.
   */
  constructor(session: Session, run: RunInfo, from: { readonly before: Position; readonly since?: Position }) {
    this.session = session;
    this.id = run.id;
    this.#isReplayed = from.since !== undefined;
    this.at = from.since ?? (run.position === null ? from.before : parsePosition(run.position));
  }

  readonly listener = (finish: (ending: Ending) => void): SessionListener => {
    const look = (run: RunInfo) => {
      // All others have their end in the log, behind their last byte.
      if (run.id === this.id && run.state === 'ended' && run.startedAt === null) finish(endingOfRun(run));
    };
    // It may have happened between the answer of the runner and this listening.
    queueMicrotask(() => {
      const known = this.#known();
      if (known !== undefined) look(known);
    });
    return { ran: (_session, run) => look(run) };
  };

  sort(entry: Entry) {
    if (entry.kind === 'event') return this.#seeEvent(JSON.parse(Buffer.from(entry.bytes).toString()) as RunEvent);
    if (entry.kind === 'closed') return this.over() ?? 'nothing';
    if (!isOutput(entry.kind)) return 'nothing';
    if (this.#hasBegun) return 'output';
    return this.#isReplayed ? 'replay' : 'nothing';
  }

  over(): Ending | undefined {
    const run = this.#known();
    return run?.state === 'ended' ? endingOfRun(run) : undefined;
  }

  #known(): RunInfo | undefined {
    try {
      return this.session.runs.find(this.id);
    } catch {
      return undefined; // Deleted with its session, which listeners are told.
    }
  }

  #seeEvent(event: RunEvent): 'nothing' | Ending {
    if (event.type === 'session_reset' || event.run.id !== this.id) return 'nothing';
    if (event.type === 'run_ended') return endingOfRun(event.run);
    this.#hasBegun = true;
    return 'nothing';
  }
}

/** What `DELETE /command?id=SESSION` means: the run that is going on. Throws `no_job`. */
export function currentRun(session: Session): string {
  const current = session.info.runs?.current;
  if (current === undefined || current === null) {
    throw new BinnacleError('no_job', { message: 'Nothing runs in this session.', hint: 'Start a run first.' });
  }
  return current;
}
