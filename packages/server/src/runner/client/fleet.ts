// The gateway's runners: starts them, finds them again after a crash of the gateway, and detects their deaths.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BinnacleError, type RunInfo } from '@binnacle/protocol';
import type { Log } from '../../base/logger.ts';
import { afterOwnTime } from '../../base/running-time.ts';
import type { Head, Pace } from '../../log/log.ts';
import { bootId, readProcess } from '../../process/session-processes.ts';
import type { EndingTimes } from '../../process/termination.ts';
import { identityOf, isOfAnother, keepIdentity, wasAnother } from '../directory-identity.ts';
import { endOrphans } from '../lost-session.ts';
import type { RunnerFile, RunnerStart } from '../main.ts';
import type { HostedSpec, HostedStatus, RunnerRequest } from '../wire.ts';
import { ForeignRunner, RunnerLink } from './link.ts';
import { runnerCommand } from './scope.ts';

/** Maximum time until a started runner listens. It takes 0.1 s, and some seconds on a machine that swaps. */
const START_MS = 15_000;
/** Interval of reconnects to a runner that closed the connection. The death of a runner shows at its socket at once. */
const RECONNECT_MS = 100;
/**
 * Maximum wait for the end of a runner's process. The kernel needs milliseconds; the limit is for a stopped or stuck
 * process.
 */
const END_MS = 2000;
/**
 * Maximum attempts to start a program. Runners die one at a time; if the third one dies too, the start itself kills
 * them.
 */
const START_TRIES = 3;
/** Maximum wait for a runner's list. Users wait for the list, so for a stopped runner they get the last known state. */
export const LIST_MS = 1000;

export interface FleetOptions {
  /** The data directory. Runners that were started in another data directory are foreign. */
  readonly root: string;
  /** Directory of the runners' files, below `root`. */
  readonly dir: string;
  /** Directory of their sockets. It must be short, because a socket path has at most 107 bytes. */
  readonly socketDir: string;
  /** The bundled runner. */
  readonly script: string;
  /**
   * Maximum programs per runner. Fewer programs limit the damage of one crash; each runner costs some 6 MiB. Default 8.
   */
  readonly programsPerRunner: number;
  /** Interval of the group sync in ms; 0 leaves the sync to the kernel. */
  readonly syncMs: number;
  /** Time in ms without a gateway after which a runner ends its programs; 0: never. */
  readonly orphanMs: number;
  /** Environment of the runner itself, not of programs. */
  readonly env: Readonly<Record<string, string>>;
}

export interface FleetEvents {
  grew(id: string, head: Head, oldest: Head, left: number): void;
  changed(status: HostedStatus): void;
  ran(id: string, run: RunInfo, runs: HostedStatus['runs']): void;
  /** The runner of these sessions died. */
  lost(ids: readonly string[]): void;
}

/** Few threads: one for V8's work in the background, two for the syncs of logs, and one for all other files. */
const NODE = { flags: ['--v8-pool-size=1'], env: { UV_THREADPOOL_SIZE: '3' } };

interface KnownRunner {
  readonly id: string;
  readonly file: RunnerFile;
  readonly token: string;
  link: RunnerLink;
  /** Its sessions that are not closed. */
  readonly hosted: Set<string>;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #log: Log;
  #events: FleetEvents | undefined;
  readonly #runners = new Map<string, KnownRunner>();
  readonly #hosts = new Map<string, KnownRunner>();
  /** Runners that are alive but do not answer, with the sessions expected in them. */
  readonly #silent = new Map<string, Set<string>>();
  /** Runners of the data directory of which this one is a copy. This gateway must not end their programs. */
  readonly #foreign = new Set<string>();
  #wasAnother: boolean;
  /** The next runner, started ahead so that the start of a program costs milliseconds. */
  #spare: Promise<KnownRunner> | undefined;
  #isClosed = false;

  constructor(options: FleetOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    this.#wasAnother = wasAnother(options.root);
  }

  /** Sets the receiver of the events of all runners. Call before `recover`. Returns the function that ends the events. */
  listen(events: FleetEvents): () => void {
    this.#events = events;
    return () => {
      this.#events = undefined;
    };
  }

