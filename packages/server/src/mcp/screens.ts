// Has screens drawn, each in a thread of its own, which is ended when it takes too long: few at once, the others wait.
// Knows no sessions, and nothing of how it is done.

import { Worker } from 'node:worker_threads';
import { BinnacleError } from '@binnacle/protocol';
import type { Drawing, Drawn } from './drawing.ts';

const MAX_THREADS = 2;
/** What an emulator holds is bounded by the size that is drawn; this is for what has no bound. */
const MAX_HEAP_MB = 128;

export interface ScreenTimes {
  /** From the beginning of reading to the end of drawing. */
  readonly drawMs: number;
  /** Behind others. */
  readonly waitMs: number;
}

const TIMES: ScreenTimes = { drawMs: 5000, waitMs: 15_000 };

export class Screens {
  readonly #script: string;
  readonly #times: ScreenTimes;
  readonly #stopping = new AbortController();
  readonly #threads = new Set<Worker>();
  #open = 0;
  /** Who waits for one to end, in this order. */
  readonly #waiting = new Set<() => void>();

  /** `script`: the bundled thread. */
  constructor(script: string, times: Partial<ScreenTimes> = {}) {
    this.#script = script;
    this.#times = { ...TIMES, ...times };
  }

  /** `read` is called when it is its turn. Throws `screen_timeout`, `going_away`, and what `read` throws. */
  async draw(read: (until: AbortSignal) => Promise<Drawing>, signal: AbortSignal): Promise<Drawn> {
    await this.#within(this.#times.waitMs, signal, (until) => this.#enter(until));
    try {
      return await this.#within(this.#times.drawMs, signal, async (until) => {
        const drawing = await read(until);
        if (until.aborted) throw this.#tooLate();
        return await this.#run(drawing, until);
      });
    } finally {
      const [next] = this.#waiting;
      // Handed on, so that nobody who comes meanwhile is one too many.
      if (next === undefined) this.#open -= 1;
      else next();
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  /** Not by `AbortSignal.any`: where nothing else holds a signal with a timeout, Node 20 may forget it. */
  async #within<T>(ms: number, signal: AbortSignal, act: (until: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController();
    const end = (): void => over.abort();
    const timer = setTimeout(end, ms);
    const others = [signal, this.#stopping.signal];
    for (const other of others) other.addEventListener('abort', end);
    if (others.some(({ aborted }) => aborted)) end();
    try {
      return await act(over.signal);
    } finally {
      clearTimeout(timer);
      for (const other of others) other.removeEventListener('abort', end);
    }
  }

  async #enter(until: AbortSignal): Promise<void> {
    if (until.aborted) throw this.#tooLate();
    if (this.#open < MAX_THREADS) {
      this.#open += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const settle = (act: () => void) => (): void => {
        this.#waiting.delete(enter);
        until.removeEventListener('abort', leave);
        act();
      };
      const enter = settle(resolve);
      const leave = settle(() =>
        reject(this.#tooLate('Others are drawn at the moment, and the screen was not reached in time.')),
      );
      this.#waiting.add(enter);
      until.addEventListener('abort', leave);
    });
  }

  #run(drawing: Drawing, until: AbortSignal): Promise<Drawn> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(this.#script, {
        workerData: drawing,
        name: 'screen',
        // Flags of whoever embeds us (--input-type, loaders) are not for it.
        execArgv: [],
        resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: MAX_HEAP_MB / 4 },
      });
      this.#threads.add(thread);
      // A gateway that was told to stop does not wait for it.
      thread.unref();
      // Settled when it is gone, so that the next one begins when this one's memory is free.
      let settle = (): void => reject(this.#tooLate());
      const end = (): void => void thread.terminate();
      until.addEventListener('abort', end);
      thread.once('message', (drawn: Drawn) => {
        settle = () => resolve(drawn);
        end();
      });
      thread.once('error', (error: NodeJS.ErrnoException) => {
        const isOurs = error.code !== 'ERR_WORKER_OUT_OF_MEMORY';
        settle = () => reject(isOurs ? error : this.#tooLate('Drawing the screen takes too much memory.'));
      });
      thread.once('exit', () => {
        this.#threads.delete(thread);
        until.removeEventListener('abort', end);
        settle();
      });
    });
  }

  #tooLate(message?: string): BinnacleError {
    if (this.#stopping.signal.aborted) return new BinnacleError('going_away');
    return new BinnacleError('screen_timeout', message === undefined ? {} : { message });
  }
}
