// Calls to another process that wait for its answers.

import { afterOwnTime } from './running-time.ts';

export interface CallTimeout {
  readonly ms: number;
  /** Returns the error of a call without an answer. `since`: monotonic ms, the beginning of the time. */
  late(id: number, since: number): Error;
}

export interface PendingCallsOptions<Frame> {
  send(frame: Frame): void;
  /** Maximum calls in flight, and the error of one more. Default: the callers have a limit. */
  readonly limit?: { readonly max: number; refusal(): Error };
  /** Calls back after `ms`, and returns the function that cancels the call. Default: `afterOwnTime`. */
  readonly after?: (ms: number, call: () => void) => () => void;
}

interface PendingCall {
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
  cancelTimeout: () => void;
  since: number;
}

/**
 * Calls that wait for their answers. Each settles once: by its answer, by its time-out, or with all others when the
 * other process is lost. Later answers are ignored.
 *
 * @example
 * const calls = new PendingCalls<Message>({ send: (message) => child.send(message) });
 * child.on('message', ({ id, result }) => calls.resolve(id, result));
 * const result = await calls.call((id) => ({ id, method: 'draw' }), { ms: 1000, late: () => new Error('late') });
 */
export class PendingCalls<Frame> {
  readonly #options: PendingCallsOptions<Frame>;
  /** Oldest first. */
  readonly #calls = new Map<number, PendingCall>();
  #lastId = 0;

  constructor(options: PendingCallsOptions<Frame>) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** Age of the oldest call in flight, in ms; 0 without one. */
  get oldestMs(): number {
    const [oldest] = this.#calls.values();
    return oldest === undefined ? 0 : performance.now() - oldest.since;
  }

  /**
   * Makes a call. `encode` gets its id: ids count up from 1, without gaps. Default: no time-out. Throws the refusal of
   * the limit, and the errors of `encode`, and then nothing is sent.
   */
  call<T>(encode: (id: number) => Frame, timeout?: CallTimeout): Promise<T> {
    const { limit, send } = this.#options;
    if (limit !== undefined && this.#calls.size >= limit.max) throw limit.refusal();
    const id = this.#lastId + 1;
    const frame = encode(id);
    this.#lastId = id;
    const answer = new Promise<T>((resolve, reject) => {
      const cancelTimeout = timeout === undefined ? () => undefined : this.#start(id, timeout);
      this.#calls.set(id, { resolve, reject, cancelTimeout, since: performance.now() });
    });
    send(frame);
    return answer;
  }

  /** Replaces the time-out of a call. Its time begins now. */
  restart(id: number, timeout: CallTimeout): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    call.cancelTimeout();
    call.since = performance.now();
    call.cancelTimeout = this.#start(id, timeout);
  }

  /** Returns false if no such call is in flight. */
  resolve(id: number, result: unknown): boolean {
    const call = this.#take(id);
    call?.resolve(result as never);
    return call !== undefined;
  }

  /** Returns false if no such call is in flight. */
  reject(id: number, error: unknown): boolean {
    const call = this.#take(id);
    call?.reject(error);
    return call !== undefined;
  }

  rejectAll(error: () => Error): void {
    for (const id of [...this.#calls.keys()]) this.reject(id, error());
  }

  #start(id: number, { ms, late }: CallTimeout): () => void {
    const after = this.#options.after ?? afterOwnTime;
    return after(ms, () => {
      const call = this.#take(id);
      call?.reject(late(id, call.since));
    });
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    call?.cancelTimeout();
    this.#calls.delete(id);
    return call;
  }
}
