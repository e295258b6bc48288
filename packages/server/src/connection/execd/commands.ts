// Commands of the sandbox daemon's protocol. Each is a session of ours; what is added here is the time that it may take.

import { BinnacleError, type CreateSession, isSessionId, type SessionId } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { CommandStore } from '../../catalogue/commands.ts';
import { Alarm } from '../../clock/alarm.ts';
import type { TrustedTime } from '../../clock/trusted-time.ts';
import type { Log } from '../../http/answer.ts';
import type { Entry } from '../../log/log.ts';
import type { Session, Steering } from '../../session.ts';
import type { SeenSessions } from '../session-access.ts';
import type { Ending, Execution } from './events.ts';

/** Not by the PATH, which a request may replace. */
const BASH = '/bin/bash';
/** After SIGTERM, until everything that is left of it is ended. */
const INTERRUPT_MS = 3000;
/** Its runner did not answer: it may be stopped, or swapped out. */
const RETRY_MS = 5000;
const MAX_NAME_LENGTH = 60;

export interface CommandRequest {
  readonly command: string;
  readonly cwd?: string | undefined;
  readonly envs?: Readonly<Record<string, string>> | undefined;
  /** Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

export class Commands {
  readonly #store: CommandStore;
  readonly #log: Log;
  /** What takes back the end of a command that runs. */
  readonly #disarm = new Map<SessionId, () => void>();
  #isStopped = false;

  constructor(parts: {
    readonly store: CommandStore;
    readonly log: Log;
    /** Finds those of an earlier gateway; asked in here alone, and not for anybody. */
    sessionOf(id: SessionId): Session;
    readonly time: Pick<TrustedTime, 'leftOf'>;
  }) {
    this.#store = parts.store;
    this.#log = parts.log;
    // Programs outlive the gateway, and so does the time that they were given.
    for (const { session: id, deadline } of this.#store.listDue()) {
      const session = parts.sessionOf(id);
      const since = session.record.createdAt;
      if (deadline !== null) this.#arm(session, parts.time.leftOf(since, deadline - since));
    }
  }

  /** Throws what `Sessions.create` throws. */
  async start(seen: SeenSessions, asked: CommandRequest, by: Steering): Promise<Session> {
    const { command, cwd, envs, timeoutMs } = asked;
    const program: CreateSession = {
      argv: [BASH, '-c', command],
      mode: 'pipe',
      name: command.trim().split('\n', 1)[0]?.slice(0, MAX_NAME_LENGTH) ?? '',
      ...(cwd === undefined ? {} : { cwd }),
      ...(envs === undefined ? {} : { env: envs }),
    };
    const session = await this.#startAs(seen, program, timeoutMs);
    // Nobody can write to a command of this protocol, so one that reads finds the end, as with /dev/null.
    session.closeInput(by).catch((error: unknown) => {
      const hasEnded = error instanceof BinnacleError && error.code === 'session_exited';
      if (!hasEnded) this.#log.warn({ err: error, session: session.id }, 'the input of a command could not be closed');
    });
    return session;
  }

  /** Any program, with the time that it may take: it is ended then, also by a later gateway. Its input stays open. */
  async startWithin(seen: SeenSessions, program: CreateSession, timeoutMs: number | undefined): Promise<Session> {
    return timeoutMs === undefined ? await seen.create(program) : await this.#startAs(seen, program, timeoutMs);
  }

  isCommand(seen: SeenSessions, id: string): boolean {
    return isSessionId(id) && this.#store.get(id) !== undefined && seen.has(id);
  }

  /** Throws `session_not_found`. */
  find(seen: SeenSessions, id: string): Session {
    if (!this.isCommand(seen, id)) throw new BinnacleError('session_not_found', { message: 'No such command.' });
    return seen.get(id);
  }

  /** True once it was ended because its time was over. */
  hasTimedOut(id: SessionId): boolean {
    return this.#store.get(id)?.timedOut ?? false;
  }

