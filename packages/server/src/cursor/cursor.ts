// Where one viewer is in a log: catch up, go live, fall behind and come back are all `next`. Knows no transport.

import type { Position } from '@binnacle/protocol';
import type { LogReader, Reading } from '../log/log.ts';

export class Cursor {
  readonly #log: LogReader;
  #at: Position;

  constructor(log: LogReader, at: Position) {
    this.#log = log;
    this.#at = at;
  }

  /** Behind what was handed out last. */
  get position(): Position {
    return this.#at;
  }

  /** The next page or gap, and steps behind it; `head` when there is nothing yet. */
  next(): Reading | Promise<Reading> {
    const reading = this.#log.read(this.#at);
    return reading instanceof Promise ? reading.then((late) => this.#step(late)) : this.#step(reading);
  }

  /** Calls back once there is more, at once if there is already. Returns what cancels it. */
  wait(wake: () => void): () => void {
    return this.#log.wait(this.#at.place, wake);
  }

  #step(reading: Reading): Reading {
    if (reading.kind === 'page') this.#at = reading.page.next;
    else if (reading.kind === 'gap') this.#at = reading.next;
    return reading;
  }
}
