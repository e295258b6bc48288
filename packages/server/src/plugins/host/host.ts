// One plugin: its process, launched behind the walls that this machine has, watched, ended when it misbehaves, and
// launched again as often as its budget allows. Knows no grant and no method; what the plugin asks goes to `call`.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { isAbsolute, normalize } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { BinnacleError } from '@binnacle/protocol';
import type { LevelPolicy } from '../../config/plugin-settings.ts';
import { chooseLevel, type Level } from './isolation-level.ts';
import { PLUGIN_LIMITS, type PluginLimits } from './limits.ts';
import { type Call, type DeadlineOf, PluginLink } from './link.ts';
import { type OutputLine, OutputLines } from './output.ts';
import { PluginPaths } from './paths.ts';
import { commandOf, type Sandbox } from './sandbox.ts';
import { type AfterStop, endOf, type StopReason } from './stop-reason.ts';
import { type Clock, REAL_CLOCK, RestartBudget, residentBytes } from './supervision.ts';
import { RPC_FD, type ToPlugin } from './wire.ts';

export interface PluginHostOptions {
  readonly id: string;
  /** Absolute, without links in it, and checked: see install-record.ts. */
  readonly dir: string;
  /** Relative to `dir`. */
  readonly entry: string;
  /** What the plugin is configured with; it may be told all of it. */
  readonly config?: unknown;
  readonly policy: LevelPolicy;
  readonly sandbox: Sandbox;
  /** The script that runs in the plugin's process: dist/plugin-guest.mjs. */
  readonly guest: string;
  readonly limits?: Partial<PluginLimits>;
  readonly call: Call;
  readonly deadlineOf?: DeadlineOf;
  /** A process of the plugin has ended, and what comes of it. `disabled` wants to be told to people. */
  readonly stopped: (reason: StopReason, next: AfterStop) => void;
  /** Its entry is loaded, at first and after each restart. What it throws ends the process as `load_failed`. */
  readonly ready?: (methods: readonly string[], offers: unknown) => void;
  readonly output?: OutputLine;
  /** A fault of ours while it was served: for our log. */
  readonly broke?: (error: unknown) => void;
  readonly clock?: Clock;
}

export type PluginState = 'idle' | 'starting' | 'running' | 'waiting' | 'stopping' | AfterStop;

export interface PluginFacts {
  readonly id: string;
  readonly level: Level;
  readonly state: Exclude<PluginState, 'restarting'>;
  readonly pid: number | null;
  /** Null where it is not known. */
  readonly memoryBytes: number | null;
  readonly methods: readonly string[];
  /** Within the window of the budget. */
  readonly restarts: number;
  /** Tools that this machine lacks, each a wall less. */
  readonly missing: readonly string[];
  readonly inFlight: { readonly asked: number; readonly invoked: number };
  readonly lastStop: StopReason | null;
}

/** One process. */
interface Life {
  readonly child: ChildProcess;
  readonly link: PluginLink;
  methods: readonly string[];
  isReady: boolean;
  /** The first reason counts: what follows from it is no other one. */
  reason: StopReason | undefined;
  cancelDeadline: () => void;
  memoryBytes: number | undefined;
  /** The last lines that it wrote to stderr. */
  lastWords: string[];
  readonly paths: PluginPaths;
}

/** A folder in which not even root can make a file, for what Node writes to wherever it is (trace_events). */
const NOWHERE = existsSync('/proc/self') ? '/proc' : '/';

const NICE = 5;

/** From the end of the process until its last words are read, and from the failure of its entry until it has ended itself. */
const LAST_WORDS_MS = 200;
const LAST_WORDS = 20;

export class PluginHost {
  readonly #options: PluginHostOptions;
  readonly #limits: PluginLimits;
  readonly #clock: Clock;
  readonly #level: Level;
  readonly #budget: RestartBudget;
  #state: Exclude<PluginState, 'restarting'> = 'idle';
  #life: Life | undefined;
  #missing: readonly string[] = [];
  #lastStop: StopReason | null = null;
  #cancelRestart: (() => void) | undefined;
  #firstLife: PromiseWithResolvers<void> | undefined;
  /** Settled once nothing runs and nothing will. */
  #over: PromiseWithResolvers<void> | undefined;

  /** Throws `plugin_refused`. */
  constructor(options: PluginHostOptions) {
    const { id, dir, entry } = options;
    if (!isAbsolute(dir) || isAbsolute(entry) || normalize(entry).startsWith('..')) {
      throw new BinnacleError('plugin_refused', { message: `The plugin ${id} has no entry within its folder.` });
    }
    this.#options = options;
    this.#limits = { ...PLUGIN_LIMITS, ...options.limits };
    this.#clock = options.clock ?? REAL_CLOCK;
    this.#level = chooseLevel(id, options.policy, options.sandbox);
    this.#budget = new RestartBudget(this.#clock, this.#limits);
  }

