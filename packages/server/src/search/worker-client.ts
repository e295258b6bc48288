// The process of the index, as the gateway uses it: restarted after any end, with queries that get an answer or an
// error code in time.

import { BinnacleError } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import { type CallTimeout, PendingCalls } from '../base/pending-calls.ts';
import { afterOwnTime } from '../base/running-time.ts';
import { Timer } from '../base/timer.ts';
import { WorkerProcess } from '../process/worker-process.ts';
import { removeIndex } from './index-db.ts';
import type { Answers, FromIndex, IndexFacts, IndexOptions, IndexRequest, ToIndex } from './wire.ts';

/** Maximum queries that wait at once: they come from people. */
const MAX_QUERIES = 64;
/**
 * Time after a query's own limit until the process is killed: the query is then inside one statement of SQLite, which
 * only a kill can end.
 */
const GRACE_MS = 1500;
/** Maximum ms until a new process is ready. The process opens a file and creates tables; a process that hangs is killed. */
const READY_MS = 10_000;
/** Maximum ms until the index begins with a query: about as long as a user keeps a waiting page open. */
const QUEUE_MS = 30_000;
/** Delay of the first start: the start of the gateway and its first session need the processor more. */
const START_MS = 1000;
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 30_000;
/** Lifetime after which the process counts as started successfully; its end then resets the back-off. */
const SOUND_MS = 60_000;
/** Maximum ms for a clean end, then SIGKILL. `binnacle serve` exits after 3 s at most: a hung index must be killed before. */
const STOP_MS = 1000;
/** Maximum heap: a transaction's texts are 8 MiB of it. SQLite's cache is outside. */
const MAX_HEAP_MB = 256;

/**
 * Niceness. Output and keys come first, but a search still gets a tenth of a processor on a machine without an idle
 * one. With 19, the start alone would take half a minute there, and no process may lower its niceness again.
 */
const NICE = 10;

export interface IndexProcessOptions extends IndexOptions {
  readonly script: string;
  /** Maximum ms of a search, from when the index begins with it. */
  readonly searchMs: number;
  /** Maximum ms until it begins. Default 30 s. */
  readonly queueMs?: number;
  /** False if the process starts with the first query. */
  readonly startsAhead: boolean;
  /** Maximum ms until a new process is ready. Default 10 s. */
  readonly readyMs?: number;
}

export interface IndexProcessEvents {
  /** Called for a new process, which knows no sessions yet. */
  started(): void;
  did(id: string, place: number): void;
}

type Child = WorkerProcess<ToIndex, FromIndex>;

export class IndexProcess {
  readonly #options: IndexProcessOptions;
  readonly #events: IndexProcessEvents;
  readonly #log: Log;
  readonly #queries: PendingCalls<ToIndex>;
  #child: Child | undefined;
  #heardAt = 0;
  #isReady = false;
  #startedAt = 0;
  #pause = FIRST_PAUSE_MS;
  readonly #again = new Timer();
  /** Cancels the time limit of a process that is not ready. */
  #cancelReady: () => void = () => undefined;
  #isStopped = false;
  #onceStopped: (() => void) | undefined;
  /** Callers that wait for the first start. Undefined after the start has succeeded or failed. */
  #onceStarted: Set<() => void> | undefined = new Set();
  /** True if the file must be removed before the next start. */
  #isRebuilding = false;
  #facts: IndexFacts = { events: 0, documents: 0, behindBytes: 0, removed: 0, indexBytes: 0 };
  #removedBefore = 0;

