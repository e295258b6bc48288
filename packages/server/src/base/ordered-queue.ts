// A queue of operations that wait for verdicts. They run in the order of arrival, whatever the order of the verdicts.

export class OrderedQueue {
  #last: Promise<unknown> | undefined;

  /** True if nothing waits: an operation without a verdict may run at once. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** Runs `act` after all earlier operations. Rejects with the failure of the verdict, or of `act`. */
  pass<T>(verdict: Promise<void> | undefined, act: () => T | Promise<T>): Promise<T> {
    // Prevents an unhandled rejection: the verdict may reject long before its turn.
    verdict?.catch(() => undefined);
    const before = this.#last;
    const passed = (async () => {
      await before;
      await verdict;
      return await act();
    })();
    const last = passed.then(
      () => undefined,
      () => undefined,
    );
    this.#last = last;
    void last.then(() => {
      if (this.#last === last) this.#last = undefined;
    });
    return passed;
  }
}
