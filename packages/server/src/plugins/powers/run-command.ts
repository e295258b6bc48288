// Runs programs for plugins: exactly the allowed command, without a shell and within limits. All children end with
// their program.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir } from 'node:os';
import type { Readable } from 'node:stream';
import { BinnacleError } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import { programEnvironment } from '../../process/environment.ts';
import { checkProgramCwd } from '../../process/launcher.ts';
import { familyOf, type Leader, marksOf, readProcess } from '../../process/session-processes.ts';
import { type EndingTimes, endFamily } from '../../process/termination.ts';
import { type CallOf, DEFAULT_COMMAND_TIMEOUT_MS, MAX_COMMAND_TIMEOUT_MS } from '../grant/calls.ts';
import { REAL_CLOCK } from '../host/supervision.ts';
import type { PluginCaller, PowersOf } from './powers.ts';
import { PluginRateLimit, unawaited } from './rate-limit.ts';

export interface ProgramParts {
  /**
   * Mark of this gateway, a-z and 0-9. By this mark the next gateway finds programs that were left behind by a kill.
   */
  readonly mark: string;
  /** Names of environment variables that programs get besides the usual ones. */
  readonly passEnv?: readonly string[];
  /** Maximum concurrent programs per plugin. */
  readonly maxAtOnce?: number;
  readonly endingTimes?: EndingTimes;
  readonly log: { warn(details: object, message: string): void };
}

type RunCall = CallOf<'runCommandWithTimeout'>;

interface RunResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
}

const MAX_AT_ONCE = 4;
/** Maximum starts per second and plugin. Each start blocks the event loop for some milliseconds. */
const STARTS_PER_SECOND = 10;
const ENDING: EndingTimes = { hupMs: 100, termMs: 400 };
/** Maximum wait for output after the end of a program: its children may still be writing. */
const DRAIN_MS = 200;
/** Maximum wait after all processes were ended. Only a process that cannot be ended keeps a pipe open longer. */
const CLOSE_MS = 1000;
/** Time after the program's deadline to end the program and to answer. */
const ENDING_MS = 5000;
const NOBODY: Leader = { pid: -1, startTime: '' };

export class PluginPrograms {
  readonly powers: PowersOf<'runCommandWithTimeout'> = {
    runCommandWithTimeout: (params, caller) => this.#ask(params, caller),
  };
  readonly #parts: ProgramParts;
  /** Running programs by plugin. */
  readonly #running: ConcurrencyLimit;
  readonly #all = new Set<Promise<unknown>>();
  readonly #pace = new PluginRateLimit(REAL_CLOCK, STARTS_PER_SECOND);
  readonly #stop = new AbortController();

  constructor(parts: ProgramParts) {
    this.#parts = parts;
    this.#running = new ConcurrencyLimit({ limit: parts.maxAtOnce ?? MAX_AT_ONCE, refusal: tooMany });
  }

