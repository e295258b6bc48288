// Operations over HTTP that outlive lost connections: their requests are repeated while that may help, and end when the
// client is closed.

import { BinnacleError, CODES } from '@binnacle/protocol';
import type { Emitter } from './event-emitter.ts';
import type { Http } from './http.ts';
import type { Settings } from './options.ts';
import { backoffDelay } from './reconnect.ts';
import { listenForWake } from './wake.ts';

/** All operations of one kind. */
export class Operations {
  readonly http: Http;
  readonly settings: Settings;
  /** Receives errors that no call waits for. */
  readonly events: Emitter<{ error: BinnacleError }>;
  /** Operations in progress. */
  readonly open = new Set<Operation>();
  /** Ends of waits, and reconnects of streams that wait. */
  readonly sleepers = new Set<() => void>();
  #isClosed = false;

  constructor(http: Http, { settings, events }: Pick<Operations, 'settings' | 'events'>) {
    this.http = http;
    this.settings = settings;
    this.events = events;
  }

  /** The client was closed: nothing begins any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Retries at once what waits for the network. */
  wake(): void {
    for (const wake of [...this.sleepers]) wake();
  }

  /** Ends what is in progress when the client is closed. */
  stop(): void {
    this.#isClosed = true;
    for (const operation of [...this.open]) operation.stop(new BinnacleError('client_closed'));
  }
}

/** Requests that belong together, such as those of one run. */
export class Operation {
  readonly #operations: Operations;
  readonly #onStop: (error: BinnacleError) => void;
  readonly #abort = new AbortController();
  /** Milliseconds, until when the first request is repeated. */
  readonly #deadline: number;
  /** Number of parts in progress. */
  #doing = 0;
  /** True if a caller waits for the operation, and gets its errors. */
  isWatched = false;

  constructor(operations: Operations, onStop: (error: BinnacleError) => void = () => {}) {
    const { now, requestTimeoutMs } = operations.settings;
    this.#operations = operations;
    this.#onStop = onStop;
    this.#deadline = now() + requestTimeoutMs;
    if (operations.isClosed) this.#abort.abort(new BinnacleError('client_closed'));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Reports the error of a promise if nobody waits for it. */
  report(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      if (!this.isWatched) this.#operations.events.emit('error', BinnacleError.of(error));
    });
  }

  /**
   * Returns whether the first request may be repeated: a refusal counts at once, and an unreachable gateway is not
   * awaited for ever.
   */
  mayBegin({ code }: BinnacleError): boolean {
    return CODES[code].status === 503 && this.#operations.settings.now() < this.#deadline;
  }

  /** It is in progress until `done`, or until `act` has ended. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await act();
    } finally {
      this.done();
    }
  }

  begin(): void {
    this.#doing += 1;
    this.#operations.open.add(this);
  }

  done(): void {
    this.#doing -= 1;
    if (this.#doing === 0) this.#operations.open.delete(this);
  }

  /** Repeats a request that acts once. Throws what `mayRetry` refuses, and the reason of a stop. */
  async persist<T>(act: () => Promise<T>, mayRetry: (error: BinnacleError) => boolean): Promise<T> {
    const { signal } = this;
    const { random, backoff } = this.#operations.settings;
    for (let failures = 0; ; failures += 1) {
      try {
        signal.throwIfAborted();
        return await act();
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        const error = BinnacleError.of(cause);
        if (!mayRetry(error)) throw error;
      }
      await pause(backoffDelay(failures, random(), backoff), signal, this.#operations.sleepers);
    }
  }

  /** Ends what is in progress here. */
  stop(error: BinnacleError): void {
    this.isWatched = true;
    this.#abort.abort(error);
    this.#onStop(error);
  }
}

/** Waits; not beyond a wake-up of the network or the end of `signal`. */
export function pause(ms: number, signal: AbortSignal | undefined, sleepers = new Set<() => void>()): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      sleepers.delete(wake);
      unlisten();
      resolve();
    };
    const timer = setTimeout(wake, ms);
    const unlisten = listenForWake(wake);
    sleepers.add(wake);
    signal?.addEventListener('abort', wake);
    if (signal?.aborted === true) wake();
  });
}
