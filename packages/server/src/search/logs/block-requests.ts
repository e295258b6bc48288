// Requests for blocks of logs that are far behind: a few at a time, growing logs first, with what was made until the index
// takes it.

import type { BlockSource, BlocksRequest, MadeBlocks } from './block-maker.ts';

/**
 * Maximum requests that are made, or made and not taken: some MB each. One is made while the index takes another, and one
 * place is only for growing logs.
 */
const MOST_OPEN = 3;

export interface MadeRequest {
  readonly request: BlocksRequest;
  readonly made: MadeBlocks | BlocksFailure;
}

/** There is no source of blocks now. */
export interface BlocksFailure {
  readonly error: unknown;
}

export class BlockRequests {
  readonly #source: BlockSource;
  readonly #onMade: () => void;
  /** Requests by the ids of their logs, oldest first: those that wait, those at the source, and results. */
  readonly #queued = new Map<string, BlocksRequest>();
  readonly #sent = new Map<string, BlocksRequest>();
  readonly #results = new Map<string, MadeRequest>();
  /** Requests at the source, including those of forgotten logs. */
  #atSource = 0;

  /** `onMade`: called for each result. */
  constructor(source: BlockSource, onMade: () => void) {
    this.#source = source;
    this.#onMade = onMade;
  }

  get hasResult(): boolean {
    return this.#results.size > 0;
  }

  /** Logs with a request. */
  get ids(): readonly string[] {
    return [...this.#queued.keys(), ...this.#sent.keys(), ...this.#results.keys()];
  }

  has(id: string): boolean {
    return this.#queued.has(id) || this.#sent.has(id) || this.#results.has(id);
  }

  add(request: BlocksRequest): void {
    this.#queued.set(request.news.id, request);
    this.#advance();
  }

  /** Takes the oldest result; undefined if there is none. */
  take(): MadeRequest | undefined {
    const [oldest] = this.#results.values();
    if (oldest === undefined) return undefined;
    this.forget(oldest.request.news.id);
    return oldest;
  }

  /** Drops all requests and results. */
  clear(): void {
    for (const requests of [this.#queued, this.#sent, this.#results]) requests.clear();
  }

  /** Drops the request of a log, and its result. */
  forget(id: string): void {
    for (const requests of [this.#queued, this.#sent, this.#results]) requests.delete(id);
    this.#advance();
  }

  #advance(): void {
    for (;;) {
      const left = MOST_OPEN - this.#atSource - this.#results.size;
      const requests = [...this.#queued.values()];
      const growing = requests.find(({ news }) => !news.isFinal);
      const next = growing ?? requests[0];
      if (next === undefined || left < (growing === undefined ? 2 : 1)) return;
      this.#queued.delete(next.news.id);
      this.#sent.set(next.news.id, next);
      void this.#send(next);
    }
  }

  async #send(request: BlocksRequest): Promise<void> {
    const { id } = request.news;
    this.#atSource += 1;
    const made = await this.#source.make(request).catch((error: unknown): BlocksFailure => ({ error }));
    this.#atSource -= 1;
    if (this.#sent.get(id) === request) {
      this.#sent.delete(id);
      this.#results.set(id, { request, made });
      this.#onMade();
    }
    this.#advance();
  }
}