  get facts(): PluginFacts {
    const life = this.#life;
    return {
      id: this.#options.id,
      level: this.#level,
      state: this.#state,
      pid: life?.child.pid ?? null,
      memoryBytes: life?.memoryBytes ?? null,
      methods: life?.methods ?? [],
      restarts: this.#budget.spent,
      missing: this.#missing,
      inFlight: life?.link.inFlight ?? { asked: 0, invoked: 0 },
      lastStop: this.#lastStop,
    };
  }

  /** Settles with the first process: ready, or rejected with `plugin_stopped` while the budget may bring others. */
  start(): Promise<void> {
    if (this.#firstLife === undefined) {
      this.#firstLife = withResolvers();
      this.#launch();
    }
    return this.#firstLife.promise;
  }

  /** Rejects with `plugin_stopped`, `plugin_timeout`, `plugin_busy`, `plugin_failed` or `message_too_large`. */
  async invoke(method: string, params: unknown, deadlineMs: number): Promise<unknown> {
    const life = this.#life;
    if (life === undefined || !life.isReady || life.reason !== undefined) {
      const details = { plugin: this.#options.id, state: this.#state };
      throw new BinnacleError('plugin_stopped', { details });
    }
    return await life.link.invoke(method, params, deadlineMs);
  }

  /** It is asked first, and ended after `graceMs`. Settles when the process is gone. */
  stop(): Promise<void> {
    if (this.#over !== undefined) return this.#over.promise;
    this.#over = withResolvers();
    this.#cancelRestart?.();
    const life = this.#life;
    if (life === undefined) {
      if (this.#state !== 'disabled') this.#state = 'stopped';
      this.#over.resolve();
    } else {
      this.#state = 'stopping';
      life.cancelDeadline();
      life.cancelDeadline = this.#clock.after(this.#limits.graceMs, () => this.#end(life, STOPPED));
      if (life.reason === undefined) {
        life.reason = STOPPED;
        life.link.askToStop();
      }
    }
    return this.#over.promise;
  }

  #launch(): void {
    const { id, dir, entry, guest, sandbox } = this.#options;
    this.#state = 'starting';
    let start: Extract<ToPlugin, { t: 'start' }>;
    let child: ChildProcess;
    let paths: PluginPaths;
    try {
      const inmate = { level: this.#level, dir, entry, guest, memoryBytes: this.#limits.memoryBytes };
      const command = commandOf(sandbox, inmate);
      this.#missing = command.missing;
      paths = new PluginPaths(command.dir);
      const { maxInFlight, maxInFlightBytes } = this.#limits;
      const config = this.#options.config ?? null;
      start = { t: 'start', id, entry: command.entry, config, maxInFlight, maxInFlightBytes };
      child = spawn(command.file, command.args, {
        // Nothing of ours: NODE_OPTIONS alone would open all that Node's flags close.
        env: {},
        cwd: NOWHERE,
        // A Ctrl-C in our terminal is for us, and what a trusted plugin starts goes with it.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#after({ code: 'launch_failed', message });
      return;
    }
    this.#watch(child, start, paths);
  }

  #watch(child: ChildProcess, start: Extract<ToPlugin, { t: 'start' }>, paths: PluginPaths): void {
    const { id, call, deadlineOf, output, broke } = this.#options;
    const { startMs } = this.#limits;
    const socket = child.stdio[RPC_FD] as Duplex;
    const link = new PluginLink({
      plugin: id,
      socket,
      limits: this.#limits,
      clock: this.#clock,
      call,
      ...(deadlineOf === undefined ? {} : { deadlineOf }),
      greeted: () => {
        try {
          link.start(start);
        } catch (error) {
          this.#end(life, { code: 'launch_failed', message: `Its config: ${(error as Error).message}` });
        }
      },
      ready: (methods, offers) => this.#ready(life, methods, offers),
      failed: (reason) => {
        // Once: who says it again and again would live on.
        if (life.reason !== undefined) return;
        life.reason = reason;
        life.cancelDeadline();
        life.cancelDeadline = this.#clock.after(LAST_WORDS_MS, () => this.#end(life, reason));
      },
      fault: (reason) => this.#end(life, reason),
      broke: (error) => broke?.(error),
      tick: () => this.#checkMemory(life),
    });
    if (child.pid !== undefined) letOthersFirst(child.pid);
    const life: Life = {
      child,
      link,
      methods: [],
      isReady: false,
      reason: undefined,
      memoryBytes: undefined,
      lastWords: [],
      paths,
      cancelDeadline: this.#clock.after(startMs, () =>
        this.#end(life, { code: 'start_timeout', message: `It was not ready within ${startMs} ms.` }),
      ),
    };
    this.#life = life;
    const lines = (['stdout', 'stderr'] as const).map((name) => {
      const out = new OutputLines(name, this.#limits.outputBytesPerSecond, this.#clock, (stream, line) => {
        const text = paths.shortened(line);
        if (stream === 'stderr') life.lastWords = [...life.lastWords.slice(1 - LAST_WORDS), text];
        output?.(stream, text);
      });
      const pipe = child[name] as Readable;
      pipe.on('error', () => undefined);
      pipe.on('data', (bytes: Buffer) => {
        if (out.push(bytes)) return;
        // Everybody else has a turn between two pieces of what is dropped.
        pipe.pause();
        setImmediate(() => pipe.resume());
      });
      return out;
    });
    child.once('error', (error) => {
      // Without a pid it never ran, and there will be no exit.
      if (child.pid === undefined) this.#gone(life, { code: 'launch_failed', message: error.message });
    });
    child.once('exit', (exitCode, signal) => {
      const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
      const gone = (): void => {
        cancel();
        for (const out of lines) out.end();
        this.#gone(life, { code: 'exited', message: `It ended by itself (${how}).` });
      };
      // Why it failed may still be in the pipe, and what is below it may hold the pipe open.
      const cancel = this.#clock.after(LAST_WORDS_MS, gone);
      if (socket.destroyed) gone();
      else socket.once('close', gone);
    });
  }

  #ready(life: Life, methods: readonly string[], offers: unknown): void {
    if (life.reason !== undefined) return;
    try {
      this.#options.ready?.(methods, offers);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#end(life, { code: 'load_failed', message, isFinal: true });
      return;
    }
    life.cancelDeadline();
    life.isReady = true;
    life.methods = methods;
    this.#state = 'running';
    this.#firstLife?.resolve();
  }

  #checkMemory(life: Life): void {
    const { pid } = life.child;
    if (pid === undefined) return;
    life.memoryBytes = residentBytes(pid);
    const { memoryBytes } = this.#limits;
    if (life.memoryBytes === undefined || life.memoryBytes <= memoryBytes) return;
    const message = `It uses ${mib(life.memoryBytes)} MiB of memory; ${mib(memoryBytes)} MiB are allowed.`;
    this.#end(life, { code: 'memory', message });
  }

