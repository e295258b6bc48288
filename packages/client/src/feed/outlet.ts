// The pulling end of an async iterable: hands out what there is, or makes the consumer wait. Holds no items itself.

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/** `take` gives the next item, or undefined while there is none. */
export class Outlet<T extends object> {
  private readonly take: () => T | undefined;
  private readonly waiters: Waiter<T>[];
  private ending: { readonly error: Error | null } | null;

  constructor(take: () => T | undefined) {
    this.take = take;
    this.waiters = [];
    this.ending = null;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.waiters.push({ resolve, reject });
      this.deliver();
    });
  }

  /** Call when an item was added. */
  deliver(): void {
    for (let waiter = this.waiters[0]; waiter !== undefined; waiter = this.waiters[0]) {
      const item = this.take();
      if (item === undefined && this.ending === null) return;
      this.waiters.shift();
      if (item !== undefined) {
        waiter.resolve({ done: false, value: item });
      } else {
        const error = this.ending?.error ?? null;
        // Thrown once; who asks again is told that it is over.
        this.ending = { error: null };
        if (error === null) waiter.resolve({ done: true, value: undefined });
        else waiter.reject(error);
      }
    }
  }

  /** What is left is still handed out, then the iteration ends, or throws `error`. The first end counts. */
  end(error: Error | null): void {
    this.ending ??= { error };
    this.deliver();
  }
}
