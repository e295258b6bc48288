// One thread that draws screens, as the gateway's thread has it: one job at a time, ended when a job takes too long, and
// started again for the next one. Knows no session.

import { Worker } from 'node:worker_threads';
import { BinnacleError } from '@binnacle/protocol';
import type { Drawn, FromThread, ScreenJob, ToThread } from './wire.ts';

/** A thread looks at its clock after each page; one that does not come back is busy for ever. */
const GRACE_MS = 2000;
const MAX_HEAP_MB = 256;

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

export class DrawingThread {
  readonly #script: string;
  #worker: Worker | undefined;
  #running: Running | undefined;
  #n = 0;
  #isStopped = false;

  constructor(script: string) {
    this.#script = script;
  }

  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** Throws `screen_timeout`, `going_away`, and what reading throws. */
  draw(job: ScreenJob, answers: boolean): Promise<Outcome> {
    if (this.#isStopped) return Promise.reject(new BinnacleError('going_away'));
    this.#worker ??= this.#start();
    this.#n += 1;
    const n = this.#n;
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(worker, new BinnacleError('screen_timeout')), job.withinMs + GRACE_MS);
      timer.unref();
      this.#running = { n, resolve, reject, timer };
      worker.postMessage({ t: 'draw', n, job, answers } satisfies ToThread);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#end(worker, new BinnacleError('going_away'));
    await worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#script, {
      name: 'screens',
      // Flags of whoever embeds us (--input-type, loaders) are not for it.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: MAX_HEAP_MB / 4 },
    });
    // A gateway that was told to stop does not wait for it.
    worker.unref();
    worker.on('message', (message: FromThread) => this.#take(message));
    worker.once('error', (cause) => this.#end(worker, new BinnacleError('screen_timeout', { cause })));
    worker.once('exit', () => this.#end(worker, new BinnacleError('screen_timeout')));
    return worker;
  }

  #take(message: FromThread): void {
    const running = this.#running;
    if (running === undefined || running.n !== message.n) return;
    this.#running = undefined;
    clearTimeout(running.timer);
    if (message.t === 'failed') running.reject(BinnacleError.fromWire(message.error));
    else running.resolve({ drawn: message.drawn, reached: message.reached });
  }

  #end(worker: Worker, why: BinnacleError): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    void worker.terminate();
    const running = this.#running;
    this.#running = undefined;
    clearTimeout(running?.timer);
    running?.reject(why);
  }
}
