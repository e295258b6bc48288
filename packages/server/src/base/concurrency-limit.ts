// So many at once for each who asks: one more is refused. Knows nothing of what is done, and has nobody wait (keyed-queue.ts).

import type { BinnacleError } from '@binnacle/protocol';

export class AtOnce {
  readonly #limit: number;
  readonly #refusal: (limit: number, who: string) => BinnacleError;
  readonly #underWay = new Map<string, number>();

  constructor(limit: number, refusal: (limit: number, who: string) => BinnacleError) {
    this.#limit = limit;
    this.#refusal = refusal;
  }

  /** Throws the refusal, and what `act` throws. */
  async during<T>(who: string, act: () => Promise<T>): Promise<T> {
    const release = this.take(who);
    try {
      return await act();
    } finally {
      release();
    }
  }

  /** One more, until what it returns is called; calling that again does nothing. Throws the refusal. */
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
