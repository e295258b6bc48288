// The limit of open viewers over all sockets of a gateway.

import { BinnacleError } from '@binnacle/protocol';

export class ViewerLimit {
  readonly #limit: number;
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Throws `too_many_viewers`. Called before the upgrade, which can still fail: only `join` counts a viewer. */
  assertRoom(): void {
    if (this.#count >= this.#limit) throw new BinnacleError('too_many_viewers', { details: { limit: this.#limit } });
  }

  /** Counts a viewer. Returns the function that ends the count. */
  join(): () => void {
    this.#count += 1;
    return () => {
      this.#count -= 1;
    };
  }
}
