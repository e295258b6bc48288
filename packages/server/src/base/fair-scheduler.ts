// A fair scheduler for long work in slices: one slice per turn of the event loop, by turns between the keys. All other
// work waits for one slice at most, as long as all slices come from the same scheduler.

export class FairScheduler {
  /** Slices by key. The first key is the next. */
  readonly #waiting = new Map<string, (() => void)[]>();

  /** Adds a slice. `slice` must not throw; for remaining work it adds another slice. */
  schedule(who: string, slice: () => void): void {
    const isFirst = this.#waiting.size === 0;
    const mine = this.#waiting.get(who);
    if (mine === undefined) this.#waiting.set(who, [slice]);
    else mine.push(slice);
    if (isFirst) setImmediate(() => this.#next());
  }

  /** Resolves in an event-loop turn that no other slice has. The slice is the code that follows in that turn. */
  nextSlot(who: string): Promise<void> {
    return new Promise((resolve) => this.schedule(who, resolve));
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [who, slices] = first;
    const slice = slices.shift();
    // Removed and added again at the end, so that this key goes after the others.
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
