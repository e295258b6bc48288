// The runs of one session: one after the other in its shell, each with one definite end.

import {
  BinnacleError,
  type RunEvent,
  type RunId,
  type RunInfo,
  type RunOutcome,
  type RunRequest,
  type SessionMode,
} from '@binnacle/protocol';
import { Timer } from '../base/timer.ts';
import { ABORT, RESTORE_LINE, WAKE, WAKE_WITH_INPUT } from '../process/run-shell.ts';
import { RUN_ENDING, type RunJob } from './run-job.ts';
import { newRun, type RunRecords, sameRun } from './run-record.ts';
import type { ShellLink, ShellReport } from './shell-link.ts';
import { ShellPrompt } from './shell-prompt.ts';

/** Delay before a second wake. A shell that was woken at its prompt begins within milliseconds. */
const WAKE_MS = 2000;
/**
 * Delay before a check of the terminal. An interrupt key in the moment of the prompt's hook keeps bash from reporting
 * its prompt.
 */
const PROMPT_CHECK_MS = 500;
/**
 * Maximum restarts in a row. A shell that ends before it has executed a command will do so again: without memory or
 * processes, for example.
 */
const MAX_RESTARTS = 5;
/** Delay before a retry on a full disk. */
const DISK_RETRY_MS = 100;

export interface RunsParts {
  readonly session: RunInfo['session'];
  readonly mode: SessionMode;
  readonly link: ShellLink;
  readonly records: RunRecords;
  readonly maxQueued: number;
  /** Maximum ended runs whose record is stored. */
  readonly maxEnded: number;
  readonly job: RunJob;
  /** Calls back when all output that the shell has written so far is in the log. */
  settle(done: () => void): void;
  /** Types after all accepted input. Types nothing if the input is full or closed. */
  type(bytes: Buffer): void;
  append(event: RunEvent): void;
  readonly head: { readonly position: string; readonly offset: number };
  changed(run: RunInfo): void;
}

interface QueuedRun {
  readonly request: RunRequest;
  info: RunInfo;
  readonly ended: PromiseWithResolvers;
}

interface PromiseWithResolvers {
  readonly promise: Promise<RunInfo>;
  readonly resolve: (run: RunInfo) => void;
}

/** The current run. `woken`: the shell was notified of a run. `begun`: the shell executes it. */
interface CurrentRun extends QueuedRun {
  phase: 'woken' | 'begun';
  /** Monotonic ms. */
  startedAt: number;
  /** The reason for which the run is being ended. */
  outcome: RunOutcome | undefined;
  readonly timer: Timer;
}

