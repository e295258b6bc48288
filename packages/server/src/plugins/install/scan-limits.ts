// Limits for scanning an untrusted folder, before anybody has consented to anything.

import { setImmediate as turn } from 'node:timers/promises';
import { BinnacleError } from '@binnacle/protocol';

export interface LookBounds {
  readonly withinMs: number;
  /** Maximum folders of packages, each with its bundled packages. */
  readonly maxFolders: number;
  /** Maximum directory entries, including those that are left out. */
  readonly maxEntries: number;
  /** Maximum required packages. */
  readonly maxNames: number;
  /** Maximum bytes of all package.json files together. Those of packages are read twice. */
  readonly maxJsonBytes: number;
}

export const LOOK_BOUNDS: LookBounds = {
  withinMs: 30_000,
  maxFolders: 10_000,
  maxEntries: 100_000,
  maxNames: 10_000,
  maxJsonBytes: 32 * 1024 * 1024,
};

export interface Asker {
  readonly by: string;
  /** Aborted when the answer is no longer needed. */
  readonly signal?: AbortSignal;
}

type Cost = 'maxFolders' | 'maxEntries' | 'maxNames' | 'maxJsonBytes';

const TURN_MS = 8;
/** Maximum concurrent scans. Each has a file of the plugin in memory, and the data read from it. */
const MAX_AT_WORK = 4;
const MAX_AT_WORK_OF_ONE = 2;
/** Maximum scans of one caller, including those that wait. */
const MAX_OF_ONE = 8;
const MAX = 32;

/** One scan of a folder. The code that begins a scan must close it. */
export class Look {
  readonly #folder: string;
  readonly #bounds: LookBounds;
  readonly #spent = { maxFolders: 0, maxEntries: 0, maxNames: 0, maxJsonBytes: 0 };
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #asked: AbortSignal;
  readonly #left = (): void => this.#end.abort(this.#asked.reason);
  #turnBegan = performance.now();

  /** `asked`: its abort reason is the error to throw. */
  constructor(folder: string, bounds: LookBounds, asked: AbortSignal) {
    this.#folder = folder;
    this.#bounds = bounds;
    const late = `takes longer than ${bounds.withinMs / 1000} s to be looked at`;
    this.#timer = setTimeout(() => this.#end.abort(this.#unsafe(late)), bounds.withinMs);
    this.#asked = asked;
    asked.addEventListener('abort', this.#left, { once: true });
    if (asked.aborted) this.#left();
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
    if (performance.now() - this.#turnBegan < TURN_MS) return;
    await turn();
    this.#turnBegan = performance.now();
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
    this.#asked.removeEventListener('abort', this.#left);
  }

  #unsafe(what: string): BinnacleError {
    return new BinnacleError('unsafe_plugin', {
      message: `${this.#folder} ${what}.`,
      hint: 'Build the plugin into a folder of its own, with only what it needs.',
    });
  }
}

/** The queue of scans, with a limited number at a time. */
export class Looks {
  readonly #bounds: LookBounds;
  /** Scans in the order of their requests. */
  readonly #all = new Set<Turn>();
  #isClosed = false;

  constructor(bounds: Partial<LookBounds> = {}) {
    this.#bounds = { ...LOOK_BOUNDS, ...bounds };
  }

  /**
   * Runs a scan. Throws `too_many_installs`, `going_away`, `client_closed` if the caller has disconnected,
   * `unsafe_plugin` if it takes too long, and the errors of `act`.
   */
  async at<T>(folder: string, asker: Asker, act: (look: Look) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new BinnacleError('going_away');
    const own = [...this.#all].filter(({ by }) => by === asker.by).length;
    const limit = own >= MAX_OF_ONE ? MAX_OF_ONE : MAX;
    if (own >= limit || this.#all.size >= limit) throw new BinnacleError('too_many_installs', { details: { limit } });
    const turn = new Turn(asker);
    const done = (async () => {
      await turn.came;
      const look = new Look(folder, this.#bounds, turn.signal);
      try {
        look.check();
        return await act(look);
      } finally {
        look.close();
      }
    })();
    turn.done = done;
    this.#all.add(turn);
    this.#next();
    try {
      return await done;
    } finally {
      turn.close();
      this.#all.delete(turn);
      this.#next();
    }
  }

  /** Aborts all scans and refuses new ones. */
  end(): void {
    this.#isClosed = true;
    for (const turn of this.#all) turn.end(new BinnacleError('going_away'));
  }

  /** Aborts all scans, and settles when none is left. */
  async close(): Promise<void> {
    this.end();
    await Promise.allSettled(Array.from(this.#all, ({ done }) => done));
  }

  #next(): void {
    for (const turn of this.#all) {
      const atWork = [...this.#all].filter((one) => one.hasCome);
      if (atWork.length >= MAX_AT_WORK) return;
      const own = atWork.filter(({ by }) => by === turn.by).length;
      if (!turn.hasCome && own < MAX_AT_WORK_OF_ONE) turn.come();
    }
  }
}

/** A place in the queue. After a disconnect it is admitted at once, so that it can fail. */
class Turn {
  readonly by: string;
  readonly came: Promise<void>;
  hasCome = false;
  done: Promise<unknown> = Promise.resolve();
  readonly #end = new AbortController();
  readonly #asker: AbortSignal | undefined;
  readonly #left = (): void => this.end(new BinnacleError('client_closed'));
  #come: () => void = () => undefined;

  constructor({ by, signal }: Asker) {
    this.by = by;
    this.#asker = signal;
    this.came = new Promise((resolve) => {
      this.#come = resolve;
    });
    signal?.addEventListener('abort', this.#left, { once: true });
    if (signal?.aborted === true) this.#left();
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  come(): void {
    this.hasCome = true;
    this.#come();
  }

  end(why: BinnacleError): void {
    this.#end.abort(why);
    this.#come();
  }

  close(): void {
    this.#asker?.removeEventListener('abort', this.#left);
  }
}
