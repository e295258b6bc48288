// The pulling end of an async iterable: hands out an item, or makes the consumer wait. Holds no items itself.

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** Queue of waiting consumers. `take` returns the next item, or undefined while there is none. */
export class Outlet<T extends object> {
  readonly #take: () => T | undefined;
  readonly #waiters: Waiter<T>[] = [];
  #ending: { readonly error: Error | null } | null = null;

  constructor(take: () => T | undefined) {
    this.#take = take;
  }

  /** A consumer waits for the next item. */
  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.deliver();
    });
  }

  /** Hands out items to waiting consumers. Call it when an item was added. */
  deliver(): void {
    for (let waiter = this.#waiters[0]; waiter !== undefined; waiter = this.#waiters[0]) {
      const item = this.#take();
      if (item === undefined && this.#ending === null) return;
      this.#waiters.shift();
      if (item !== undefined) {
        waiter.resolve({ done: false, value: item });
      } else {
        const error = this.#ending?.error ?? null;
        // Thrown once; later calls return `done`.
        this.#ending = { error: null };
        if (error === null) waiter.resolve({ done: true, value: undefined });
        else waiter.reject(error);
      }
    }
  }

  /** Ends the iteration behind the items that are left, or throws `error` there. The first call counts. */
  end(error: Error | null): void {
    this.#ending ??= { error };
    this.deliver();
  }
}
