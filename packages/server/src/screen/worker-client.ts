// One process that draws screens, as the gateway uses it: one job at a time, killed when a job takes too long, and
// restarted for the next job.

import { BinnacleError } from '@binnacle/protocol';
import { afterOwnTime } from '../base/running-time.ts';
import { WorkerProcess } from '../process/worker-process.ts';
import type { FromProcess, RenderedScreen, ScreenJob, ToProcess } from './wire.ts';

/**
 * Time after the limit until the process is killed. It checks its clock after each page, so a process without an answer
 * is busy for ever.
 */
const GRACE_MS = 2000;
const MAX_HEAP_MB = 256;
/** Maximum of each half of the young generation. Pages and numbers live for moments: more space gains nothing here. */
const YOUNG_MB = 8;
/** Idle time until the process ends. It takes some 60 MiB. */
const IDLE_MS = 30_000;

export interface DrawResult {
  readonly screen: RenderedScreen | undefined;
  /** Offset of the output that was drawn by then. */
  readonly reached: number;
}

interface RunningDraw {
  readonly n: number;
  readonly resolve: (outcome: DrawResult) => void;
  readonly reject: (error: unknown) => void;
  readonly cancel: () => void;
}

type Child = WorkerProcess<ToProcess, FromProcess>;

export class DrawingProcess {
  readonly #script: string;
  #child: Child | undefined;
  #running: RunningDraw | undefined;
  #n = 0;
  #isStopped = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(script: string) {
    this.#script = script;
  }

  /** Draws a screen. Throws `screen_timeout`, `going_away`, and the errors of reading. */
  draw(job: ScreenJob, answers: boolean): Promise<DrawResult> {
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
    const child: Child = new WorkerProcess(
      { script: this.#script, maxHeapMb: MAX_HEAP_MB, youngMb: YOUNG_MB },
      {
        message: (message) => this.#take(message),
        ended: (cause) => this.#end(child, new BinnacleError('screen_timeout', { cause })),
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
    else running.resolve({ screen: message.drawn, reached: message.reached });
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
