// What has to wait for a verdict, and goes on in the order in which it came, whatever the order of the verdicts.

export class InOrder {
  #last: Promise<unknown> | undefined;

  /** Nothing waits: what needs no verdict may go on at once. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** Does it once all before it are done. Rejects with what the verdict rejects with, or `act`. */
  pass<T>(verdict: Promise<void> | undefined, act: () => T | Promise<T>): Promise<T> {
    // It may be known long before its turn.
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