  /** Finds the runners of an earlier gateway. Calls `each` for every hosted program before any other event of it. */
  async recover(each: (status: HostedStatus) => void): Promise<void> {
    await Promise.all(readdirSync(this.#options.dir).map((id) => this.#reattach(id, each)));
  }

  /**
   * Call after `recover`. Returns true if the runner of a session is alive but does not answer (stopped, swapped out).
   * That runner still writes the log, so no other process may; `changed` or `lost` follows when it answers or ends.
   */
  expect(session: string, runner: string | null): boolean {
    // For a session without a description the runner is unknown: the only silent runner may host it.
    const [only, ...others] = this.#silent.values();
    const expected = runner !== null ? this.#silent.get(runner) : others.length === 0 ? only : undefined;
    expected?.add(session);
    return expected !== undefined;
  }

  /** Call after `recover`. Returns true if a session runs on in the data directory that this one was copied from. */
  goesOnElsewhere(runner: string | null): boolean {
    // For a session without a description the runner is unknown: no program is ended that may be foreign.
    return runner === null ? this.#foreign.size + this.#silent.size > 0 : this.#foreign.has(runner);
  }

  /** The result of `wasAnother` at the start, until `recovered`. */
  get wasAnother(): boolean {
    return this.#wasAnother;
  }

  /** Reports that all earlier sessions are accounted for: later ones belong to this directory. */
  recovered(): void {
    this.#wasAnother = false;
    keepIdentity(this.#options.root);
  }

  /** Number of runners that are known to be alive. */
  get count(): number {
    return this.#runners.size;
  }

  /** Starts a spare runner, so that the first program does not wait for it. */
  warm(): void {
    if (this.#isClosed || this.#spare !== undefined || this.#findRoom() !== undefined) return;
    this.#spare = this.#startRunner();
    this.#spare.catch((error: unknown) => {
      this.#spare = undefined;
      this.#log.warn({ error: String(error) }, 'A runner could not be started.');
    });
  }

  /** Selects the runner of a session and returns its id, so that the id can be stored before the program starts. */
  async reserve(session: string): Promise<string> {
    while (true) {
      const runner = this.#findRoom();
      if (runner !== undefined) {
        runner.hosted.add(session);
        this.#hosts.set(session, runner);
        this.warm();
        return runner.id;
      }
      // Several calls may wait for the same spare: a call that finds it full waits for the next one.
      await this.#takeSpare();
    }
  }

  /**
   * Starts a program in the runner that was reserved for it. If that runner dies during the start, the program moves to
   * the next runner, and `moved` gets its id.
   */
  async start(
    spec: HostedSpec,
    options: { readonly runner: string; readonly endingTimes: EndingTimes; moved(runner: string): void },
  ): Promise<HostedStatus> {
    for (let { runner } = options, tries = 1; ; tries += 1) {
      try {
        const place = relative(this.#options.root, spec.dir);
        return (await this.request(spec.id, { t: 'start', spec: { ...spec, place } })) as HostedStatus;
      } catch (error) {
        this.release(spec.id);
        const isDead =
          error instanceof BinnacleError && error.code === 'runner_unavailable' && (await this.isDead(runner));
        if (!isDead || tries === START_TRIES) throw error;
      }
      // The dead runner may already have started the program or the log.
      await endOrphans(spec.id, options.endingTimes);
      rmSync(spec.dir, { recursive: true, force: true });
      mkdirSync(spec.dir, { mode: 0o700 });
      runner = await this.reserve(spec.id);
      options.moved(runner);
    }
  }

  /** Returns whether a runner is dead. Waits while it is ending: its socket breaks before its process is gone. */
  async isDead(runner: string): Promise<boolean> {
    const deadline = performance.now() + END_MS;
    while (this.#silent.has(runner) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS / 10));
    }
    return !this.#silent.has(runner) && !this.#runners.has(runner);
  }

  /** Releases the session's slot in its runner. */
  release(session: string): void {
    this.#hosts.get(session)?.hosted.delete(session);
    this.#hosts.delete(session);
  }

  /** Sends a request to the runner of a session. Throws `session_exited` without a runner, and `runner_unavailable`. */
  request(id: string, request: RunnerRequest, payload?: Uint8Array, answerMs?: number): Promise<unknown> {
    const runner = this.#hosts.get(id);
    if (runner === undefined) {
      const isExpected = [...this.#silent.values()].some((sessions) => sessions.has(id));
      return Promise.reject(new BinnacleError(isExpected ? 'runner_unavailable' : 'session_exited'));
    }
    return runner.link.request(request, payload, answerMs);
  }

  watch(id: string, place: number, pace: Pace, reports: number): void {
    this.#hosts.get(id)?.link.watch(id, place, pace, reports);
  }

  /** Returns the newest state of all hosted programs, by one request to each runner. */
  async refresh(): Promise<HostedStatus[]> {
    const answers = await Promise.allSettled(
      [...this.#runners.values()].map((runner) => runner.link.request({ t: 'list' }, undefined, LIST_MS)),
    );
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value as HostedStatus[]) : []));
  }

  /** Disconnects from all runners; they and their programs go on. Spares without programs end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#spare?.catch(() => undefined);
    for (const runner of this.#runners.values()) {
      if (runner.hosted.size === 0) await runner.link.request({ t: 'retire' }).catch(() => undefined);
      runner.link.close();
    }
  }

  #findRoom(): KnownRunner | undefined {
    for (const runner of this.#runners.values()) {
      const hasRoom = runner.hosted.size < this.#options.programsPerRunner;
      if (hasRoom && !runner.link.isSilent) return runner;
    }
    return undefined;
  }

  async #takeSpare(): Promise<KnownRunner> {
    this.#spare ??= this.#startRunner();
    const coming = this.#spare;
    try {
      return await coming;
    } finally {
      if (this.#spare === coming) this.#spare = undefined;
    }
  }

  async #startRunner(): Promise<KnownRunner> {
    const id = randomBytes(4).toString('hex');
    const dir = join(this.#options.dir, id);
    mkdirSync(dir, { mode: 0o700 });
    const start: RunnerStart = {
      token: randomBytes(32).toString('base64url'),
      socket: socketPath(this.#options.socketDir, id),
      root: this.#options.root,
      syncMs: this.#options.syncMs,
      orphanMs: this.#options.orphanMs,
    };
    writeFileSync(join(dir, 'start.json'), JSON.stringify(start), { mode: 0o600 });
    await this.#launch(dir);
    const runner = await this.#attach(id, start.token);
    if (runner === undefined) throw new BinnacleError('runner_unavailable');
    return runner;
  }

  #launch(dir: string): Promise<void> {
    const output = openSync(join(dir, 'output.log'), 'a', 0o600);
    const [command, ...args] = runnerCommand([process.execPath, ...NODE.flags, this.#options.script, dir]);
    const child = spawn(command, args, {
      detached: true,
      cwd: '/',
      env: { ...this.#options.env, ...NODE.env },
      stdio: ['ignore', output, output, 'pipe'],
    });
    closeSync(output);
    child.unref();
    const ready = child.stdio[3];
    return new Promise((resolve, reject) => {
      const refuse = (cause?: unknown) => {
        cancel();
        ready?.destroy();
        const lastLine = readFileSync(join(dir, 'output.log'), 'utf8').trim().split('\n').at(-1) ?? '';
        reject(new BinnacleError('runner_unavailable', { message: `A runner did not start. ${lastLine}`, cause }));
      };
      const cancel = afterOwnTime(START_MS, refuse);
      child.once('error', refuse);
      ready?.once('close', refuse);
      ready?.once('data', () => {
        cancel();
        child.off('error', refuse);
        ready.off('close', refuse);
        ready.destroy();
        resolve();
      });
    });
  }

  /** Connects to the runner of an earlier gateway again. If none answers and it is dead, removes its files. */
  async #reattach(id: string, each: (status: HostedStatus) => void): Promise<void> {
    const dir = join(this.#options.dir, id);
    let token: string;
    try {
      token = (JSON.parse(readFileSync(join(dir, 'start.json'), 'utf8')) as RunnerStart).token;
    } catch {
      rmSync(dir, { recursive: true, force: true }); // A runner whose start was interrupted has hosted nothing.
      return;
    }
    const runner = await this.#attach(id, token, each);
    if (this.#foreign.has(id)) return;
    if (runner === undefined) {
      const file = this.#fileOf(id);
      if (file !== undefined && isAlive(file)) void this.#waitFor(id, token, file, new Set());
      else this.#bury(id);
    } else if (runner.hosted.size === 0 && this.#runners.size > 1) {
      await runner.link.request({ t: 'retire' }).catch(() => undefined);
    }
  }

  #fileOf(id: string): RunnerFile | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#options.dir, id, 'runner.json'), 'utf8')) as RunnerFile;
    } catch {
      return undefined; // The runner never listened.
    }
  }

  async #attach(id: string, token: string, each?: (status: HostedStatus) => void): Promise<KnownRunner | undefined> {
    const file = this.#fileOf(id);
    if (file === undefined) return undefined;
    const { root, dir } = this.#options;
    if (isAlive(file) && isOfAnother(file, root, join(dir, id))) {
      this.#foreign.add(id);
      return undefined;
    }
    const events = {
      grew: (session: string, head: Head, oldest: Head, left: number) =>
        this.#events?.grew(session, head, oldest, left),
      changed: (status: HostedStatus) => this.#linkOnChanged(status),
      ran: (session: string, run: RunInfo, runs: HostedStatus['runs']) => this.#events?.ran(session, run, runs),
      lost: () => void this.#linkOnLost(id),
    };
    try {
      const { link, programs } = await RunnerLink.open(file.socket, { token, directory: identityOf(root) }, events);
      const hosted = new Set(programs.map((status) => status.id));
      const runner: KnownRunner = { id, file, token, link, hosted };
      this.#runners.set(id, runner);
      for (const status of programs) {
        this.#hosts.set(status.id, runner);
        each?.(status);
      }
      link.attend();
      return runner;
    } catch (error) {
      if (error instanceof ForeignRunner) this.#foreign.add(id);
      else if (isAlive(file))
        this.#log.warn({ runner: id, error: String(error) }, 'A runner is alive but does not answer.');
      return undefined;
    }
  }