  /** Asks the command to end, and ends it and all it has started. Throws `session_exited`, `lease_held`. */
  async interrupt(seen: SeenSessions, id: string, by: Steering): Promise<void> {
    const session = this.find(seen, id);
    if (!session.isHosted) throw new BinnacleError('session_exited', { message: 'The command has ended.' });
    try {
      await session.signal('SIGTERM', by);
    } catch (error) {
      // The command itself is over; what it left running is not.
      if (!(error instanceof BinnacleError) || !['session_exited', 'no_job'].includes(error.code)) throw error;
    }
    await exited(session, INTERRUPT_MS);
    await session.end();
  }

  /** Stops the clocks; commands go on. */
  stop(): void {
    this.#isStopped = true;
    for (const disarm of [...this.#disarm.values()]) disarm();
  }

  async #startAs(seen: SeenSessions, program: CreateSession, timeoutMs: number | undefined): Promise<Session> {
    const id = uuidv7() as SessionId;
    // For a later gateway; this one counts the time itself.
    this.#store.put(id, timeoutMs === undefined ? null : Date.now() + timeoutMs);
    let session: Session;
    try {
      session = await seen.create(program, { id });
    } catch (error) {
      this.#store.remove(id);
      throw error;
    }
    if (timeoutMs !== undefined) this.#arm(session, timeoutMs);
    return session;
  }

  #arm(session: Session, withinMs: number): void {
    const alarm = new Alarm();
    const disarm = () => {
      alarm.clear();
      stop();
      this.#disarm.delete(session.id);
    };
    const stop = session.listen({ changed: () => !session.info.running && disarm(), deleted: disarm });
    alarm.set(withinMs, () => this.#expire(session));
    this.#disarm.set(session.id, disarm);
  }

  #expire(session: Session): void {
    this.#disarm.get(session.id)?.();
    if (!session.info.running) return;
    // Before it is ended: whoever reads of the exit is to know why.
    this.#store.markTimedOut(session.id);
    session.end().catch((error: unknown) => {
      this.#log.warn({ err: error, session: session.id }, 'a command that took too long could not be ended yet');
      if (!this.#isStopped) this.#arm(session, RETRY_MS);
    });
  }
}

/** Resolves when it does not run any more, or after `withinMs`. */
function exited(session: Session, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!session.info.running) done();
    };
    const stop = session.listen({ changed: look, deleted: () => done() });
    const timer = setTimeout(() => done(), withinMs);
    const done = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    look();
  });
}

interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** A signal and a timeout are words, never a number: there is no exit code then. */
export function endingOf({ exitCode, signal }: Exit, hasTimedOut: boolean, ms: number): Ending {
  if (hasTimedOut) return { type: 'error', evalue: 'timeout', why: 'It took longer than its timeout and was ended.' };
  if (exitCode === 0) return { type: 'complete', ms };
  if (exitCode !== null) return { type: 'error', evalue: String(exitCode), why: `exit status ${exitCode}` };
  if (signal !== null) return { type: 'error', evalue: signal, why: `It was ended by the signal ${signal}.` };
  return { type: 'error', evalue: 'lost', why: 'How it ended was not seen: the process that owned it died.' };
}

/** A command as a stream: all its output, and its end as soon as it has exited, whoever holds its output open still. */
export class CommandExecution implements Execution {
  readonly session: Session;
  readonly id: SessionId;
  readonly #commands: Commands;

  constructor(session: Session, commands: Commands) {
    this.session = session;
    this.id = session.id;
    this.#commands = commands;
  }

  get at() {
    const { epoch, oldest } = this.session.log;
    return { epoch, ...oldest };
  }

  sort({ kind, bytes, time }: Entry) {
    if (kind === 'exit') return this.#end(JSON.parse(Buffer.from(bytes).toString()) as Exit, time);
    if (kind === 'closed') return this.over();
    return 'output';
  }

  over(): Ending {
    const { record } = this.session;
    return this.#end(record, record.exitedAt ?? Date.now());
  }

  #end(exit: Exit, time: number): Ending {
    return endingOf(exit, this.#commands.hasTimedOut(this.id), time - this.session.record.createdAt);
  }
}
