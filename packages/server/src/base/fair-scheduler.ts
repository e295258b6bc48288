// Long work in slices: one in a turn of the event loop, of one asker after the other. However many there are, everybody
// else waits for one slice at most, as long as all take theirs from the same one. Knows nothing of what is done.

export class Turns {
  /** Who goes next is first. */
  readonly #waiting = new Map<string, (() => void)[]>();

  /** `slice` throws nothing; what it leaves it asks for again. */
  ask(who: string, slice: () => void): void {
    const isFirst = this.#waiting.size === 0;
    const mine = this.#waiting.get(who);
    if (mine === undefined) this.#waiting.set(who, [slice]);
    else mine.push(slice);
    if (isFirst) setImmediate(() => this.#next());
  }

  /** Resolves in a turn that nobody else was given; the slice is what follows in it. */
  take(who: string): Promise<void> {
    return new Promise((resolve) => this.ask(who, resolve));
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [who, slices] = first;
    const slice = slices.shift();
    // Until it is back: what it asks for stands behind the others.
    this.#waiting.delete(who);
    if (slices.length > 0) this.#waiting.set(who, slices);
    const hasMore = this.#waiting.size > 0;
    try {
      slice?.();
    } finally {
      if (hasMore) setImmediate(() => this.#next());
    }
  }
}