  #linkOnChanged(status: HostedStatus): void {
    this.#events?.changed(status);
    if (status.state === 'closed') this.release(status.id);
  }

  async #linkOnLost(id: string): Promise<void> {
    const runner = this.#runners.get(id);
    this.#runners.delete(id);
    if (runner === undefined || this.#isClosed) return;
    for (const session of runner.hosted) this.#hosts.delete(session);
    await this.#waitFor(id, runner.token, runner.file, runner.hosted);
    this.warm();
  }

  /**
   * Reconnects until the runner answers or is dead. The cause may be a broken socket, a stopped runner or one that is
   * ending.
   */
  async #waitFor(id: string, token: string, file: RunnerFile, expected: Set<string>): Promise<void> {
    this.#silent.set(id, expected);
    while (isAlive(file) && !this.#isClosed) {
      const again = await this.#attach(id, token, (status) => this.#events?.changed(status));
      if (again !== undefined) {
        this.#silent.delete(id);
        // Programs that closed while the connection was broken are hosted no more, and no event reported their end.
        this.#events?.lost([...expected].filter((session) => !again.hosted.has(session)));
        return;
      }
      if (this.#foreign.has(id)) break;
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
    if (this.#isClosed) return;
    this.#silent.delete(id);
    if (!this.#foreign.has(id)) this.#bury(id);
    this.#events?.lost([...expected]);
  }

  /**
   * Removes the files of a dead runner. Only after its process is known to be gone: never a file of a living runner.
   */
  #bury(id: string): void {
    const dir = join(this.#options.dir, id);
    const file = this.#fileOf(id);
    if (file !== undefined) {
      if (isAlive(file)) return;
      rmSync(file.socket, { force: true });
    }
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * Returns whether the runner's process is alive. A pid alone proves nothing: another process may have it by now, or it
 * is from another boot.
 */
function isAlive(file: RunnerFile): boolean {
  const row = readProcess(file.pid);
  return row !== undefined && !row.isZombie && row.startTime === file.startTime && file.bootId === bootId();
}

/**
 * Returns the path of a socket. sun_path has 108 bytes with its NUL; Node 20 cuts a longer path silently
 * (nodejs/node#52347).
 */
export function socketPath(dir: string, id: string): string {
  const path = join(dir, `${id}.sock`);
  if (Buffer.byteLength(path) > 107) {
    throw new BinnacleError('bad_data_dir', {
      message: `The socket path is longer than 107 bytes: ${path}`,
      hint: 'Set XDG_RUNTIME_DIR to a short path.',
    });
  }
  return path;
}
