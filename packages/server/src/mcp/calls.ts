// How many calls of one token may be under way that take more than a moment. Knows no protocol.

import { BinnacleError } from '@binnacle/protocol';

export class Calls {
  readonly #limit: number;
  readonly #open = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Throws `too_many_calls`. */
  async during<T>(token: string, call: () => Promise<T>): Promise<T> {
    const open = this.#open.get(token) ?? 0;
    if (open >= this.#limit) throw new BinnacleError('too_many_calls', { details: { limit: this.#limit } });
    this.#open.set(token, open + 1);
    try {
      return await call();
    } finally {
      const left = (this.#open.get(token) ?? 1) - 1;
      if (left === 0) this.#open.delete(token);
      else this.#open.set(token, left);
    }
  }
}
