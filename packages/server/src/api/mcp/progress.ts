// Progress notifications of one call, for a client that sent a `progressToken`.

import { defined } from '@binnacle/protocol';

/** Minimum interval per call (throttle): enough for a person who watches, and little enough for any client. */
const EVERY_MS = 1000;
/** Interval of progress without news. Clients restart their timeout at each progress; most allow 10 s or more. */
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

/** Part of a request as the SDK passes it. */
export interface ProgressRequest {
  readonly mcpReq: {
    readonly _meta?: { readonly progressToken?: string | number | undefined } | undefined;
    notify(notification: ProgressNotification): Promise<void>;
  };
}

export class ToolProgress {
  readonly #name: string;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #describe: () => string = () => '';
  #totalMs: number | undefined;
  #last = { text: '', at: 0, seconds: 0 };

  /** Starts the clock; `stop` ends it. Without a token in the request nothing is ever sent. */
  constructor(name: string, { mcpReq }: ProgressRequest) {
    this.#name = name;
    const token = mcpReq._meta?.progressToken;
    if (token === undefined) return;
    this.#timer = setInterval(() => {
      const params = this.#next();
      // The connection detects a client that has disconnected.
      if (params !== undefined)
        mcpReq
          .notify({ method: 'notifications/progress', params: { progressToken: token, ...params } })
          .catch(() => undefined);
    }, EVERY_MS);
    this.#timer.unref();
  }

  /**
   * Sets the description of the wait, besides the tool's name. `text` is called at most once a second, only with a
   * token.
   *
   * @example progress.describe(25_000, () => '120 bytes of output; last line: compiling');
   */
  describe(totalMs: number, text: () => string): void {
    this.#totalMs = totalMs;
    this.#describe = text;
  }

  /** Stops progress. Call in the same event-loop turn in which the result is made. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #next(): { progress: number; total?: number; message: string } | undefined {
    const now = performance.now();
    const text = this.#describe();
    if (text === this.#last.text && now - this.#last.at < UNCHANGED_MS) return undefined;
    const total = this.#totalMs === undefined ? undefined : this.#totalMs / 1000;
    const seconds = Math.round((now - this.#began) / 100) / 10;
    // The protocol requires increasing values that do not exceed the total.
    if (seconds <= this.#last.seconds || (total !== undefined && seconds >= total)) return undefined;
    this.#last = { text, at: now, seconds };
    const message = `${this.#name} waits${text === '' ? '' : `: ${text}`}`;
    return { progress: seconds, ...defined({ total }), message };
  }
}
