// Progress of one call for a client that asked for it with a `progressToken`. Knows no tool and no transport.

/** One per call and second: enough for a person who watches, and nothing that a client would have to slow down. */
const EVERY_MS = 1000;
/** Clients that end a silent call count from the last progress; most of them allow 10 s or more. */
const UNCHANGED_MS = 5000;

export interface ProgressNotification {
  readonly method: 'notifications/progress';
  readonly params: {
    readonly progressToken: string | number;
    readonly progress: number;
    readonly total?: number;
    readonly message: string;
  };
}

/** Part of a request as the SDK gives it. */
export interface ProgressRequest {
  readonly mcpReq: {
    readonly _meta?: { readonly progressToken?: string | number | undefined } | undefined;
    notify(notification: ProgressNotification): Promise<void>;
  };
}

export class Progress {
  readonly #name: string;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #words: () => string = () => '';
  #totalMs: number | undefined;
  #last = { words: '', at: 0, seconds: 0 };

  /** Counts from now, until `stop`. Without a token in the request nothing is ever sent. */
  constructor(name: string, { mcpReq }: ProgressRequest) {
    this.#name = name;
    const token = mcpReq._meta?.progressToken;
    if (token === undefined) return;
    this.#timer = setInterval(() => {
      const params = this.#next();
      // A client that has gone is noticed by its connection.
      if (params !== undefined)
        mcpReq
          .notify({ method: 'notifications/progress', params: { progressToken: token, ...params } })
          .catch(() => undefined);
    }, EVERY_MS);
    this.#timer.unref();
  }

  /**
   * Sets what is said of the wait besides its name. `words` is called once a second at most, only where somebody asks.
   *
   * @example
   * progress.describe(25_000, () => '120 bytes of output; last line: compiling');
   */
  describe(totalMs: number, words: () => string): void {
    this.#totalMs = totalMs;
    this.#words = words;
  }

  /** Nothing is sent any more, in the turn in which the answer is made. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #next(): { progress: number; total?: number; message: string } | undefined {
    const now = performance.now();
    const words = this.#words();
    if (words === this.#last.words && now - this.#last.at < UNCHANGED_MS) return undefined;
    const total = this.#totalMs === undefined ? undefined : this.#totalMs / 1000;
    const seconds = Math.round((now - this.#began) / 100) / 10;
    // Each has to be more than the one before, and none more than the whole.
    if (seconds <= this.#last.seconds || (total !== undefined && seconds >= total)) return undefined;
    this.#last = { words, at: now, seconds };
    const message = `${this.#name} waits${words === '' ? '' : `: ${words}`}`;
    return { progress: seconds, ...(total === undefined ? {} : { total }), message };
  }
}