  constructor(options: IndexProcessOptions, events: IndexProcessEvents, log: Log) {
    this.#options = options;
    this.#events = events;
    this.#log = log;
    this.#queries = new PendingCalls({
      send: (message) => this.post(message),
      limit: { max: MAX_QUERIES, refusal: tooManyQueries },
    });
    if (options.startsAhead) this.#again.set(START_MS, () => this.#start());
  }

  get facts(): IndexFacts {
    return { ...this.#facts, removed: this.#facts.removed + this.#removedBefore };
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Pid of the process; undefined without one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts the process now if its first start is still to come. Resolves when that start has succeeded or failed. Throws
   * `index_unavailable` if too many queries wait for that.
   */
  async start(): Promise<void> {
    const waiting = this.#onceStarted;
    if (waiting === undefined || this.#isStopped) return;
    if (this.#child === undefined) this.#again.set(0, () => this.#start());
    if (waiting.size >= MAX_QUERIES) throw tooManyQueries();
    await new Promise<void>((resolve) => waiting.add(resolve));
  }

  /** Sends a message, or drops it without a process: the next process gets all news again. */
  post(message: ToIndex): void {
    if (this.#isReady) this.#child?.send(message);
  }

  /** Queries the index. Throws `index_unavailable`, `search_timeout`. */
  query<A extends IndexRequest>(request: A): Promise<Answers[A['kind']]> {
    if (!this.#isReady) throw new BinnacleError('index_unavailable');
    const late = new BinnacleError('index_unavailable', { message: 'The index is busy and has not begun in time.' });
    const timeout = this.#timeout(this.#options.queueMs ?? QUEUE_MS, late);
    return this.#queries.call((n) => ({ t: 'ask', n, ask: request }), timeout);
  }

  /** Restarts with an empty index. Safe at any time: the file is removed once no process has it open. */
  rebuild(): void {
    this.#isRebuilding = true;
    this.#pause = 0;
    this.#isReady = false;
    if (this.#child === undefined) this.#again.set(0, () => this.#start());
    else this.#child.kill();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#again.clear();
    this.#firstStartOver();
    const child = this.#child;
    if (child === undefined) return;
    const stopped = new Promise<void>((resolve) => {
      this.#onceStopped = resolve;
    });
    child.send({ t: 'stop' });
    const timer = setTimeout(() => child.kill(), STOP_MS);
    await stopped;
    clearTimeout(timer);
  }

  #start(): void {
    if (this.#isStopped) return;
    const { path, dir, catalogue, maxEvents, maxIndexBytes, retainMs, script } = this.#options;
    try {
      if (this.#isRebuilding) removeIndex(path);
      this.#isRebuilding = false;
      this.#startedAt = performance.now();
      const events = {
        message: (message: FromIndex) => this.#take(message),
        ended: (cause?: Error) => this.#exited(cause),
      };
      this.#child = new WorkerProcess({ script, nice: NICE, maxHeapMb: MAX_HEAP_MB }, events);
    } catch (error) {
      this.#log.error({ err: error }, 'the index could not be started');
      this.#firstStartOver();
      this.#again.set(LAST_PAUSE_MS, () => this.#start());
      return;
    }
    const child = this.#child;
    child.send({ t: 'open', options: { path, dir, catalogue, maxEvents, maxIndexBytes, retainMs } });
    this.#cancelReady = afterOwnTime(this.#options.readyMs ?? READY_MS, () => child.kill());
  }

  #exited(cause?: Error): void {
    if (cause !== undefined) this.#log.error({ err: cause }, 'the index could not be started');
    this.#child = undefined;
    this.#isReady = false;
    this.#cancelReady();
    this.#removedBefore += this.#facts.removed;
    this.#facts = { ...this.#facts, removed: 0 };
    this.#queries.rejectAll(() => new BinnacleError('index_unavailable'));
    this.#firstStartOver();
    this.#onceStopped?.();
    if (this.#isStopped) return;
    if (performance.now() - this.#startedAt > SOUND_MS) this.#pause = FIRST_PAUSE_MS;
    this.#again.set(this.#pause, () => this.#start());
    this.#pause = Math.min(LAST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pause * 2));
  }

  #firstStartOver(): void {
    for (const resolve of this.#onceStarted ?? []) resolve();
    this.#onceStarted = undefined;
  }

  /** A time limit of a query. A process without any message in it is inside SQLite and cannot react: it is killed. */
  #timeout(ms: number, error: BinnacleError): CallTimeout {
    const late = (_n: number, since: number): BinnacleError => {
      if (this.#heardAt <= since) {
        this.#isReady = false;
        this.#child?.kill();
      }
      return error;
    };
    return { ms, late };
  }

  #take(message: FromIndex): void {
    this.#heardAt = performance.now();
    switch (message.t) {
      case 'ready':
        this.#isReady = true;
        this.#cancelReady();
        this.#events.started();
        this.#firstStartOver();
        return;
      case 'did':
        this.#events.did(message.id, message.place);
        return;
      case 'began':
        // The query's own limit, which the index enforces itself where it can.
        this.#queries.restart(
          message.n,
          this.#timeout(this.#options.searchMs + GRACE_MS, new BinnacleError('search_timeout')),
        );
        return;
      case 'answer':
        this.#queries.resolve(message.n, message.value);
        return;
      case 'refused':
        this.#queries.reject(message.n, BinnacleError.fromWire(message.error));
        return;
      case 'facts':
        this.#facts = message.facts;
        return;
      case 'warn':
        this.#log.warn(message.facts, message.message);
    }
  }
}

const tooManyQueries = (): BinnacleError =>
  new BinnacleError('index_unavailable', { message: 'Too many queries wait for the index.' });
