// Requests for blocks of logs that are far behind: a few at a time, with what was made until the index takes it.

import type { BlockSource, BlocksRequest, MadeBlocks } from './block-maker.ts';

/** Maximum requests that are made, or made and not taken: some MB each. One is made while the index takes another. */
const MOST_OPEN = 2;

export interface MadeRequest {
  readonly request: BlocksRequest;
  /** Undefined if the log could not be read. */
  readonly made: MadeBlocks | undefined;
}

export class BlockRequests {
  readonly #source: BlockSource;
  readonly #onMade: () => void;
  /** Requests by the ids of their logs, oldest first: those that wait, those that are made, and results. */
  readonly #waiting = new Map<string, BlocksRequest>();
  readonly #making = new Map<string, BlocksRequest>();
  readonly #made = new Map<string, MadeRequest>();
  /** Requests at the source, including those of forgotten logs. */
  #atSource = 0;

  /** `onMade`: called for each result. */
  constructor(source: BlockSource, onMade: () => void) {
    this.#source = source;
    this.#onMade = onMade;
  }

  get hasMade(): boolean {
    return this.#made.size > 0;
  }

  /** Logs with a request. */
  get ids(): readonly string[] {
    return [...this.#waiting.keys(), ...this.#making.keys(), ...this.#made.keys()];
  }

  has(id: string): boolean {
    return this.#waiting.has(id) || this.#making.has(id) || this.#made.has(id);
  }

  add(request: BlocksRequest): void {
    this.#waiting.set(request.news.id, request);
    this.#advance();
  }

  /** Takes the oldest result; undefined if there is none. */
  take(): MadeRequest | undefined {
    const [oldest] = this.#made.values();
    if (oldest === undefined) return undefined;
    this.forget(oldest.request.news.id);
    return oldest;
  }

  /** Drops the request of a log, and its result. */
  forget(id: string): void {
    for (const requests of [this.#waiting, this.#making, this.#made]) requests.delete(id);
    this.#advance();
  }

  #advance(): void {
    for (const [id, request] of this.#waiting) {
      if (this.#atSource + this.#made.size >= MOST_OPEN) return;
      this.#waiting.delete(id);
      this.#making.set(id, request);
      void this.#make(id, request);
    }
  }

  async #make(id: string, request: BlocksRequest): Promise<void> {
    this.#atSource += 1;
    const made = await this.#source.make(request).catch(() => undefined);
    this.#atSource -= 1;
    if (this.#making.get(id) === request) {
      this.#making.delete(id);
      this.#made.set(id, { request, made });
      this.#onMade();
    }
    this.#advance();
  }
}
