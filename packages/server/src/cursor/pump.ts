// Reads pages from a cursor into a sink, with back-pressure: the one loop behind every viewer, export and stream.

import type { Page, Reading } from '../log/log.ts';
import type { Cursor } from './cursor.ts';

export type Gap = Extract<Reading, { kind: 'gap' }>;

/** The receiver of output: one viewer on some transport. */
export interface Sink {
  /** Takes one page. `more`: send the next page. `full`: stop until `resume`. `done`: end the pump. */
  page(page: Page): SinkResult;
  gap(gap: Gap): SinkResult;
  /** Reports that the sink has all output so far. The pump then waits for more, or ends on `done`. */
  caughtUp?(): SinkResult;
  /** Reports new output after `caughtUp`. On `full` the pump does not read it before `resume`. */
  grew?(): SinkResult;
  failed(error: unknown): void;
}

export type SinkResult = 'more' | 'full' | 'done';

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

  /** Continues after `full`, when the sink has room again. */
  resume(): void {
    if (this.#state === 'full') this.#run();
  }

  stop(): void {
    this.#state = 'over';
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Loops without recursion: reads cached pages in one event-loop turn until the sink is full. */
  #run(): void {
    this.#state = 'reading';
    try {
      while (this.#state === 'reading') {
        const reading = this.#cursor.next();
        if (reading instanceof Promise) {
          reading.then((late) => this.#deliverLate(late)).catch((error: unknown) => this.#fail(error));
          return;
        }
        this.#deliver(reading);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #deliverLate(reading: Reading): void {
    if (this.#state !== 'reading') return;
    this.#deliver(reading);
    // Checked again: the sink may have stopped the pump while it took the page.
    if (this.#isReading()) this.#run();
  }

  #isReading(): boolean {
    return this.#state === 'reading';
  }

  #deliver(reading: Reading): void {
    if (reading.kind === 'head') {
      if (this.#sink.caughtUp?.() === 'done') this.stop();
      else if (this.#isReading()) this.#sleep();
      return;
    }
    const result = reading.kind === 'page' ? this.#sink.page(reading.page) : this.#sink.gap(reading);
    if (result === 'done') this.stop();
    else if (result === 'full' && this.#isReading()) this.#state = 'full';
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
    // The log grew between the read and the wait: the loop in #run continues unless the sink is full.
    if (hasGrown) {
      this.#mayGoOn();
      return;
    }
    this.#state = 'waiting';
    this.#cancelWait = cancel;
  }

  #mayGoOn(): boolean {
    const result = this.#sink.grew?.() ?? 'more';
    if (result === 'done') this.stop();
    else if (result === 'full') this.#state = 'full';
    return result === 'more';
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return;
    this.stop();
    this.#sink.failed(error);
  }
}
