// The real gateway, as its users start it: the built binary with its default settings, a process of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMs, end, until } from './processes.ts';
import type { Target } from './roles/viewer.ts';

export interface SessionFacts {
  readonly id: string;
  readonly state: string;
  readonly outputOffset: number;
}

export interface GatewayProgram {
  /** Arguments of `binnacle serve`, or of `launcher`. */
  readonly flags?: readonly string[];
  readonly nodeFlags?: readonly string[];
  /** Script that starts a gateway by the library, with a data directory and a port. Default: `binnacle serve`. */
  readonly launcher?: string;
}

export class Gateway {
  readonly dir: string;
  readonly #program: GatewayProgram;
  #child: ChildProcess | undefined;
  #url = '';
  #token = '';

  private constructor(dir: string, program: GatewayProgram) {
    this.dir = dir;
    this.#program = program;
  }

  /** `under`: the directory that holds its data, and what Node writes for `nodeFlags`. */
  static async start(under: string, program: GatewayProgram = {}): Promise<Gateway> {
    const gateway = new Gateway(mkdtempSync(join(under, 'data-')), program);
    await gateway.start();
    return gateway;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get port(): number {
    return Number(new URL(this.#url).port);
  }

  get runners(): number[] {
    const found = [];
    for (const id of readdirSync(join(this.dir, 'runners'))) {
      try {
        found.push(
          (JSON.parse(readFileSync(join(this.dir, 'runners', id, 'runner.json'), 'utf8')) as { pid: number }).pid,
        );
      } catch {
        // It is just starting, or just gone.
      }
    }
    return found;
  }

  /** Resolves when it is ready. On the port that it had before, if it ran before. */
  async start(): Promise<void> {
    const root = process.env.BINNACLE_ROOT ?? '.';
    const port = this.#url === '' ? '0' : String(this.port);
    const profile = process.env.BINNACLE_BENCH_PROFILE;
    const { flags = [], nodeFlags = [], launcher } = this.#program;
    const child = spawn(
      process.execPath,
      [
        ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
        ...(nodeFlags.length === 0 ? [] : [...nodeFlags, `--diagnostic-dir=${this.dir}`]),
        ...(launcher === undefined
          ? [join(root, 'node_modules/.bin/binnacle'), 'serve', '--data', this.dir, '--port', port, '--json']
          : [launcher, this.dir, port]),
        ...flags,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#child = child;
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`The gateway ended with ${code}.`);
    });
    failed.catch(() => undefined);
    const [line] = (await Promise.race([once(child.stdout, 'data'), failed])) as [Buffer];
    this.#url = (JSON.parse(line.toString()) as { url: string }).url;
    this.#token = readFileSync(join(this.dir, 'admin.token'), 'utf8').trim();
  }

  async kill(): Promise<void> {
    if (this.#child !== undefined) await end(this.#child, 'SIGKILL');
  }

  target(session: string, from?: unknown): Target {
    return { kind: 'binnacle', port: this.port, token: this.#token, session, ...(from === undefined ? {} : { from }) };
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.#url + path, { ...init, headers: { authorization: `Bearer ${this.#token}`, ...init.headers } });
  }

  async create(spec: Record<string, unknown>): Promise<string> {
    const response = await this.fetch('/v1/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    });
    const body = (await response.json()) as { id: string };
    if (response.status !== 201) throw new Error(`A session was not started: ${JSON.stringify(body)}`);
    return body.id;
  }

  async info(id: string): Promise<SessionFacts> {
    return (await (await this.fetch(`/v1/sessions/${id}`)).json()) as SessionFacts;
  }

  async closed(id: string, timeoutMs = 300_000): Promise<void> {
    await until('the session closes', async () => (await this.info(id)).state === 'closed', timeoutMs);
  }

  async remove(id: string): Promise<void> {
    await (await this.fetch(`/v1/sessions/${id}`, { method: 'DELETE' })).arrayBuffer();
  }

  /** Processor time of the gateway and of its runners, in ms. */
  get cpu(): { readonly gateway: number; readonly runners: number } {
    return { gateway: cpuMs([this.pid]), runners: cpuMs(this.runners) };
  }

  /** Ends it with all its runners and removes its data. */
  async close(): Promise<void> {
    const { runners } = this;
    if (this.#child !== undefined) await end(this.#child);
    for (const pid of runners) {
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // It has left by itself.
      }
    }
    await until('the runners are gone', () => runners.every((pid) => !isThere(pid)));
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
