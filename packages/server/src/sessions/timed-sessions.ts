// Commands of the sandbox daemon's protocol. Each is a session with a time limit, which this file adds.

import { BinnacleError, type CreateSession, defined, isSessionId, type SessionId } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { Log } from '../base/logger.ts';
import { Timer } from '../base/timer.ts';
import type { TrustedTime } from '../base/trusted-time.ts';
import type { CommandStore } from '../store/commands.ts';
import type { Session, Steering } from './session.ts';

/** Absolute, not found by PATH: a request may replace PATH. */
const BASH = '/bin/bash';
/** Time after SIGTERM until everything that is left of the command is ended. */
const INTERRUPT_MS = 3000;
/** Delay before a retry if the runner did not answer: it may be stopped, or swapped out. */
const RETRY_MS = 5000;
const MAX_NAME_LENGTH = 60;

/** Sessions as one principal sees them. */
export interface VisibleSessions {
  create(program: CreateSession, options?: { readonly id: SessionId }): Promise<Session>;
  has(id: string): boolean;
  /** Throws `session_not_found`. */
  get(id: string): Session;
}

export interface CommandRequest {
  readonly command: string;
  readonly cwd?: string | undefined;
  readonly envs?: Readonly<Record<string, string>> | undefined;
  /** Time limit. Default: none. */
  readonly timeoutMs?: number | undefined;
}

export class TimedSessions {
  readonly #store: CommandStore;
  readonly #log: Log;
  /** Functions that cancel the time limit of a running command. */
  readonly #disarm = new Map<SessionId, () => void>();
  #isStopped = false;

  constructor(parts: {
    readonly store: CommandStore;
    readonly log: Log;
    /** Finds sessions of an earlier gateway. Called only in the constructor, and on behalf of no principal. */
    sessionOf(id: SessionId): Session;
    readonly time: Pick<TrustedTime, 'leftOf'>;
  }) {
    this.#store = parts.store;
    this.#log = parts.log;
    // Programs outlive the gateway, and so do their time limits.
    for (const { session: id, deadline } of this.#store.listDue()) {
      const session = parts.sessionOf(id);
      const since = session.record.createdAt;
      if (deadline !== null) this.#arm(session, parts.time.leftOf(since, deadline - since));
    }
  }

  /** Starts a command. Throws the errors of `Sessions.create`. */
  async start(seen: VisibleSessions, request: CommandRequest, by: Steering): Promise<Session> {
    const { command, cwd, envs, timeoutMs } = request;
    const program: CreateSession = {
      argv: [BASH, '-c', command],
      mode: 'pipe',
      name: command.trim().split('\n', 1)[0]?.slice(0, MAX_NAME_LENGTH) ?? '',
      ...defined({ cwd, env: envs }),
    };
    const session = await this.#startAs(seen, program, timeoutMs);
    // Clients of this protocol cannot write to a command, so a command that reads gets the end of input, as with
    // /dev/null.
    session.closeInput(by).catch((error: unknown) => {
      const hasEnded = error instanceof BinnacleError && error.code === 'session_exited';
      if (!hasEnded) this.#log.warn({ err: error, session: session.id }, 'the input of a command could not be closed');
    });
    return session;
  }

  /** Starts any program with a time limit, which a later gateway enforces as well. The input stays open. */
  async startTimed(seen: VisibleSessions, program: CreateSession, timeoutMs: number | undefined): Promise<Session> {
    return timeoutMs === undefined ? await seen.create(program) : await this.#startAs(seen, program, timeoutMs);
  }

  isCommand(seen: VisibleSessions, id: string): boolean {
    return isSessionId(id) && this.#store.get(id) !== undefined && seen.has(id);
  }

  /** Throws `session_not_found`. */
  find(seen: VisibleSessions, id: string): Session {
    if (!this.isCommand(seen, id)) throw new BinnacleError('session_not_found', { message: 'No such command.' });
    return seen.get(id);
  }

  /** True once the command was ended by its time limit. */
  hasTimedOut(id: SessionId): boolean {
    return this.#store.get(id)?.timedOut ?? false;
  }

  /** Sends SIGTERM to the command, then ends it and all that it has started. Throws `session_exited`, `lease_held`. */
  async interrupt(seen: VisibleSessions, id: string, by: Steering): Promise<void> {
    const session = this.find(seen, id);
    if (!session.isHosted) throw new BinnacleError('session_exited', { message: 'The command has ended.' });
    try {
      await session.signal('SIGTERM', by);
    } catch (error) {
      // The command itself has exited; processes that it left may still run.
      if (!(error instanceof BinnacleError) || !['session_exited', 'no_job'].includes(error.code)) throw error;
    }
    await exited(session, INTERRUPT_MS);
    await session.end();
  }

  /** Stops the timers; commands continue to run. */
  stop(): void {
    this.#isStopped = true;
    for (const disarm of [...this.#disarm.values()]) disarm();
  }

  async #startAs(seen: VisibleSessions, program: CreateSession, timeoutMs: number | undefined): Promise<Session> {
    const id = uuidv7() as SessionId;
    // Stored for a later gateway; this one counts the time itself.
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

  #arm(session: Session, timeoutMs: number): void {
    const alarm = new Timer();
    const disarm = () => {
      alarm.clear();
      stop();
      this.#disarm.delete(session.id);
    };
    const stop = session.listen({ changed: () => !session.info.running && disarm(), deleted: disarm });
    alarm.set(timeoutMs, () => this.#expire(session));
    this.#disarm.set(session.id, disarm);
  }

  #expire(session: Session): void {
    this.#disarm.get(session.id)?.();
    if (!session.info.running) return;
    // Before the end: a client that reads of the exit must find the reason.
    this.#store.markTimedOut(session.id);
    session.end().catch((error: unknown) => {
      this.#log.warn({ err: error, session: session.id }, 'a command that took too long could not be ended yet');
      if (!this.#isStopped) this.#arm(session, RETRY_MS);
    });
  }
}

/** Resolves when the program does not run any more, or after `timeoutMs`. */
function exited(session: Session, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (!session.info.running) done();
    };
    const stop = session.listen({ changed: check, deleted: () => done() });
    const timer = setTimeout(() => done(), timeoutMs);
    const done = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    check();
  });
}
