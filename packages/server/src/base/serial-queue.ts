// Serial queues: one operation at a time, in the order of arrival.

/**
 * Runs operations one after the other. A failure reaches the caller of its operation, and the next operation runs.
 *
 * @example
 * const queue = new SerialQueue();
 * await Promise.all([queue.run(() => write('a')), queue.run(() => write('b'))]); // 'a' is written before 'b' begins
 */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();
  #size = 0;

  /** True if no operation runs or waits. */
  get isIdle(): boolean {
    return this.#size === 0;
  }

  /** Settles when all operations so far are over. Never rejects. */
  get drained(): Promise<unknown> {
    return this.#last;
  }

  /** Runs `act` after all earlier operations, never in the same step of the caller. */
  run<T>(act: () => T | Promise<T>): Promise<T> {
    this.#size += 1;
    const done = this.#last.then(act);
    const over = (): void => {
      this.#size -= 1;
    };
    this.#last = done.then(over, over);
    return done;
  }

  /**
   * Runs `act` after all earlier operations and after its verdict, which may come in any order. Rejects with the
   * failure of the verdict, or of `act`.
   */
  runAfter<T>(verdict: Promise<void> | undefined, act: () => T | Promise<T>): Promise<T> {
    if (verdict === undefined) return this.run(act);
    // Prevents an unhandled rejection: the verdict may reject long before its turn.
    verdict.catch(() => undefined);
    return this.run(() => verdict.then(act));
  }
}

/** A serial queue per key. Keys do not wait for one another. */
export class KeyedSerialQueue {
  readonly #queues = new Map<string, SerialQueue>();

  /** True if an operation of the key runs or waits. */
  has(key: string): boolean {
    return this.#queues.has(key);
  }

  /** Settles when all operations so far are over. Never rejects. */
  get drained(): Promise<unknown> {
    return Promise.all(Array.from(this.#queues.values(), (queue) => queue.drained));
  }

  /** Runs `act` after all earlier operations of its key; see `SerialQueue.runAfter` for `verdict`. */
  run<T>(key: string, act: () => T | Promise<T>, verdict?: Promise<void>): Promise<T> {
    const queue = this.#queues.get(key) ?? new SerialQueue();
    this.#queues.set(key, queue);
    const done = queue.runAfter(verdict, act);
    void queue.drained.then(() => {
      if (queue.isIdle && this.#queues.get(key) === queue) this.#queues.delete(key);
    });
    return done;
  }
}
