// The event loop's turns for work that takes some milliseconds: one piece of it a turn, whoever it belongs to, so that
// many who work at once hold everybody else up no longer than one of them would. Knows no protocol.

export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves in a turn that nobody else was given. */
  take(): Promise<void> {
    this.#last = this.#last.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#last;
  }
}
