// The pace of one search: its time limit, and turns for others.

import { BinnacleError } from '@binnacle/protocol';

/** Maximum ms that one step counts for: it takes some ms, and more than this only while the machine is stopped. */
const MAX_STEP_MS = 1000;

export class SearchPace {
  readonly #yieldToEventLoop: () => Promise<void>;
  #leftMs: number;
  #at = performance.now();

  constructor(limitMs: number, yieldToEventLoop: () => Promise<void>) {
    this.#leftMs = limitMs;
    this.#yieldToEventLoop = yieldToEventLoop;
  }

  /** Lets others work. Throws `search_timeout` when the time is over. */
  async step(): Promise<void> {
    const now = performance.now();
    this.#leftMs -= Math.min(now - this.#at, MAX_STEP_MS);
    this.#at = now;
    if (this.#leftMs < 0) throw new BinnacleError('search_timeout');
    await this.#yieldToEventLoop();
  }
}
