// The runs of one session: one after the other in its shell, each with one definite end. Knows no gateway.

import {
  BinnacleError,
  type Mode,
  type RunEvent,
  type RunId,
  type RunInfo,
  type RunOutcome,
  type RunRequest,
} from '@binnacle/protocol';
import { ABORT, RESTORE_LINE, WAKE, WAKE_WITH_INPUT } from '../process/run-shell.ts';
import { RUN_ENDING, type RunJob } from './run-job.ts';
import { newRun, type RunRecords, sameRun } from './run-record.ts';
import type { ShellLink, ShellTold } from './shell-link.ts';

/** Readline takes the terminal over right behind the prompt's hook; a prompt that shows nothing is not waited for. */
const PROMPT_MS = 20;
/** A shell that was woken at its prompt begins within milliseconds. */
const WAKE_MS = 2000;
/** An interrupt key in the moment of the prompt's hook keeps bash from telling that it is there: then we look. */
const LOOK_MS = 500;
/** A shell that ends before it has executed anything will do so again: without memory or processes, for example. */
const MAX_RESTARTS = 5;
/** A full disk is asked again this often. */
const DISK_RETRY_MS = 100;
/** What makes a shell execute what was typed: newline, return, end of file, and readline's operate-and-get-next. */
const EXECUTING = new Set([0x0a, 0x0d, 0x04, 0x0f]);

export interface RunsParts {
  readonly session: RunInfo['session'];
  readonly mode: Mode;
  readonly link: ShellLink;
  readonly records: RunRecords;
  readonly maxQueued: number;
  /** Ended ones whose record is kept. */
  readonly maxEnded: number;
  readonly job: RunJob;
  /** Calls back when all that the shell wrote so far is in the log. */
  settle(done: () => void): void;
  /** Behind all input that was taken. Where that is full or closed, nothing is typed. */
  type(bytes: Buffer): void;
  append(event: RunEvent): void;
  readonly head: { readonly position: string; readonly offset: number };
  changed(run: RunInfo): void;
}

interface Waiting {
  readonly request: RunRequest;
  info: RunInfo;
  readonly ended: PromiseWithResolvers;
}

interface PromiseWithResolvers {
  readonly promise: Promise<RunInfo>;
  readonly resolve: (run: RunInfo) => void;
}