export class Runs {
  /** Takes the input and the output of the shell, which decide whether a run can begin. */
  readonly prompt: ShellPrompt;
  readonly #parts: RunsParts;
  readonly #queue: QueuedRun[] = [];
  #current: CurrentRun | undefined;
  /** Ids of ended runs, oldest first. */
  readonly #ended: string[] = [];
  /** Shells in a row that ended without an executed command. */
  #restarts = 0;
  readonly #promptCheck = new Timer();
  #isEnding = false;
  #isOver = false;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    this.prompt = new ShellPrompt(parts.mode, (hasLine) => this.#promptOnReached(hasLine));
  }

  get status(): { readonly current: RunId | null; readonly queued: number } {
    return { current: this.#current?.info.id ?? null, queued: this.#queue.length };
  }

  /**
   * Submits a run. For an existing id, returns that run (idempotent). Throws `run_exists` if the id belongs to another
   * command, `shell_busy`, `too_many_runs` and `session_exited`.
   */
  submit(id: RunId, request: RunRequest, by: string): RunInfo {
    const known = this.#find(id)?.info ?? this.#parts.records.read(id);
    if (known !== undefined) return sameRun(known, request);
    if (this.#isOver) throw new BinnacleError('session_exited');
    const isFree = this.prompt.isReady && this.#current === undefined && this.#queue.length === 0;
    if (request.onBusy === 'refuse' && !isFree) throw new BinnacleError('shell_busy');
    const { maxQueued: limit } = this.#parts;
    if (this.#queue.length >= limit) throw new BinnacleError('too_many_runs', { details: { limit } });
    const waiting = { request, info: newRun(id, this.#parts.session, request, by), ended: withResolvers() };
    this.#queue.push(waiting);
    this.#report(waiting, waiting.info);
    this.#startNext();
    this.#checkPromptLater();
    return waiting.info;
  }

  /** Cancels a run. Resolves when it has ended. Throws `run_not_found`. */
  async cancel(id: string): Promise<RunInfo> {
    const found = this.#find(id);
    if (found === undefined) {
      const known = this.#parts.records.read(id);
      if (known === undefined) throw new BinnacleError('run_not_found');
      return known;
    }
    if (found === this.#current && this.#current.phase === 'begun') this.#interrupt('cancelled');
    else this.#drop(found, 'cancelled');
    return await found.ended.promise;
  }

  /** Reports that the session is being ended: every later end has that reason. */
  expectEnd(): void {
    this.#isEnding = true;
  }

  /** Ends all runs. Call after the session's program has exited and all its output is in the log. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#promptCheck.clear();
    this.prompt.stop();
    this.#finish({ outcome: 'session_ended' });
    for (const waiting of [...this.#queue]) this.#drop(waiting, 'session_ended');
    this.#parts.link.close();
  }

  /** Takes a message of the shell. */
  handle(report: ShellReport): void {
    this.#checkPromptLater();
    switch (report.t) {
      case 'shell':
        this.#parts.job.shellPid = report.pid;
        return;
      case 'begin':
        this.#shellOnBegin(report.n);
        return;
      case 'end':
        this.#shellOnEnd(report.n, report.status, report.cwd);
        return;
      case 'prompt':
        this.#shellOnPrompt(report.n);
        return;
      case 'ready':
        this.prompt.announce(report);
        return;
      case 'over':
        this.#shellOnOver(report.status);
        return;
    }
  }

  #answer(n: number, word: 'ok' | 'go' | 'no'): void {
    this.prompt.noticeAnswer();
    this.#parts.link.answer(n, word);
  }

  #startNext(): void {
    if (!this.prompt.isReady || this.#isEnding || this.#current !== undefined) return;
    const next = this.#queue[0];
    if (next === undefined) return;
    try {
      this.#parts.link.offer(next.request.command, next.request.cwd);
    } catch {
      // A full disk: the run waits, as the output of programs does.
      setTimeout(() => this.#startNext(), DISK_RETRY_MS);
      return;
    }
    this.#queue.shift();
    this.#current = { ...next, phase: 'woken', startedAt: 0, outcome: undefined, timer: new Timer() };
    this.#wake(this.#current);
  }

  /** Schedules a check for an unreported prompt, if a run waits for one. */
  #checkPromptLater(): void {
    this.#promptCheck.clear();
    if (this.#isOver || this.prompt.isReady || this.#current !== undefined || this.#queue.length === 0) return;
    this.#promptCheck.set(PROMPT_CHECK_MS, () => {
      this.prompt.check(() => this.#parts.job.hasShellTerminal);
      this.#startNext();
      this.#checkPromptLater();
    });
  }

  #wake(current: CurrentRun): void {
    this.prompt.leave();
    current.timer.set(WAKE_MS, () => this.#wakeOnTimeout(current));
    const { mode } = this.#parts;
    const isPlain = mode === 'pipe' ? current.request.stdin === 'session' : !this.prompt.editsLines;
    this.#parts.type(isPlain ? WAKE_WITH_INPUT : WAKE[mode]);
  }

  /** Retries if the key was lost. If another program had the terminal after all, the run waits for the next prompt. */
  #wakeOnTimeout(current: CurrentRun): void {
    if (this.#current !== current || current.phase !== 'woken') return;
    if (!this.prompt.wasTyped && this.#parts.job.hasShellTerminal) {
      // The remains of the key after an interrupt would become a part of the next key.
      if (this.prompt.editsLines) this.#parts.type(ABORT);
      this.#wake(current);
      return;
    }
    this.#giveBack(current);
  }

  #giveBack(current: CurrentRun): void {
    current.timer.clear();
    this.#current = undefined;
    this.#parts.link.withdraw();
    this.#queue.unshift(current);
  }

  #shellOnBegin(n: number): void {
    const current = this.#current;
    if (current === undefined || current.phase !== 'woken') {
      this.#answer(n, 'no');
      return;
    }
    current.timer.clear();
    this.#restarts = 0;
    current.phase = 'begun';
    // Earlier processes are not affected by an interrupt from here on.
    this.#parts.job.begin();
    // The echo of the typed line comes before the run.
    this.#parts.settle(() => {
      if (this.#current !== current) return;
      const { position, offset } = this.#parts.head;
      this.#report(current, {
        ...current.info,
        state: 'running',
        startedAt: Date.now(),
        position,
        startOffset: offset,
      });
      this.#parts.append({ type: 'run_started', run: current.info });
      current.startedAt = performance.now();
      const { timeoutMs = 0 } = current.request;
      // An interrupt may have come already, which set its own timer.
      if (timeoutMs > 0 && current.outcome === undefined)
        current.timer.set(timeoutMs, () => this.#interrupt('timed_out'));
      this.#answer(n, 'go');
    });
  }

  #shellOnEnd(n: number, exitCode: number, cwd: string): void {
    const current = this.#current;
    if (current?.phase !== 'begun') {
      // The run was interrupted before it requested its command.
      this.#answer(n, 'ok');
      return;
    }
    const durationMs = this.#duration();
    if (current.outcome !== undefined) this.#parts.job.sweep('SIGINT');
    this.#parts.settle(() => {
      if (this.#current === current) this.#finish({ exitCode, cwd, durationMs });
      this.#answer(n, 'ok');
    });
  }

  #shellOnPrompt(n: number): void {
    const current = this.#current;
    if (current?.phase !== 'begun') {
      this.#answer(n, 'ok');
      return;
    }
    // The run removed the hook that reports its end. The run has ended with an unknown exit code.
    this.#parts.settle(() => {
      if (this.#current === current) this.#finish({});
      this.#answer(n, 'ok');
    });
  }

  #promptOnReached(hasLine: boolean): void {
    // A run that was typed but has not begun: the line was lost, by an interrupt for example.
    if (this.#current !== undefined) {
      if (this.#current.phase === 'woken') this.#wake(this.#current);
      return;
    }
    this.#startNext();
    if (this.prompt.isReady && hasLine) this.#parts.type(RESTORE_LINE);
  }

  #shellOnOver(exitCode: number): void {
    const current = this.#current;
    const durationMs = this.#duration();
    this.prompt.leave();
    const isRun = current?.phase === 'begun';
    this.#restarts += 1;
    // Left by the user (`exit`, end of the input): the session ends. Otherwise the shell died of an effect of a run.
    const isLeft = !isRun && this.prompt.wasTyped && !isSignal(exitCode);
    if (this.#isEnding || isLeft || this.#restarts > MAX_RESTARTS) {
      this.#parts.link.answerKeeper('enough');
      return;
    }
    if (current !== undefined && !isRun) this.#giveBack(current);
    this.#parts.settle(() => {
      if (isRun && this.#current === current) this.#finish({ exitCode, durationMs, reset: true });
      this.#parts.append({ type: 'session_reset', exitCode });
      this.#parts.link.answerKeeper('again');
    });
  }

  #duration(): number | null {
    const current = this.#current;
    return current?.phase === 'begun' && current.startedAt > 0 ? round(performance.now() - current.startedAt) : null;
  }

  /** Interrupts the run first; then ends the processes that ignore that, and finally the shell itself. */
  #interrupt(outcome: RunOutcome): void {
    const current = this.#current;
    if (current === undefined || current.outcome !== undefined) return;
    current.outcome = outcome;
    current.timer.clear();
    const { job } = this.#parts;
    const { intMs, termMs, killMs, againMs } = RUN_ENDING;
    const began = performance.now();
    const step = () => {
      if (this.#current !== current) return;
      const passed = performance.now() - began;
      if (passed < intMs) job.signal('SIGINT');
      else if (passed < intMs + termMs) job.signal('SIGTERM');
      else if (passed < intMs + termMs + killMs) job.signal('SIGKILL');
      else job.killShell();
      current.timer.set(againMs, step);
    };
    step();
  }

  #finish(how: {
    readonly exitCode?: number;
    readonly outcome?: RunOutcome;
    readonly cwd?: string;
    readonly durationMs?: number | null;
    readonly reset?: boolean;
  }): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    current.timer.clear();
    this.#parts.link.withdraw();
    this.#end(current, {
      ...current.info,
      endOffset: current.info.startOffset === null ? null : this.#parts.head.offset,
      exitCode: how.exitCode ?? null,
      outcome: how.outcome ?? current.outcome ?? (this.#isEnding ? 'session_ended' : 'exited'),
      durationMs: how.durationMs ?? null,
      cwd: how.cwd ?? null,
      reset: how.reset ?? false,
    });
  }

  /** Ends a run that has not begun and never will. */
  #drop(waiting: QueuedRun, outcome: RunOutcome): void {
    const at = this.#queue.indexOf(waiting);
    if (at >= 0) this.#queue.splice(at, 1);
    if (this.#current === waiting) {
      this.#current.timer.clear();
      this.#current = undefined;
      this.#parts.link.withdraw();
    }
    this.#end(waiting, { ...waiting.info, outcome });
  }

  #end(waiting: QueuedRun, info: RunInfo): void {
    const ended: RunInfo = { ...info, state: 'ended', endedAt: Date.now() };
    // After the last byte, and in the log before any client learns of it.
    if (ended.startedAt !== null) this.#parts.append({ type: 'run_ended', run: ended });
    this.#report(waiting, ended);
    this.#ended.push(ended.id);
    const oldest = this.#ended.length > this.#parts.maxEnded ? this.#ended.shift() : undefined;
    if (oldest !== undefined) this.#parts.records.remove(oldest);
    waiting.ended.resolve(ended);
  }

  #find(id: string): QueuedRun | undefined {
    return this.#current?.info.id === id ? this.#current : this.#queue.find(({ info }) => info.id === id);
  }

  #report(waiting: QueuedRun, info: RunInfo): void {
    waiting.info = info;
    this.#parts.records.write(info);
    this.#parts.changed(info);
  }
}

/** Returns whether bash reports an end by a signal. */
const isSignal = (exitCode: number): boolean => exitCode > 128 && exitCode <= 128 + 64;

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Replaces Promise.withResolvers, which came with Node 22. */
function withResolvers(): PromiseWithResolvers {
  let resolve: (run: RunInfo) => void = () => undefined;
  const promise = new Promise<RunInfo>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
