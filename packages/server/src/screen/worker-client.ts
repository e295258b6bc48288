// One process that draws screens, as the gateway has it: one job at a time, ended when a job takes too long, and started
// again for the next one. Knows no session.

import { BinnacleError } from '@binnacle/protocol';
import { afterOwnTime } from '../base/running-time.ts';
import { SideProcess } from '../process/worker-process.ts';
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
  readonly cancel: () => void;
}

type Child = SideProcess<ToProcess, FromProcess>;

export class DrawingProcess {
  readonly #script: string;
  #child: Child | undefined;
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
      const late = () => this.#end(child, new BinnacleError('screen_timeout'));
      this.#running = { n, resolve, reject, cancel: afterOwnTime(job.withinMs + GRACE_MS, late) };
      child.send({ t: 'draw', n, job, answers });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#idle);
    const child = this.#child;
    if (child !== undefined) this.#end(child, new BinnacleError('going_away'));
  }

  #start(): Child {
    const child: Child = new SideProcess(
      { script: this.#script, maxHeapMb: MAX_HEAP_MB, youngMb: YOUNG_MB },
      {
        message: (message) => this.#take(message),
        gone: (cause) => this.#end(child, new BinnacleError('screen_timeout', { cause })),
      },
    );
    return child;
  }

  #take(message: FromProcess): void {
    const running = this.#running;
    if (running === undefined || running.n !== message.n) return;
    this.#running = undefined;
    running.cancel();
    this.#rest();
    if (message.t === 'failed') running.reject(BinnacleError.fromWire(message.error));
    else running.resolve({ drawn: message.drawn, reached: message.reached });
  }

  #rest(): void {
    const child = this.#child;
    this.#idle = setTimeout(() => {
      if (child === undefined || this.#child !== child) return;
      this.#child = undefined;
      child.kill();
    }, IDLE_MS);
    this.#idle.unref();
  }

  #end(child: Child, why: BinnacleError): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    child.kill();
    const running = this.#running;
    this.#running = undefined;
    running?.cancel();
    running?.reject(why);
  }
}
