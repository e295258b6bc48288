// The process of one plugin: launched in the sandbox of this machine, supervised, ended on misbehaviour, and restarted
// within its budget. Calls of the plugin go to `call`.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { isAbsolute, normalize } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { BinnacleError, defined } from '@binnacle/protocol';
import type { LevelPolicy } from '../../config/plugin-settings.ts';
import { chooseLevel, type Level } from './isolation-level.ts';
import { PLUGIN_LIMITS, type PluginLimits } from './limits.ts';
import { type Call, type DeadlineOf, PluginLink } from './link.ts';
import { type OutputLine, OutputLines } from './output.ts';
import { PluginPaths } from './paths.ts';
import { type Sandbox, sandboxCommand } from './sandbox.ts';
import { type AfterStop, describeEnd, type StopReason } from './stop-reason.ts';
import { type Clock, REAL_CLOCK, RestartBudget, residentBytes } from './supervision.ts';
import { RPC_FD, type ToPlugin } from './wire.ts';

export interface PluginHostOptions {
  readonly id: string;
  /** Absolute path without links, verified: see install-record.ts. */
  readonly dir: string;
  /** Path relative to `dir`. */
  readonly entry: string;
  /** Config of the plugin, which may see all of it. */
  readonly config?: unknown;
  readonly policy: LevelPolicy;
  readonly sandbox: Sandbox;
  /** Path of the script that runs in the plugin's process: dist/plugin-runtime.mjs. */
  readonly runtimeScript: string;
  readonly limits?: Partial<PluginLimits>;
  readonly call: Call;
  readonly deadlineOf?: DeadlineOf;
  /** Called after a process of the plugin has ended, with the consequence. `disabled` should be shown to people. */
  readonly stopped: (reason: StopReason, next: AfterStop) => void;
  /**
   * Called after the entry was loaded, at first and after each restart. An error thrown here ends the process as
   * `load_failed`.
   */
  readonly ready?: (methods: readonly string[], offers: unknown) => void;
  readonly output?: OutputLine;
  /** Called with an internal error of the gateway while it served the plugin, for the gateway's log. */
  readonly broke?: (error: unknown) => void;
  readonly clock?: Clock;
}

export type PluginState = 'idle' | 'starting' | 'running' | 'waiting' | 'stopping' | AfterStop;

export interface PluginFacts {
  readonly id: string;
  readonly level: Level;
  readonly state: Exclude<PluginState, 'restarting'>;
  readonly pid: number | null;
  /** Null if unknown. */
  readonly memoryBytes: number | null;
  readonly methods: readonly string[];
  /** Restarts within the window of the budget. */
  readonly restarts: number;
  /** Tools that this machine lacks. Each missing tool is one barrier less. */
  readonly missing: readonly string[];
  readonly inFlight: { readonly received: number; readonly invoked: number };
  readonly lastStop: StopReason | null;
}

/** One process. */
interface PluginProcess {
  readonly child: ChildProcess;
  readonly link: PluginLink;
  methods: readonly string[];
  isReady: boolean;
  /** The first reason counts; later ones are its consequences. */
  reason: StopReason | undefined;
  cancelDeadline: () => void;
  memoryBytes: number | undefined;
  /** The last lines on stderr. */
  lastLines: string[];
  readonly paths: PluginPaths;
}

/**
 * Working directory in which not even root can create a file, because Node writes some files to its working directory
 * (trace_events).
 */
const NOWHERE = existsSync('/proc/self') ? '/proc' : '/';

const NICE = 5;

/**
 * Maximum wait, ms, for the rest of the output after the end of the process, and for the process to end itself after
 * its entry failed to load.
 */
const DRAIN_MS = 200;
const MAX_LAST_LINES = 20;