/** `woken`: the shell was told that there is a run. `begun`: it executes it. */
interface Current extends Waiting {
  phase: 'woken' | 'begun';
  /** Monotonic ms. */
  startedAt: number;
  /** Why we end it. */
  outcome: RunOutcome | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class Runs {
  readonly #parts: RunsParts;
  readonly #queue: Waiting[] = [];
  #current: Current | undefined;
  /** Ids of ended runs, oldest first. */
  readonly #ended: string[] = [];
  #isReady = false;
  /** Readline is at the prompt, as it is in a terminal unless somebody turned it off. */
  #editsLines = true;
  /** Something was typed that the shell executes, since it was answered last. */
  #wasTyped = false;
  /** The terminal showed something since the shell was answered: that can only be the prompt, or a job behind. */
  #hasShown = false;
  #prompt: { readonly timer: NodeJS.Timeout; readonly hasLine: boolean } | undefined;
  /** Shells in a row that ended without having executed anything. */
  #restarts = 0;
  #look: NodeJS.Timeout | undefined;
  #isEnding = false;
  #isOver = false;

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  get standing(): { readonly current: RunId | null; readonly queued: number } {
    return { current: this.#current?.info.id ?? null, queued: this.#queue.length };
  }

  /**
   * Of an id that is there already: that run, once more. Throws `run_exists` where that is another command, `shell_busy`,
   * `too_many_runs`, `session_exited`.
   */
  submit(id: RunId, request: RunRequest, by: string): RunInfo {
    const known = this.#find(id)?.info ?? this.#parts.records.read(id);
    if (known !== undefined) return sameRun(known, request);
    if (this.#isOver) throw new BinnacleError('session_exited');
    const isFree = this.#isReady && this.#current === undefined && this.#queue.length === 0;
    if (request.onBusy === 'refuse' && !isFree) throw new BinnacleError('shell_busy');
    const { maxQueued: limit } = this.#parts;
    if (this.#queue.length >= limit) throw new BinnacleError('too_many_runs', { details: { limit } });
    const waiting = { request, info: newRun(id, this.#parts.session, request, by), ended: withResolvers() };
    this.#queue.push(waiting);
    this.#tell(waiting, waiting.info);
    this.#startNext();
    this.#lookLater();
    return waiting.info;
  }

  /** Resolves when it has ended; at once when it had. Throws `run_not_found`. */
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

  /** The input ends: the shell will leave. */
  noticeEndOfInput(): void {
    this.#wasTyped = true;
    this.#isReady = false;
  }

  /** Somebody types. */
  noticeInput(bytes: Uint8Array): void {
    if (!bytes.some((byte) => EXECUTING.has(byte))) return;
    this.#wasTyped = true;
    this.#isReady = false;
  }

  /** The terminal shows something: behind the prompt's hook that is the prompt. */
  noticeOutput(): void {
    this.#hasShown = true;
    if (this.#prompt !== undefined) this.#beReady();
  }

  /** The session is being ended: whatever ends from now on was ended by that. */
  expectEnd(): void {
    this.#isEnding = true;
  }

  /** The session's program has exited, and all that it wrote is in the log. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#look);
    clearTimeout(this.#prompt?.timer);
    this.#prompt = undefined;
    this.#finish({ outcome: 'session_ended' });
    for (const waiting of [...this.#queue]) this.#drop(waiting, 'session_ended');
    this.#parts.link.close();
  }

  /** What the shell tells. */
  handle(told: ShellTold): void {
    this.#lookLater();
    switch (told.t) {
      case 'shell':
        this.#parts.job.shellPid = told.pid;
        return;
      case 'begin':
        this.#shellOnBegin(told.n);
        return;
      case 'end':
        this.#shellOnEnd(told.n, told.status, told.cwd);
        return;
      case 'prompt':
        this.#shellOnPrompt(told.n);
        return;
      case 'ready':
        this.#editsLines = told.editsLines;
        this.#shellOnReady(told.hasInput, told.hasLine);
        return;
      case 'over':
        this.#shellOnOver(told.status);
        return;
    }
  }

  #answer(n: number, word: 'ok' | 'go' | 'no'): void {
    // What is typed from now on may come before the prompt or behind it; `ready` tells of what came before.
    this.#wasTyped = false;
    this.#hasShown = false;
    this.#parts.link.answer(n, word);
  }

  #startNext(): void {
    if (!this.#isReady || this.#isEnding || this.#current !== undefined) return;
    const next = this.#queue[0];
    if (next === undefined) return;
    try {
      this.#parts.link.offer(next.request.command, next.request.cwd);
    } catch {
      // A full disk: it waits, as what programs write does.
      setTimeout(() => this.#startNext(), DISK_RETRY_MS);
      return;
    }
    this.#queue.shift();
    this.#current = { ...next, phase: 'woken', startedAt: 0, outcome: undefined, timer: undefined };
    this.#wake(this.#current);
  }

  /** Only while somebody waits for a prompt that was not told of. */
  #lookLater(): void {
    clearTimeout(this.#look);
    this.#look = undefined;
    if (this.#isOver || this.#isReady || this.#current !== undefined || this.#queue.length === 0) return;
    this.#look = setTimeout(() => {
      this.#isReady = !this.#wasTyped && this.#prompt === undefined && this.#parts.job.hasShellTerminal;
      this.#startNext();
      this.#lookLater();
    }, LOOK_MS);
  }

  #wake(current: Current): void {
    this.#isReady = false;
    clearTimeout(current.timer);
    current.timer = setTimeout(() => this.#wakeOnTimeout(current), WAKE_MS);
    const { mode } = this.#parts;
    const isPlain = mode === 'pipe' ? current.request.stdin === 'session' : !this.#editsLines;
    this.#parts.type(isPlain ? WAKE_WITH_INPUT : WAKE[mode]);
  }

  /** Either the key was thrown away, or something else had the terminal after all: then it waits for the next prompt. */
  #wakeOnTimeout(current: Current): void {
    if (this.#current !== current || current.phase !== 'woken') return;
    if (!this.#wasTyped && this.#parts.job.hasShellTerminal) {
      // What an interrupt has left of the key would become a part of the next one.
      if (this.#editsLines) this.#parts.type(ABORT);
      this.#wake(current);
      return;
    }
    this.#giveBack(current);
  }

  #giveBack(current: Current): void {
    clearTimeout(current.timer);
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
    clearTimeout(current.timer);
    this.#restarts = 0;
    current.phase = 'begun';
    // Whoever interrupts it from here on means nothing that was there before.
    this.#parts.job.begin();
    // The echo of what was typed comes before the run.
    this.#parts.settle(() => {
      if (this.#current !== current) return;
      const { position, offset } = this.#parts.head;
      this.#tell(current, { ...current.info, state: 'running', startedAt: Date.now(), position, startOffset: offset });
      this.#parts.append({ type: 'run_started', run: current.info });
      current.startedAt = performance.now();
      const { timeoutMs = 0 } = current.request;
      // It may be interrupted already, and that has a timer of its own.
      if (timeoutMs > 0 && current.outcome === undefined)
        current.timer = setTimeout(() => this.#interrupt('timed_out'), Math.min(timeoutMs, 0x7fffffff));
      this.#answer(n, 'go');
    });
  }

  #shellOnEnd(n: number, exitCode: number, cwd: string): void {
    const current = this.#current;
    if (current?.phase !== 'begun') {
      // It was interrupted before it could ask for its command.
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
    // The run took away what would have told its end. It is over, and nobody knows how.
    this.#parts.settle(() => {
      if (this.#current === current) this.#finish({});
      this.#answer(n, 'ok');
    });
  }

  #shellOnReady(hasInput: boolean, hasLine: boolean): void {
    if (hasInput) this.#wasTyped = true;
    if (this.#wasTyped) return;
    clearTimeout(this.#prompt?.timer);
    this.#prompt = { timer: setTimeout(() => this.#beReady(), PROMPT_MS), hasLine };
    if (this.#hasShown || this.#parts.mode === 'pipe') this.#beReady();
  }

  #beReady(): void {
    const prompt = this.#prompt;
    clearTimeout(prompt?.timer);
    this.#prompt = undefined;
    if (this.#isOver || this.#wasTyped) return;
    this.#isReady = true;
    // A run that was typed and has not begun: the line was thrown away, by an interrupt for example.
    if (this.#current !== undefined) {
      if (this.#current.phase === 'woken') this.#wake(this.#current);
      return;
    }
    this.#startNext();
    if (this.#isReady && prompt?.hasLine === true) this.#parts.type(RESTORE_LINE);
  }

  #shellOnOver(exitCode: number): void {
    const current = this.#current;
    const durationMs = this.#duration();
    this.#isReady = false;
    const isRun = current?.phase === 'begun';
    this.#restarts += 1;
    // Left by hand (`exit`, end of the input): that is the end of the session. Else it died of what a run has left behind.
    const isLeft = !isRun && this.#wasTyped && !isSignal(exitCode);
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

  /** An interrupt first; what does not hear it is ended, at last with the shell itself. */
  #interrupt(outcome: RunOutcome): void {
    const current = this.#current;
    if (current === undefined || current.outcome !== undefined) return;
    current.outcome = outcome;
    clearTimeout(current.timer);
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
      current.timer = setTimeout(step, againMs);
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
    clearTimeout(current.timer);
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

  /** It has not begun, and never will. */
  #drop(waiting: Waiting, outcome: RunOutcome): void {
    const at = this.#queue.indexOf(waiting);
    if (at >= 0) this.#queue.splice(at, 1);
    if (this.#current === waiting) {
      clearTimeout(this.#current.timer);
      this.#current = undefined;
      this.#parts.link.withdraw();
    }
    this.#end(waiting, { ...waiting.info, outcome });
  }

  #end(waiting: Waiting, info: RunInfo): void {
    const ended: RunInfo = { ...info, state: 'ended', endedAt: Date.now() };
    // Behind the last byte, and in the log before anybody is told.
    if (ended.startedAt !== null) this.#parts.append({ type: 'run_ended', run: ended });
    this.#tell(waiting, ended);
    this.#ended.push(ended.id);
    const oldest = this.#ended.length > this.#parts.maxEnded ? this.#ended.shift() : undefined;
    if (oldest !== undefined) this.#parts.records.remove(oldest);
    waiting.ended.resolve(ended);
  }

  #find(id: string): Waiting | undefined {
    return this.#current?.info.id === id ? this.#current : this.#queue.find(({ info }) => info.id === id);
  }

  #tell(waiting: Waiting, info: RunInfo): void {
    waiting.info = info;
    this.#parts.records.write(info);
    this.#parts.changed(info);
  }
}

/** What bash calls an end by a signal. */
const isSignal = (exitCode: number): boolean => exitCode > 128 && exitCode <= 128 + 64;

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Promise.withResolvers came with Node 22. */
function withResolvers(): PromiseWithResolvers {
  let resolve: (run: RunInfo) => void = () => undefined;
  const promise = new Promise<RunInfo>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
