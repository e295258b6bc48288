// Reports periodically that a command still waits, so that its silence is not mistaken for its end.

/** Delay before the first notice, ms; then one notice per minute. */
const FIRST_MS = 10_000;
const AGAIN_MS = 60_000;

export class WaitNotice {
  readonly #say: (text: string) => void;
  #what: string;
  /** Milliseconds without news. */
  #silentMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
    this.#what = '';
    this.#silentMs = 0;
    this.heard('still waits for the gateway');
  }

  /** Restarts the clock on news. `what`: the next thing to wait for. */
  heard(what: string): void {
    this.#what = what;
    this.#silentMs = 0;
    this.#wait(FIRST_MS);
  }

  /** Corrects the description of the wait, without restarting the clock. */
  about(what: string): void {
    this.#what = what;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#silentMs += ms;
      const seconds = this.#silentMs / 1000;
      this.#say(`${this.#what}, nothing new for ${seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}`);
      this.#wait(AGAIN_MS);
    }, ms);
    this.#timer.unref();
  }
}