  /** Ends programs that an earlier gateway left behind when it was killed. Call before the first plugin starts. */
  async endLeft(): Promise<void> {
    const marks = marksOf(this.#prefix);
    await Promise.all([...marks].map((mark) => endFamily(NOBODY, mark, this.#times)));
    if (marks.size > 0) {
      this.#parts.log.warn({ count: marks.size }, 'programs of plugins that an earlier gateway left were ended');
    }
  }

  /** Ends all programs. Settles once they have ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#all);
  }

  get #times(): EndingTimes {
    return this.#parts.endingTimes ?? ENDING;
  }

  get #prefix(): string {
    return `plugin-${this.#parts.mark}-`;
  }

  async #ask(params: unknown, { plugin, gate, signal }: PluginCaller): Promise<RunResult> {
    const call = gate.allow('runCommandWithTimeout', params);
    const ends = AbortSignal.any([signal, this.#stop.signal]);
    const run = this.#running.run(plugin, () => this.#run(call, plugin, ends)).finally(() => this.#all.delete(run));
    this.#all.add(run);
    return await run;
  }

  async #run(call: RunCall, plugin: string, signal: AbortSignal): Promise<RunResult> {
    await this.#pace.wait(plugin, 1, signal);
    if (signal.aborted) throw unawaited();
    const cwd = call.cwd ?? homedir();
    checkProgramCwd(cwd);
    const id = `${this.#prefix}${uuidv7()}`;
    const program = { id, hasTerminal: false };
    const env = programEnvironment(process.env, {}, program, { passEnv: this.#parts.passEnv ?? [] });
    const child = await launch(call, cwd, { ...env, PWD: cwd });
    const { pid = -1 } = child;
    const leader = readProcess(pid) ?? { pid, startTime: '' };
    // Registered before any wait, because neither event is repeated.
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const stdout = new CapturedOutput(child.stdout as Readable);
    const stderr = new CapturedOutput(child.stderr as Readable);
    // A program that does not read its input has not failed.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(call.stdin);
    const why = await firstOf(exited, call.timeoutMs, signal);
    stdout.stopDropping();
    stderr.stopDropping();
    if (why === 'exited') await settledOrAfter(DRAIN_MS, closed);
    // Most programs leave no children: one check is then enough.
    const isAlone = why === 'exited' && familyOf(leader, id).length === 0;
    const left = isAlone ? 0 : await endFamily(leader, id, this.#times);
    if (left > 0) this.#parts.log.warn({ plugin, file: call.file, left }, 'a program of a plugin could not be ended');
    await settledOrAfter(CLOSE_MS, closed);
    for (const stream of child.stdio) stream?.destroy();
    if (left > 0) child.unref();
    if (why === 'aborted') throw unawaited();
    return {
      exitCode: child.exitCode,
      signal: child.signalCode,
      timedOut: why === 'late',
      ...textsOf(stdout, stderr),
    };
  }
}

/** Returns the time limit of such a call, from unvalidated arguments. */
export function commandDeadlineMs(params: unknown): number {
  const requestedMs =
    typeof params === 'object' && params !== null && 'timeoutMs' in params ? params.timeoutMs : undefined;
  const isTime = typeof requestedMs === 'number' && requestedMs >= 1 && requestedMs <= MAX_COMMAND_TIMEOUT_MS;
  return (isTime ? requestedMs : DEFAULT_COMMAND_TIMEOUT_MS) + ENDING_MS;
}

/**
 * Starts a program in its own session and group, so that a signal reaches only that group. Throws if the program cannot
 * be started.
 */
async function launch({ file, argv, stdin: _ }: RunCall, cwd: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const [argv0 = file, ...args] = argv;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { argv0, cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  } catch (cause) {
    throw notStarted(file, cause);
  }
  if (child.pid === undefined) {
    const [error] = (await once(child, 'error')) as [NodeJS.ErrnoException];
    throw notStarted(file, error);
  }
  // The program has a pid: its end reports later errors.
  child.on('error', () => undefined);
  return child;
}

function notStarted(file: string, cause: unknown): BinnacleError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  if (code === 'ENOENT') return new BinnacleError('command_not_found', { message: `There is no program ${file}.` });
  return new BinnacleError('start_failed', { message: `${file} could not be started (${code}).`, cause });
}

function firstOf(
  exited: Promise<void>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<'exited' | 'late' | 'aborted'> {
  return new Promise((resolve) => {
    const settle = (why: 'exited' | 'late' | 'aborted') => (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(why);
    };
    const timer = setTimeout(settle('late'), timeoutMs);
    const abort = settle('aborted');
    signal.addEventListener('abort', abort, { once: true });
    void exited.then(settle('exited'));
    if (signal.aborted) abort();
  });
}

async function settledOrAfter(ms: number, done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([done, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

const MAX_OUTPUT_BYTES = 256 * 1024;
/** Maximum bytes of each output as JSON, where a control character takes six bytes: both must fit into one answer. */
const MAX_JSON_BYTES = 480 * 1024;
/** Delay between two dropped chunks, so that a flood does not occupy the gateway. */
const DROP_PAUSE_MS = 4;

/** Captures the beginning of an output. Reads and drops the rest, so that the program can continue. */
class CapturedOutput {
  readonly #stream: Readable;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #isCut = false;
  #isEnding = false;
  #pause: NodeJS.Timeout | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('error', () => undefined);
    stream.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  /** Stops waiting for the rest of a cut output. Call when the program has ended or is about to end. */
  stopDropping(): void {
    this.#isEnding = true;
    clearTimeout(this.#pause);
    if (this.#isCut) this.#stream.destroy();
  }

  /** Returns whole characters, with U+FFFD for invalid bytes. */
  get text(): { readonly text: string; readonly isCut: boolean } {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const all = decoder.decode(Buffer.concat(this.#pieces), { stream: this.#isCut });
    let text = all;
    for (let size = jsonBytes(text); size > MAX_JSON_BYTES; size = jsonBytes(text)) {
      text = text.slice(0, Math.floor((text.length * MAX_JSON_BYTES * 0.99) / size));
    }
    if (text.length < all.length) text = text.replace(/[\ud800-\udbff]$/, '');
    return { text, isCut: this.#isCut || text.length < all.length };
  }

  #take(bytes: Buffer): void {
    const room = MAX_OUTPUT_BYTES - this.#bytes;
    if (room > 0) this.#pieces.push(bytes.subarray(0, room));
    this.#bytes += Math.min(room, bytes.length);
    if (bytes.length <= room) return;
    this.#isCut = true;
    if (this.#isEnding) {
      this.#stream.destroy();
      return;
    }
    this.#stream.pause();
    this.#pause = setTimeout(() => this.#stream.resume(), DROP_PAUSE_MS);
  }
}

const tooMany = (limit: number, plugin: string): BinnacleError =>
  new BinnacleError('plugin_busy', {
    message: `The plugin "${plugin}" runs ${limit} programs already.`,
    hint: 'Wait until a program ends.',
    details: { plugin, limit },
  });

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text));

function textsOf(stdout: CapturedOutput, stderr: CapturedOutput): Pick<RunResult, 'stdout' | 'stderr' | 'truncated'> {
  const [out, err] = [stdout.text, stderr.text];
  return { stdout: out.text, stderr: err.text, truncated: out.isCut || err.isCut };
}