  /** For good and at once: what it still had to say is of no interest. */
  #end(life: Life, reason: StopReason): void {
    life.reason ??= reason;
    life.link.close(life.reason);
    const { pid, exitCode, signalCode } = life.child;
    const hasExited = exitCode !== null || signalCode !== null;
    // A number that nobody has any longer may soon be somebody else's. Only trusted plugins leave others behind.
    if (pid === undefined || (hasExited && this.#level !== 'trusted')) return;
    try {
      // Its group: a trusted plugin may have started others. bubblewrap ends what is within when it is ended.
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  }

  #gone(life: Life, reason: StopReason): void {
    if (this.#life !== life) return;
    life.cancelDeadline();
    // What is left of its group goes too.
    this.#end(life, reason);
    this.#life = undefined;
    const why = life.reason ?? reason;
    this.#after(why.code === 'load_failed' ? life.paths.located(why, life.lastWords) : why);
  }

  #after(reason: StopReason): void {
    this.#lastStop = reason;
    const error = new BinnacleError('plugin_stopped', {
      message: endOf(`The plugin ${this.#options.id}`, reason),
      details: { plugin: this.#options.id, reason: reason.code },
    });
    this.#firstLife?.promise.catch(() => undefined);
    this.#firstLife?.reject(error);
    if (this.#over !== undefined) {
      this.#state = 'stopped';
      this.#options.stopped(reason, 'stopped');
      this.#over.resolve();
      return;
    }
    const waitMs = reason.isFinal === true ? undefined : this.#budget.take();
    if (waitMs === undefined) {
      this.#state = 'disabled';
      this.#options.stopped(reason, 'disabled');
      return;
    }
    this.#state = 'waiting';
    this.#cancelRestart = this.#clock.after(waitMs, () => this.#launch());
    this.#options.stopped(reason, 'restarting');
  }
}

/** A plugin that loops has a core until it is ended. Where cores are few, the gateway still comes first. */
function letOthersFirst(pid: number): void {
  try {
    setPriority(pid, NICE);
  } catch {
    // It has ended already.
  }
}

const STOPPED: StopReason = { code: 'stopped', message: 'It was stopped.' };

const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);

/** Of ES2024; Node 20 has it not. */
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function withResolvers(): PromiseWithResolvers<void> {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
