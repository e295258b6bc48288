// Moves what a cursor finds into a sink, as fast as the sink takes it and no faster. The one loop behind every viewer.

import type { Page, Reading } from '../log/log.ts';
import type { Cursor } from './cursor.ts';

export type Gap = Extract<Reading, { kind: 'gap' }>;

/** Where output goes: one viewer, by whatever transport. */
export interface Sink {
  /** `more`: take the next one. `full`: call `resume` when there is room. `done`: this viewer has all it wants. */
  page(page: Page): Took;
  gap(gap: Gap): Took;
  /** Everything there is was handed out; the pump waits for more. `done` ends it instead. */
  caughtUp?(): Took;
  /** There is more than what was handed out. `full`: it is not read before `resume` is called. */
  grew?(): Took;
  failed(error: unknown): void;
}

export type Took = 'more' | 'full' | 'done';

export class Pump {
  readonly #cursor: Cursor;
  readonly #sink: Sink;
  #cancelWait: (() => void) | undefined;
  #state: 'idle' | 'reading' | 'waiting' | 'full' | 'over' = 'idle';

  constructor(cursor: Cursor, sink: Sink) {
    this.#cursor = cursor;
    this.#sink = sink;
  }

  start(): void {
    this.#run();
  }

  get isFull(): boolean {
    return this.#state === 'full';
  }

  /** The sink has room again. */
  resume(): void {
    if (this.#state === 'full') this.#run();
  }

  stop(): void {
    this.#state = 'over';
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Loops without recursion: a log that is far ahead is read page by page in one turn, until the sink is full. */
  #run(): void {
    this.#state = 'reading';
    try {
      while (this.#state === 'reading') {
        const reading = this.#cursor.next();
        if (reading instanceof Promise) {
          reading.then((late) => this.#cameLate(late)).catch((error: unknown) => this.#fail(error));
          return;
        }
        this.#hand(reading);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #cameLate(reading: Reading): void {
    if (this.#state !== 'reading') return;
    this.#hand(reading);
    // Asked anew: handing it out may have stopped the pump.
    if (this.#isReading()) this.#run();
  }

  #isReading(): boolean {
    return this.#state === 'reading';
  }

  #hand(reading: Reading): void {
    if (reading.kind === 'head') {
      if (this.#sink.caughtUp?.() === 'done') this.stop();
      else if (this.#isReading()) this.#sleep();
      return;
    }
    const took = reading.kind === 'page' ? this.#sink.page(reading.page) : this.#sink.gap(reading);
    if (took === 'done') this.stop();
    else if (took === 'full' && this.#isReading()) this.#state = 'full';
  }

  #sleep(): void {
    let isInside = true;
    let hasGrown = false;
    const cancel = this.#cursor.wait(() => {
      if (isInside) {
        hasGrown = true;
        return;
      }
      this.#cancelWait = undefined;
      if (this.#state === 'waiting' && this.#mayGoOn()) this.#run();
    });
    isInside = false;
    // Grown between the reading and the waiting: the loop goes on by itself, if it may.
    if (hasGrown) {
      this.#mayGoOn();
      return;
    }
    this.#state = 'waiting';
    this.#cancelWait = cancel;
  }

  #mayGoOn(): boolean {
    const took = this.#sink.grew?.() ?? 'more';
    if (took === 'done') this.stop();
    else if (took === 'full') this.#state = 'full';
    return took === 'more';
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return;
    this.stop();
    this.#sink.failed(error);
  }
}
