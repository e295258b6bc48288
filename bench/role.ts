// The bench's own processes: load generators and viewers, each started from the same bundle by its name.

import { type ChildProcess, fork } from 'node:child_process';
import { end } from './processes.ts';

export interface RoleMessage {
  readonly t: string;
}

export class Role<Report> {
  readonly #child: ChildProcess;
  readonly #heard = new Map<string, unknown>();
  readonly #waiting = new Map<string, (value: unknown) => void>();
  #failed: Error | undefined;
  #rejects: ((error: Error) => void)[] = [];

  constructor(name: string, spec: unknown, execArgv: readonly string[] = []) {
    this.#child = fork(process.argv[1] ?? '', ['--role', name, JSON.stringify(spec)], { execArgv: [...execArgv] });
    this.#child.on('message', (message) => this.#hear(message as RoleMessage & { value?: unknown }));
    this.#child.on('exit', (code) => this.#fail(new Error(`The ${name} process ended with ${code}.`)));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Everything is connected. */
  ready(): Promise<unknown> {
    return this.hear('ready');
  }

  done(): Promise<Report> {
    return this.hear('done') as Promise<Report>;
  }

  /** What it says under this name, once. */
  hear(t: string): Promise<unknown> {
    if (this.#heard.has(t)) {
      const value = this.#heard.get(t);
      this.#heard.delete(t);
      return Promise.resolve(value);
    }
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.set(t, resolve);
      this.#rejects.push(reject);
    });
  }

  say(t: string): void {
    if (this.#child.connected) this.#child.send({ t });
  }

  async ask(t: string): Promise<unknown> {
    this.say(t);
    return await this.hear(t);
  }

  async end(): Promise<void> {
    await end(this.#child, 'SIGKILL');
  }

  #hear({ t, value }: RoleMessage & { value?: unknown }): void {
    if (t === 'failed') {
      this.#fail(new Error(String(value)));
      return;
    }
    const waiting = this.#waiting.get(t);
    this.#waiting.delete(t);
    if (waiting === undefined) this.#heard.set(t, value);
    else waiting(value);
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const reject of this.#rejects.splice(0)) reject(error);
  }
}

/** Used inside of a role. */
export function sendToBench(t: string, value?: unknown): void {
  process.send?.({ t, value });
}

export function onBenchMessage(handlers: Readonly<Record<string, () => void>>): void {
  process.on('message', (message) => handlers[(message as RoleMessage).t]?.());
  process.on('disconnect', () => process.exit(0));
}
