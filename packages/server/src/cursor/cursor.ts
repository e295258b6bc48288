// The position of one viewer in a log. Catching up, going live, falling behind and resuming are all `next`.

import type { Position } from '@binnacle/protocol';
import type { LogReader, Pace, Reading } from '../log/log.ts';

export class Cursor {
  readonly #log: LogReader;
  #at: Position;

  constructor(log: LogReader, at: Position) {
    this.#log = log;
    this.#at = at;
  }

  /** Position directly after the last returned reading. */
  get position(): Position {
    return this.#at;
  }

  /** Returns the next page or gap and moves after it, or returns `head` if there is nothing new. */
  next(): Reading | Promise<Reading> {
    const reading = this.#log.read(this.#at);
    return reading instanceof Promise ? reading.then((late) => this.#step(late)) : this.#step(reading);
  }

  /**
   * Calls `wake` once when there is more, as `LogReader.wait`. Returns the function that cancels the wait.
   */
  wait(wake: () => void, pace?: Pace): () => void {
    return this.#log.wait(this.#at.place, wake, pace);
  }

  #step(reading: Reading): Reading {
    if (reading.kind === 'page') this.#at = reading.page.next;
    else if (reading.kind === 'gap') this.#at = reading.next;
    return reading;
  }
}
