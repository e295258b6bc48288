// The runs of one session: commands that its shell executes one after the other, and their records after the end.

import { isAbsolute } from 'node:path';
import { BinnacleError, isRunId, type ProcessInfo, type RunInfo, type RunRequest } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { WritePermit } from '../lease/write-lease.ts';
import { checkProgramCwd } from '../process/launcher.ts';
import { RunRecords, sameRun } from '../runner/run-record.ts';
import type { RunnerRequest } from '../runner/wire.ts';
import type { SessionRecord } from '../store/sessions.ts';
import type { GuardedSession } from './input-hooks.ts';
import type { Steering } from './lease.ts';

/** The session as its runs see it. */
export interface RunsOf {
  record(): SessionRecord;
  isHosted(): boolean;
  guarded(): GuardedSession | undefined;
  admit(by: Steering): WritePermit;
  /** Sends a request to the host of the session. */
  ask(request: RunnerRequest): Promise<unknown>;
}

export class SessionRuns {
  readonly #of: RunsOf;
  readonly #dir: string;

  /** `dir` contains the records of the runs. */
  constructor(of: RunsOf, dir: string) {
    this.#of = of;
    this.#dir = dir;
  }

  /**
   * Queues a command for the shell. Returns the existing run if the id is already known. Throws `no_runs`,
   * `run_exists`, `shell_busy`, `too_many_runs`, `bad_request`, `session_foreign`, `vetoed`, and the errors of
   * `Session.write`.
   */
  async start(request: RunRequest, by: Steering): Promise<RunInfo> {
    if (this.#of.record().foreign !== null) throw new BinnacleError('session_foreign');
    const records = this.#require();
    const run = request.id ?? uuidv7();
    if (!isRunId(run)) {
      throw new BinnacleError('bad_request', { message: 'A run id is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-".' });
    }
    checkRequest(request);
    if (!this.#of.isHosted()) {
      const known = records.read(run);
      if (known !== undefined) return this.#settled(sameRun(known, request));
    }
    const { id } = this.#of.record();
    const writer = this.#of.admit(by);
    const start = (admitted = this.#of.admit(by)): Promise<RunInfo> =>
      this.#of.ask({ t: 'run', id, writer: admitted, run, request }) as Promise<RunInfo>;
    const guarded = this.#of.guarded();
    if (guarded === undefined || !(guarded.input.isNeeded || guarded.guard.observesInput)) return await start(writer);
    const { guard, input } = guarded;
    const event = { session: id, text: request.command, by: writer.by };
    // A request that was sent again has its run already.
    const isNew = records.read(run) === undefined;
    const started = await (input.isNeeded ? input.passRun(event, isNew, async () => await start()) : start(writer));
    if (guard.observesInput && isNew) guard.after(event);
    return started;
  }

  /**
   * Returns a run in its current state; also after the end of the run or the session. Throws `no_runs`,
   * `run_not_found`.
   */
  find(id: string): RunInfo {
    const run = this.#require().read(id);
    if (run === undefined) throw new BinnacleError('run_not_found');
    return this.#settled(run);
  }

  /** Lists the runs, oldest first. */
  list(): RunInfo[] {
    return this.#require()
      .list()
      .map((run) => this.#settled(run));
  }

  /**
   * Interrupts a run, then ends it; the session continues. Resolves when the run has ended, at once if it already had.
   */
  async cancel(id: string, by: Steering): Promise<RunInfo> {
    const run = this.find(id);
    if (run.state === 'ended') return run;
    const writer = this.#of.admit(by);
    try {
      return (await this.#of.ask({ t: 'cancel_run', id: this.#of.record().id, writer, run: id })) as RunInfo;
    } catch (error) {
      if (!(error instanceof BinnacleError) || error.code !== 'session_exited') throw error;
      return this.find(id);
    }
  }

  /** Lists processes that runs have started and left running. */
  async listProcesses(): Promise<ProcessInfo[]> {
    this.#require();
    if (!this.#of.isHosted()) return [];
    return (await this.#of.ask({ t: 'processes', id: this.#of.record().id })) as ProcessInfo[];
  }

  #require(): RunRecords {
    if (!this.#of.record().spec.takesRuns) throw new BinnacleError('no_runs');
    return new RunRecords(this.#dir);
  }

  /** Corrects the state of a run whose runner died before it could report the end. */
  #settled(run: RunInfo): RunInfo {
    if (run.state === 'ended' || this.#of.isHosted()) return run;
    const { state, exitedAt } = this.#of.record();
    return { ...run, state: 'ended', endedAt: exitedAt, outcome: state === 'lost' ? 'lost' : 'session_ended' };
  }
}

/** Throws `bad_request`, `bad_cwd`. */
function checkRequest({ command, cwd }: RunRequest): void {
  if (command.trim() === '') throw new BinnacleError('bad_request', { message: 'The command is empty.' });
  if (cwd === undefined) return;
  if (!isAbsolute(cwd)) {
    throw new BinnacleError('bad_cwd', { message: 'cwd is not an absolute path.', hint: 'Begin it with a slash.' });
  }
  checkProgramCwd(cwd);
}
