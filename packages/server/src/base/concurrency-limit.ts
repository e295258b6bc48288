// A limit of concurrent operations per key. An operation beyond the limit is refused; or a few wait, and each further
// one displaces the oldest that waits.

import { BinnacleError } from '@binnacle/protocol';

export interface ConcurrencyLimitOptions {
  /** Maximum concurrent operations per key. */
  readonly limit: number;
  /** Maximum waiting operations per key. Default 0: an operation beyond the limit is refused. */
  readonly waiting?: number;
  /** Makes the error of an operation that is refused or displaced. Default: `asked_again`. */
  refusal?(limit: number, who: string): BinnacleError;
}

interface Slots {
  taken: number;
  /** Oldest first. */
  readonly waiting: { enter(): void; leave(why: BinnacleError): void }[];
}

/**
 * Limits concurrent operations for each key separately.
 *
 * @example
 * const limit = new ConcurrencyLimit({ limit: 8, refusal: () => new BinnacleError('too_many_calls') });
 * const answer = await limit.run(caller, () => call());
 */
export class ConcurrencyLimit {
  readonly #options: ConcurrencyLimitOptions;
  readonly #slots = new Map<string, Slots>();

  constructor(options: ConcurrencyLimitOptions) {
    this.#options = options;
  }

  /** Runs `act` within the limit. Throws the refusal, and the failures of `act`. */
  async run<T>(who: string, act: () => Promise<T>): Promise<T> {
    const slots = this.#slots.get(who);
    const mustWait = slots !== undefined && slots.taken >= this.#options.limit && (this.#options.waiting ?? 0) > 0;
    const release = mustWait ? await this.#wait(who, slots) : this.take(who);
    try {
      return await act();
    } finally {
      release();
    }
  }

  /**
   * Takes a slot, and returns the function that releases it; further calls of that function do nothing. Throws the
   * refusal.
   */
  take(who: string): () => void {
    const { limit } = this.#options;
    const slots = this.#slots.get(who) ?? { taken: 0, waiting: [] };
    if (slots.taken >= limit) throw this.#refusal(who);
    slots.taken += 1;
    this.#slots.set(who, slots);
    return this.#releaseOf(who, slots);
  }

  #wait(who: string, slots: Slots): Promise<() => void> {
    const { waiting = 0 } = this.#options;
    if (slots.waiting.length >= waiting) slots.waiting.shift()?.leave(this.#refusal(who));
    return new Promise((resolve, reject) => {
      slots.waiting.push({ enter: () => resolve(this.#releaseOf(who, slots)), leave: reject });
    });
  }

  #refusal(who: string): BinnacleError {
    return this.#options.refusal?.(this.#options.limit, who) ?? new BinnacleError('asked_again');
  }

  #releaseOf(who: string, slots: Slots): () => void {
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      // The slot goes directly to the first waiting operation: a newcomer cannot overtake it.
      const next = slots.waiting.shift();
      if (next !== undefined) next.enter();
      else if (slots.taken > 1) slots.taken -= 1;
      else this.#slots.delete(who);
    };
  }
}
