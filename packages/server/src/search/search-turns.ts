// Turns of searches and of changes: a search sees one state of the index from its beginning to its end.

/** Maximum pause of changes. Searches that follow one another without a gap wait for one change then. */
const MAX_PAUSE_MS = 15_000;

export class SearchTurns {
  #searches = 0;
  /** Since when each change waits, oldest first. */
  readonly #paused: number[] = [];
  #isChanging = false;
  #waiting: (() => void)[] = [];

  /** Runs a search beside other searches, while no change is made. */
  async search<T>(act: () => Promise<T>): Promise<T> {
    while (this.#isChanging || this.#isOverdue) await this.#next();
    this.#searches += 1;
    try {
      return await act();
    } finally {
      this.#searches -= 1;
      this.#wake();
    }
  }

  /** Makes a change while no search runs. */
  async change<T>(act: () => Promise<T>): Promise<T> {
    const since = performance.now();
    this.#paused.push(since);
    while (this.#searches > 0 || this.#isChanging) await this.#next();
    this.#paused.splice(this.#paused.indexOf(since), 1);
    this.#isChanging = true;
    try {
      return await act();
    } finally {
      this.#isChanging = false;
      this.#wake();
    }
  }

  /** True while a search runs: a change would wait for its end. */
  get isSearching(): boolean {
    return this.#searches > 0;
  }

  get #isOverdue(): boolean {
    const [oldest] = this.#paused;
    return oldest !== undefined && performance.now() - oldest > MAX_PAUSE_MS;
  }

  async #next(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
