// Limits for scanning an untrusted folder, before anybody has consented to anything.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { BinnacleError } from '@binnacle/protocol';

export interface ScanBounds {
  readonly timeoutMs: number;
  /** Maximum folders of packages, each with its bundled packages. */
  readonly maxFolders: number;
  /** Maximum directory entries, including those that are left out. */
  readonly maxEntries: number;
  /** Maximum required packages. */
  readonly maxNames: number;
  /** Maximum bytes of all package.json files together. Those of packages are read twice. */
  readonly maxJsonBytes: number;
}

export const SCAN_BOUNDS: ScanBounds = {
  timeoutMs: 30_000,
  maxFolders: 10_000,
  maxEntries: 100_000,
  maxNames: 10_000,
  maxJsonBytes: 32 * 1024 * 1024,
};

export interface InstallCaller {
  readonly by: string;
  /** Aborted when the answer is no longer needed. */
  readonly signal?: AbortSignal;
}

type Cost = 'maxFolders' | 'maxEntries' | 'maxNames' | 'maxJsonBytes';

const MAX_BLOCK_MS = 8;
/** Maximum concurrent scans. Each has a file of the plugin in memory, and the data read from it. */
const MAX_AT_WORK = 4;
const MAX_AT_WORK_OF_ONE = 2;
/** Maximum scans of one caller, including those that wait. */
const MAX_OF_ONE = 8;
const MAX = 32;

/** One scan of a folder. The code that begins a scan must close it. */
export class FolderScan {
  readonly #folder: string;
  readonly #bounds: ScanBounds;
  readonly #spent = { maxFolders: 0, maxEntries: 0, maxNames: 0, maxJsonBytes: 0 };
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #request: AbortSignal;
  readonly #left = (): void => this.#end.abort(this.#request.reason);
  #sliceBegan = performance.now();

  /** `request`: its abort reason is the error to throw. */
  constructor(folder: string, bounds: ScanBounds, request: AbortSignal) {
    this.#folder = folder;
    this.#bounds = bounds;
    const late = `takes longer than ${bounds.timeoutMs / 1000} s to be looked at`;
    this.#timer = setTimeout(() => this.#end.abort(this.#unsafe(late)), bounds.timeoutMs);
    this.#request = request;
    request.addEventListener('abort', this.#left, { once: true });
    if (request.aborted) this.#left();
  }

  /** Aborted with the error that `check` throws. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  check(): void {
    this.#end.signal.throwIfAborted();
  }

  /** Yields to the event loop after a long turn. Throws the errors of `check`. */
  async pause(): Promise<void> {
    this.check();
    if (performance.now() - this.#sliceBegan < MAX_BLOCK_MS) return;
    await yieldToEventLoop();
    this.#sliceBegan = performance.now();
    this.check();
  }

  /** Counts a cost. Throws `unsafe_plugin` beyond its limit. */
  spend(cost: Cost, count = 1): void {
    this.#spent[cost] += count;
    const max = this.#bounds[cost];
    if (this.#spent[cost] <= max) return;
    const what: Record<Cost, string> = {
      maxFolders: `has more than ${max} folders of packages`,
      maxEntries: `has more than ${max} entries`,
      maxNames: `needs more than ${max} packages`,
      maxJsonBytes: `has more than ${max} bytes of package.json to read`,
    };
    throw this.#unsafe(what[cost]);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#request.removeEventListener('abort', this.#left);
  }

  #unsafe(what: string): BinnacleError {
    return new BinnacleError('unsafe_plugin', {
      message: `${this.#folder} ${what}.`,
      hint: 'Build the plugin into a folder of its own, with only what it needs.',
    });
  }
}

/** The queue of scans, with a limited number at a time. */
export class ScanQueue {
  readonly #bounds: ScanBounds;
  /** Scans in the order of their requests. */
  readonly #all = new Set<QueuedScan>();
  #isClosed = false;

  constructor(bounds: Partial<ScanBounds> = {}) {
    this.#bounds = { ...SCAN_BOUNDS, ...bounds };
  }

  /**
   * Runs a scan. Throws `too_many_installs`, `going_away`, `client_closed` if the caller has disconnected,
   * `unsafe_plugin` if it takes too long, and the errors of `act`.
   */
  async run<T>(folder: string, caller: InstallCaller, act: (scan: FolderScan) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new BinnacleError('going_away');
    const own = [...this.#all].filter(({ by }) => by === caller.by).length;
    const limit = own >= MAX_OF_ONE ? MAX_OF_ONE : MAX;
    if (own >= limit || this.#all.size >= limit) throw new BinnacleError('too_many_installs', { details: { limit } });
    const queued = new QueuedScan(caller);
    const done = (async () => {
      await queued.admission;
      const scan = new FolderScan(folder, this.#bounds, queued.signal);
      try {
        scan.check();
        return await act(scan);
      } finally {
        scan.close();
      }
    })();
    queued.done = done;
    this.#all.add(queued);
    this.#next();
    try {
      return await done;
    } finally {
      queued.close();
      this.#all.delete(queued);
      this.#next();
    }
  }

  /** Aborts all scans and refuses new ones. */
  end(): void {
    this.#isClosed = true;
    for (const queued of this.#all) queued.end(new BinnacleError('going_away'));
  }

  /** Aborts all scans, and settles when none is left. */
  async close(): Promise<void> {
    this.end();
    await Promise.allSettled(Array.from(this.#all, ({ done }) => done));
  }

  #next(): void {
    for (const queued of this.#all) {
      const atWork = [...this.#all].filter((one) => one.isAdmitted);
      if (atWork.length >= MAX_AT_WORK) return;
      const own = atWork.filter(({ by }) => by === queued.by).length;
      if (!queued.isAdmitted && own < MAX_AT_WORK_OF_ONE) queued.admit();
    }
  }
}

/** A place in the queue. After a disconnect it is admitted at once, so that it can fail. */
class QueuedScan {
  readonly by: string;
  readonly admission: Promise<void>;
  isAdmitted = false;
  done: Promise<unknown> = Promise.resolve();
  readonly #end = new AbortController();
  readonly #callerSignal: AbortSignal | undefined;
  readonly #left = (): void => this.end(new BinnacleError('client_closed'));
  #admit: () => void = () => undefined;

  constructor({ by, signal }: InstallCaller) {
    this.by = by;
    this.#callerSignal = signal;
    this.admission = new Promise((resolve) => {
      this.#admit = resolve;
    });
    signal?.addEventListener('abort', this.#left, { once: true });
    if (signal?.aborted === true) this.#left();
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  admit(): void {
    this.isAdmitted = true;
    this.#admit();
  }

  end(why: BinnacleError): void {
    this.#end.abort(why);
    this.#admit();
  }

  close(): void {
    this.#callerSignal?.removeEventListener('abort', this.#left);
  }
}
