// One process that draws screens, as the gateway has it: one job at a time, ended when a job takes too long, and started
// again for the next one. Knows no session.

import { type ChildProcess, fork } from 'node:child_process';
import { BinnacleError } from '@binnacle/protocol';
import type { Drawn, FromProcess, ScreenJob, ToProcess } from './wire.ts';

/** It looks at its clock after each page; one that does not come back is busy for ever. */
const GRACE_MS = 2000;
const MAX_HEAP_MB = 256;
/** Of each half. Pages and numbers live for moments: more room for them gains nothing here. */
const YOUNG_MB = 8;
/** It takes some 60 MiB, and is there while there is something to draw. */
const IDLE_MS = 30_000;

export interface Outcome {
  readonly drawn: Drawn | undefined;
  /** Offset of the output that was drawn by then. */
  readonly reached: number;
}

interface Running {
  readonly n: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export class DrawingProcess {
  readonly #script: string;
  #child: ChildProcess | undefined;
  #running: Running | undefined;
  #n = 0;
  #isStopped = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(script: string) {
    this.#script = script;
  }

  /** Throws `screen_timeout`, `going_away`, and what reading throws. */
  draw(job: ScreenJob, answers: boolean): Promise<Outcome> {
    if (this.#isStopped) return Promise.reject(new BinnacleError('going_away'));
    this.#child ??= this.#start();
    clearTimeout(this.#idle);
    this.#n += 1;
    const n = this.#n;
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(child, new BinnacleError('screen_timeout')), job.withinMs + GRACE_MS);
      timer.unref();
      this.#running = { n, resolve, reject, timer };
      child.send({ t: 'draw', n, job, answers } satisfies ToProcess);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#idle);
    const child = this.#child;
    if (child !== undefined) this.#end(child, new BinnacleError('going_away'));
  }

  #start(): ChildProcess {
    const child = fork(this.#script, [], {
      serialization: 'advanced',
      // Flags of whoever embeds us (--input-type, loaders) are not for it, nor is our environment.
      execArgv: [`--max-old-space-size=${MAX_HEAP_MB}`, `--max-semi-space-size=${YOUNG_MB}`],
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // A gateway that was told to stop does not wait for it.
    child.unref();
    child.channel?.unref();
    child.on('message', (message) => this.#take(message as FromProcess));
    child.once('error', (cause) => this.#end(child, new BinnacleError('screen_timeout', { cause })));
    child.once('exit', () => this.#end(child, new BinnacleError('screen_timeout')));
    return child;
  }

  #take(message: FromProcess): void {
    const running = this.#running;
    if (running === undefined || running.n !== message.n) return;
    this.#running = undefined;
    clearTimeout(running.timer);
    this.#rest();
    if (message.t === 'failed') running.reject(BinnacleError.fromWire(message.error));
    else running.resolve({ drawn: message.drawn, reached: message.reached });
  }

  #rest(): void {
    const child = this.#child;
    this.#idle = setTimeout(() => {
      if (child === undefined || this.#child !== child) return;
      this.#child = undefined;
      child.kill('SIGKILL');
    }, IDLE_MS);
    this.#idle.unref();
  }

  #end(child: ChildProcess, why: BinnacleError): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    child.kill('SIGKILL');
    const running = this.#running;
    this.#running = undefined;
    clearTimeout(running?.timer);
    running?.reject(why);
  }
}