export class PluginHost {
  readonly #options: PluginHostOptions;
  readonly #limits: PluginLimits;
  readonly #clock: Clock;
  readonly #level: Level;
  readonly #budget: RestartBudget;
  #state: Exclude<PluginState, 'restarting'> = 'idle';
  #life: PluginProcess | undefined;
  #missing: readonly string[] = [];
  #lastStop: StopReason | null = null;
  #cancelRestart: (() => void) | undefined;
  #firstLife: PromiseWithResolvers<void> | undefined;
  /** Settles once nothing runs and nothing will be started. */
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
      inFlight: life?.link.inFlight ?? { received: 0, invoked: 0 },
      lastStop: this.#lastStop,
    };
  }

  /**
   * Launches the first process. Settles when it is ready, or rejects with `plugin_stopped`; the budget may still allow
   * further processes.
   */
  start(): Promise<void> {
    if (this.#firstLife === undefined) {
      this.#firstLife = withResolvers();
      this.#launch();
    }
    return this.#firstLife.promise;
  }

  /**
   * Calls a method of the plugin. Rejects with `plugin_stopped`, `plugin_timeout`, `plugin_busy`, `plugin_failed` or
   * `message_too_large`.
   */
  async invoke(method: string, params: unknown, deadlineMs: number): Promise<unknown> {
    const life = this.#life;
    if (life === undefined || !life.isReady || life.reason !== undefined) {
      const details = { plugin: this.#options.id, state: this.#state };
      throw new BinnacleError('plugin_stopped', { details });
    }
    return await life.link.invoke(method, params, deadlineMs);
  }

  /** Requests the process to stop, and ends it after `graceMs`. Settles when the process is gone. */
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
        life.link.requestStop();
      }
    }
    return this.#over.promise;
  }

  #launch(): void {
    const { id, dir, entry, runtimeScript, sandbox } = this.#options;
    this.#state = 'starting';
    let start: Extract<ToPlugin, { t: 'start' }>;
    let child: ChildProcess;
    let paths: PluginPaths;
    try {
      const inmate = { level: this.#level, dir, entry, runtimeScript, memoryBytes: this.#limits.memoryBytes };
      const command = sandboxCommand(sandbox, inmate);
      this.#missing = command.missing;
      paths = new PluginPaths(command.dir);
      const { maxInFlight, maxInFlightBytes } = this.#limits;
      const config = this.#options.config ?? null;
      start = { t: 'start', id, entry: command.entry, config, maxInFlight, maxInFlightBytes };
      child = spawn(command.file, command.args, {
        // An empty environment: NODE_OPTIONS alone could open everything that Node's flags close.
        env: {},
        cwd: NOWHERE,
        // A process group of its own: a Ctrl-C in the terminal is for the gateway only, and the children of a trusted
        // plugin end with it.
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
      ...defined({ deadlineOf }),
      greeted: () => {
        try {
          link.start(start);
        } catch (error) {
          this.#end(life, { code: 'launch_failed', message: `Its config: ${(error as Error).message}` });
        }
      },
      ready: (methods, offers) => this.#ready(life, methods, offers),
      failed: (reason) => {
        // Handled once: a process that repeats the report would otherwise postpone its end.
        if (life.reason !== undefined) return;
        life.reason = reason;
        life.cancelDeadline();
        life.cancelDeadline = this.#clock.after(DRAIN_MS, () => this.#end(life, reason));
      },
      fault: (reason) => this.#end(life, reason),
      broke: (error) => broke?.(error),
      tick: () => this.#checkMemory(life),
    });
    if (child.pid !== undefined) letOthersFirst(child.pid);
    const life: PluginProcess = {
      child,
      link,
      methods: [],
      isReady: false,
      reason: undefined,
      memoryBytes: undefined,
      lastLines: [],
      paths,
      cancelDeadline: this.#clock.after(startMs, () =>
        this.#end(life, { code: 'start_timeout', message: `It was not ready within ${startMs} ms.` }),
      ),
    };
    this.#life = life;
    const lines = (['stdout', 'stderr'] as const).map((name) => {
      const out = new OutputLines(name, this.#limits.outputBytesPerSecond, this.#clock, (stream, line) => {
        const text = paths.shortened(line);
        if (stream === 'stderr') life.lastLines = [...life.lastLines.slice(1 - MAX_LAST_LINES), text];
        output?.(stream, text);
      });
      const pipe = child[name] as Readable;
      pipe.on('error', () => undefined);
      pipe.on('data', (bytes: Buffer) => {
        if (out.push(bytes)) return;
        // Yields between two dropped pieces, so that a flood cannot starve others.
        pipe.pause();
        setImmediate(() => pipe.resume());
      });
      return out;
    });
    child.once('error', (error) => {
      // Without a pid the process never ran, and there will be no exit event.
      if (child.pid === undefined) this.#ended(life, { code: 'launch_failed', message: error.message });
    });
    child.once('exit', (exitCode, signal) => {
      const how = signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
      const ended = (): void => {
        cancel();
        for (const out of lines) out.end();
        this.#ended(life, { code: 'exited', message: `It ended by itself (${how}).` });
      };
      // The reason of the failure may still be in the pipe, and children may keep the pipe open. A timer that is late runs
      // before the pipe is read, so the end waits for that read.
      const cancel = this.#clock.after(DRAIN_MS, () => setImmediate(ended));
      if (socket.destroyed) ended();
      else socket.once('close', ended);
    });
  }

  #ready(life: PluginProcess, methods: readonly string[], offers: unknown): void {
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

  #checkMemory(life: PluginProcess): void {
    const { pid } = life.child;
    if (pid === undefined) return;
    life.memoryBytes = residentBytes(pid);
    const { memoryBytes } = this.#limits;
    if (life.memoryBytes === undefined || life.memoryBytes <= memoryBytes) return;
    const message = `It uses ${mib(life.memoryBytes)} MiB of memory; ${mib(memoryBytes)} MiB are allowed.`;
    this.#end(life, { code: 'memory', message });
  }

  /** Ends the process at once and for good. Its remaining output is ignored. */
  #end(life: PluginProcess, reason: StopReason): void {
    life.reason ??= reason;
    life.link.close(life.reason);
    const { pid, exitCode, signalCode } = life.child;
    const hasExited = exitCode !== null || signalCode !== null;
    // The pid of a process that has exited may soon belong to another process. Only trusted plugins leave children
    // behind.
    if (pid === undefined || (hasExited && this.#level !== 'trusted')) return;
    try {
      // The whole group: a trusted plugin may have children. bubblewrap ends the processes inside when it is ended.
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The process is gone.
    }
  }

  #ended(life: PluginProcess, reason: StopReason): void {
    if (this.#life !== life) return;
    life.cancelDeadline();
    // Ends the rest of the process group as well.
    this.#end(life, reason);
    this.#life = undefined;
    const why = life.reason ?? reason;
    this.#after(why.code === 'load_failed' ? life.paths.located(why, life.lastLines) : why);
  }

  #after(reason: StopReason): void {
    this.#lastStop = reason;
    const error = new BinnacleError('plugin_stopped', {
      message: describeEnd(`The plugin ${this.#options.id}`, reason),
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

/**
 * Lowers the priority: a plugin in a loop occupies a core until it is ended. On few cores, the gateway must still come
 * first.
 */
function letOthersFirst(pid: number): void {
  try {
    setPriority(pid, NICE);
  } catch {
    // The process has ended already.
  }
}

const STOPPED: StopReason = { code: 'stopped', message: 'It was stopped.' };

const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);

/** Part of ES2024, but missing in Node 20. */
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
