// One process that draws screens, as the gateway uses it: one job at a time, killed when a job takes too long, and
// restarted for the next job.

import { BinnacleError } from '@binnacle/protocol';
import { PendingCalls } from '../base/pending-calls.ts';
import { Timer } from '../base/timer.ts';
import { WorkerProcess } from '../process/worker-process.ts';
import type { FromProcess, RenderedScreen, ScreenJob, ToProcess } from './wire.ts';

/** Maximum time until a process takes a job. It includes the start, which takes seconds on a busy machine. */
const START_MS = 15_000;
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

export interface DrawingProcessOptions {
  readonly script: string;
  readonly graceMs: number;
  readonly nice: number;
}

type Child = WorkerProcess<ToProcess, FromProcess>;

export class DrawingProcess {
  readonly #script: string;
  readonly #graceMs: number;
  readonly #nice: number;
  readonly #calls: PendingCalls<ToProcess>;
  #child: Child | undefined;
  #isStopped = false;
  readonly #idle = new Timer();
  /** Restarts the time of a job once the process takes it. */
  #begun: (n: number) => void = () => undefined;

  /** `graceMs`: time after the limit of a job until the process is killed. `nice`: see `WorkerProcessOptions`. */
  constructor({ script, graceMs, nice }: DrawingProcessOptions) {
    this.#script = script;
    this.#graceMs = graceMs;
    this.#nice = nice;
    this.#calls = new PendingCalls({ send: (message) => this.#child?.send(message) });
  }

  /** Draws a screen. Throws `screen_timeout`, `going_away`, and the errors of reading. */
  draw(job: ScreenJob, answers: boolean): Promise<DrawResult> {
    if (this.#isStopped) return Promise.reject(new BinnacleError('going_away'));
    this.#child ??= this.#start();
    this.#idle.clear();
    const child = this.#child;
    const late = (): BinnacleError => {
      this.#end(child, new BinnacleError('screen_timeout'));
      return new BinnacleError('screen_timeout');
    };
    this.#begun = (n) => this.#calls.restart(n, { ms: job.withinMs + this.#graceMs, late });
    return this.#calls.call((n) => ({ t: 'draw', n, job, answers }), { ms: START_MS, late });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#idle.clear();
    const child = this.#child;
    if (child !== undefined) this.#end(child, new BinnacleError('going_away'));
  }

  #start(): Child {
    const child: Child = new WorkerProcess(
      { script: this.#script, nice: this.#nice, maxHeapMb: MAX_HEAP_MB, youngMb: YOUNG_MB },
      {
        message: (message) => this.#take(message),
        ended: (cause) => this.#end(child, new BinnacleError('screen_timeout', { cause })),
      },
    );
    return child;
  }

  #take(message: FromProcess): void {
    if (message.t === 'begun') {
      this.#begun(message.n);
      return;
    }
    const isKnown =
      message.t === 'failed'
        ? this.#calls.reject(message.n, BinnacleError.fromWire(message.error))
        : this.#calls.resolve(message.n, { screen: message.drawn, reached: message.reached } satisfies DrawResult);
    if (isKnown) this.#rest();
  }

  #rest(): void {
    const child = this.#child;
    this.#idle.set(IDLE_MS, () => {
      if (child === undefined || this.#child !== child) return;
      this.#child = undefined;
      child.kill();
    });
  }

  #end(child: Child, why: BinnacleError): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    child.kill();
    this.#calls.rejectAll(() => why);
  }
}
