// A limit of concurrent operations per key: an operation beyond the limit is refused. To wait in a queue see
// keyed-queue.ts.

import type { BinnacleError } from '@binnacle/protocol';

export class ConcurrencyLimit {
  readonly #limit: number;
  readonly #refusal: (limit: number, who: string) => BinnacleError;
  readonly #underWay = new Map<string, number>();

  constructor(limit: number, refusal: (limit: number, who: string) => BinnacleError) {
    this.#limit = limit;
    this.#refusal = refusal;
  }

  /** Runs `act` within the limit. Throws the refusal, and the failures of `act`. */
  async run<T>(who: string, act: () => Promise<T>): Promise<T> {
    const release = this.take(who);
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
    const underWay = this.#underWay.get(who) ?? 0;
    if (underWay >= this.#limit) throw this.#refusal(this.#limit, who);
    this.#underWay.set(who, underWay + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = (this.#underWay.get(who) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(who);
      else this.#underWay.set(who, left);
    };
  }
}
