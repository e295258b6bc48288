// The teardown of all parts of a process.

/** Teardown steps, run in reverse order of construction. */
export class Teardown {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #isRunning = false;

  get isRunning(): boolean {
    return this.#isRunning;
  }

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Runs each step once, one after the other. */
  async run(): Promise<void> {
    this.#isRunning = true;
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}
