// A command of the sandbox daemon's protocol as a stream of events, and its ending.

import type { SessionId } from '@binnacle/protocol';
import type { Entry } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { TimedSessions } from '../../sessions/timed-sessions.ts';
import type { Execution, ExecutionEnd } from './events.ts';

interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Returns the ending. A signal and a timeout are words, never numbers, because there is no exit code. */
export function endingOf({ exitCode, signal }: ProgramExit, hasTimedOut: boolean, ms: number): ExecutionEnd {
  if (hasTimedOut) return { type: 'error', evalue: 'timeout', why: 'It took longer than its timeout and was ended.' };
  if (exitCode === 0) return { type: 'complete', ms };
  if (exitCode !== null) return { type: 'error', evalue: String(exitCode), why: `exit status ${exitCode}` };
  if (signal !== null) return { type: 'error', evalue: signal, why: `It was ended by the signal ${signal}.` };
  return { type: 'error', evalue: 'lost', why: 'How it ended was not seen: the process that owned it died.' };
}

/** A command as a stream: all its output, and the end at its exit, even if orphaned children hold the output open. */
export class CommandExecution implements Execution {
  readonly session: Session;
  readonly id: SessionId;
  readonly #commands: TimedSessions;

  constructor(session: Session, commands: TimedSessions) {
    this.session = session;
    this.id = session.id;
    this.#commands = commands;
  }

  get at() {
    const { epoch, oldest } = this.session.log;
    return { epoch, ...oldest };
  }

  sort({ kind, bytes, time }: Entry) {
    if (kind === 'exit') return this.#end(JSON.parse(Buffer.from(bytes).toString()) as ProgramExit, time);
    if (kind === 'closed') return this.over();
    return 'output';
  }

  over(): ExecutionEnd {
    const { record } = this.session;
    return this.#end(record, record.exitedAt ?? Date.now());
  }

  #end(exit: ProgramExit, time: number): ExecutionEnd {
    return endingOf(exit, this.#commands.hasTimedOut(this.id), time - this.session.record.createdAt);
  }
}
