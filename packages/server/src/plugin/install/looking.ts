// What looking at a folder may cost: somebody else wrote it, and nobody has agreed to anything yet. Knows nothing of what is
// looked at.

import { setImmediate as turn } from 'node:timers/promises';
import { BinnacleError } from '@binnacle/protocol';

export interface LookBounds {
  readonly withinMs: number;
  /** Of packages, each with what it brings along. */
  readonly maxFolders: number;
  /** Names in folders, also of what is left out. */
  readonly maxEntries: number;
  /** Packages that are needed. */
  readonly maxNames: number;
  /** Of all package.json together. Those of packages are read twice. */
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
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

type Cost = 'maxFolders' | 'maxEntries' | 'maxNames' | 'maxJsonBytes';

const TURN_MS = 8;
const MAX_OF_ONE = 2;
const MAX_AT_ONCE = 4;

/** At one folder. Whoever began it closes it. */
export class Look {
  readonly #folder: string;
  readonly #bounds: LookBounds;
  readonly #spent = { maxFolders: 0, maxEntries: 0, maxNames: 0, maxJsonBytes: 0 };
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #asker: AbortSignal | undefined;
  readonly #left = (): void => this.end(new BinnacleError('client_closed'));
  #turnBegan = performance.now();

  constructor(folder: string, bounds: LookBounds, asker?: AbortSignal) {
    this.#folder = folder;
    this.#bounds = bounds;
    const late = `takes longer than ${bounds.withinMs / 1000} s to be looked at`;
    this.#timer = setTimeout(() => this.end(this.#unsafe(late)), bounds.withinMs);
    this.#asker = asker;
    asker?.addEventListener('abort', this.#left, { once: true });
    if (asker?.aborted === true) this.#left();
  }

  /** Aborted with what `check` throws. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  check(): void {
    this.#end.signal.throwIfAborted();
  }

  /** Lets others have a turn where this one has had a long one. Throws what `check` throws. */
  async pause(): Promise<void> {
    this.check();
    if (performance.now() - this.#turnBegan < TURN_MS) return;
    await turn();
    this.#turnBegan = performance.now();
    this.check();
  }

  /** Throws `unsafe_plugin` beyond the bound. */
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

  end(why: BinnacleError): void {
    this.#end.abort(why);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#asker?.removeEventListener('abort', this.#left);
  }

  #unsafe(what: string): BinnacleError {
    return new BinnacleError('unsafe_plugin', {
      message: `${this.#folder} ${what}.`,
      hint: 'Build the plugin into a folder of its own, with only what it needs.',
    });
  }
}

/** All that go on. */
export class Looks {
  readonly #bounds: LookBounds;
  readonly #open = new Map<Look, { readonly by: string; readonly done: Promise<unknown> }>();
  #isClosed = false;

  constructor(bounds: Partial<LookBounds> = {}) {
    this.#bounds = { ...LOOK_BOUNDS, ...bounds };
  }

  /** Throws `too_many_installs`, `going_away`, `client_closed`, `unsafe_plugin` where it takes too long, and what `act` throws. */
  async at<T>(folder: string, { by, signal }: Asker, act: (look: Look) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new BinnacleError('going_away');
    const own = [...this.#open.values()].filter((one) => one.by === by).length;
    if (own >= MAX_OF_ONE) throw new BinnacleError('too_many_installs', { details: { limit: MAX_OF_ONE } });
    if (this.#open.size >= MAX_AT_ONCE)
      throw new BinnacleError('too_many_installs', { details: { limit: MAX_AT_ONCE } });
    const look = new Look(folder, this.#bounds, signal);
    const done = (async () => {
      look.check();
      return await act(look);
    })();
    this.#open.set(look, { by, done });
    try {
      return await done;
    } finally {
      look.close();
      this.#open.delete(look);
    }
  }

  /** Nobody waits for any of them. */
  end(): void {
    this.#isClosed = true;
    for (const look of this.#open.keys()) look.end(new BinnacleError('going_away'));
  }

  /** Settles when none is left. */
  async close(): Promise<void> {
    this.end();
    await Promise.allSettled([...this.#open.values()].map(({ done }) => done));
  }
}
