// Says now and then that a command still waits, so that its silence is not taken for its end. Knows no conversation.

/** After so long without a sign, ms, and then again each minute. */
const FIRST_MS = 10_000;
const AGAIN_MS = 60_000;

export class Waiting {
  readonly #say: (text: string) => void;
  #what: string;
  /** Milliseconds since something was heard. */
  #silentMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(say: (text: string) => void) {
    this.#say = say;
    this.#what = '';
    this.#silentMs = 0;
    this.heard('still waits for the gateway');
  }

  /** Something came. `what`: what is waited for now. */
  heard(what: string): void {
    this.#what = what;
    this.#silentMs = 0;
    this.#wait(FIRST_MS);
  }

  /** Corrects what is waited for; nothing came. */
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
