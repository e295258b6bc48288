// The index as the gateway's thread has it: a thread that is started again when it dies, and questions that get an
// answer or a code, in time. Knows neither sessions nor queries.

import { Worker } from 'node:worker_threads';
import { BinnacleError } from '@binnacle/protocol';
import type { Log } from '../http/answer.ts';
import { removeIndex } from './index-db.ts';
import type { Answers, Ask, FromWorker, IndexFacts, IndexOptions, ToWorker } from './wire.ts';

/** Questions that wait at once: they come from people. */
const MAX_ASKS = 64;
/** A thread that could not be stopped by its own clock is ended. */
const GRACE_MS = 1500;
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 30_000;
/** Who lives so long has not died of what it was started with. */
const SOUND_MS = 60_000;
const STOP_MS = 3000;

export interface IndexWorkerOptions extends IndexOptions {
  readonly script: string;
  /** A search is given up after so long. */
  readonly searchMs: number;
}

export interface IndexWorkerEvents {
  /** A thread has begun, and knows nothing yet. */
  started(): void;
  did(id: string, place: number): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: BinnacleError) => void;
  readonly timer: NodeJS.Timeout;
}

export class IndexWorker {
  readonly #options: IndexWorkerOptions;
  readonly #events: IndexWorkerEvents;
  readonly #log: Log;
  readonly #asks = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #isReady = false;
  #startedAt = 0;
  #pause = FIRST_PAUSE_MS;
  #again: NodeJS.Timeout | undefined;
  #n = 0;
  #isStopped = false;
  /** Removes the file before the next start. */
  #isRebuilding = false;
  #facts: IndexFacts = { events: 0, documents: 0, behindBytes: 0, removed: 0, indexBytes: 0 };
  #removedBefore = 0;

  constructor(options: IndexWorkerOptions, events: IndexWorkerEvents, log: Log) {
    this.#options = options;
    this.#events = events;
    this.#log = log;
    this.#start();
  }

  get facts(): IndexFacts {
    return { ...this.#facts, removed: this.#facts.removed + this.#removedBefore };
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Lost while there is no thread: the next one is told everything. */
  post(message: ToWorker): void {
    if (this.#isReady) this.#worker?.postMessage(message);
  }

  /** Throws `index_unavailable`, `search_timeout`. */
  ask<A extends Ask>(ask: A): Promise<Answers[A['kind']]> {
    if (!this.#isReady) throw new BinnacleError('index_unavailable');
    if (this.#asks.size >= MAX_ASKS) {
      throw new BinnacleError('index_unavailable', { message: 'Too many questions wait for the index.' });
    }
    this.#n += 1;
    const n = this.#n;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(n), this.#options.searchMs + GRACE_MS);
      this.#asks.set(n, { resolve, reject, timer });
      this.post({ t: 'ask', n, ask });
    });
  }

  /** Begins anew, with nothing. */
  rebuild(): void {
    this.#isRebuilding = true;
    this.#pause = 0;
    if (this.#worker === undefined) this.#startIn(0);
    else void this.#worker.terminate();
    this.#isReady = false;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#again);
    const worker = this.#worker;
    if (worker === undefined) return;
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ t: 'stop' } satisfies ToWorker);
    const timer = setTimeout(() => void worker.terminate(), STOP_MS);
    await gone;
    clearTimeout(timer);
  }

  #start(): void {
    if (this.#isStopped) return;
    const { path, dir, maxEvents, maxIndexBytes, retainMs, script } = this.#options;
    const data: IndexOptions = { path, dir, maxEvents, maxIndexBytes, retainMs };
    try {
      if (this.#isRebuilding) removeIndex(path);
      this.#isRebuilding = false;
      this.#startedAt = performance.now();
      // Flags of whoever embeds us (--input-type, loaders) are not for it.
      this.#worker = new Worker(script, { workerData: data, name: 'index', execArgv: [] });
    } catch (error) {
      this.#log.error({ err: error }, 'the index could not be started');
      this.#worker = undefined;
      this.#startIn(LAST_PAUSE_MS);
      return;
    }
    this.#worker.on('message', (message: FromWorker) => this.#take(message));
    this.#worker.on('error', (error) => this.#log.error({ err: error }, 'the index failed'));
    this.#worker.once('exit', () => this.#exited());
    // A gateway that was told to stop does not wait for it.
    this.#worker.unref();
  }

  #exited(): void {
    this.#worker = undefined;
    this.#isReady = false;
    this.#removedBefore += this.#facts.removed;
    this.#facts = { ...this.#facts, removed: 0 };
    for (const n of [...this.#asks.keys()]) this.#refuse(n, new BinnacleError('index_unavailable'));
    if (this.#isStopped) return;
    if (performance.now() - this.#startedAt > SOUND_MS) this.#pause = FIRST_PAUSE_MS;
    this.#startIn(this.#pause);
    this.#pause = Math.min(LAST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pause * 2));
  }

  #startIn(ms: number): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#start(), ms);
    this.#again.unref();
  }

  /** It is deep in SQLite, where nothing reaches it: what it does there ends with it. */
  #giveUp(n: number): void {
    if (!this.#refuse(n, new BinnacleError('search_timeout')) || !this.#isReady) return;
    this.#isReady = false;
    void this.#worker?.terminate();
  }

  #refuse(n: number, error: BinnacleError): boolean {
    const waiting = this.#asks.get(n);
    if (waiting === undefined) return false;
    this.#asks.delete(n);
    clearTimeout(waiting.timer);
    waiting.reject(error);
    return true;
  }

  #take(message: FromWorker): void {
    switch (message.t) {
      case 'ready':
        this.#isReady = true;
        this.#events.started();
        return;
      case 'did':
        this.#events.did(message.id, message.place);
        return;
      case 'answer': {
        const waiting = this.#asks.get(message.n);
        this.#asks.delete(message.n);
        clearTimeout(waiting?.timer);
        waiting?.resolve(message.value as never);
        return;
      }
      case 'refused':
        this.#refuse(message.n, BinnacleError.fromWire(message.error));
        return;
      case 'facts':
        this.#facts = message.facts;
        return;
      case 'warn':
        this.#log.warn(message.facts, message.message);
    }
  }
}
