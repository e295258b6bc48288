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
/** At work. Each holds a file of the plugin in memory, and what is read of it. */
const MAX_AT_WORK = 4;
const MAX_AT_WORK_OF_ONE = 2;
/** With those that wait. */
const MAX_OF_ONE = 8;
const MAX = 32;

/** At one folder. Whoever began it closes it. */
export class Look {
  readonly #folder: string;
  readonly #bounds: LookBounds;
  readonly #spent = { maxFolders: 0, maxEntries: 0, maxNames: 0, maxJsonBytes: 0 };
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #asked: AbortSignal;
  readonly #left = (): void => this.#end.abort(this.#asked.reason);
  #turnBegan = performance.now();

  /** `asked`: aborted with what is to be thrown. */
  constructor(folder: string, bounds: LookBounds, asked: AbortSignal) {
    this.#folder = folder;
    this.#bounds = bounds;
    const late = `takes longer than ${bounds.withinMs / 1000} s to be looked at`;
    this.#timer = setTimeout(() => this.#end.abort(this.#unsafe(late)), bounds.withinMs);
    this.#asked = asked;
    asked.addEventListener('abort', this.#left, { once: true });
    if (asked.aborted) this.#left();
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

/** All that go on: few at a time, and the next one then. */
export class Looks {
  readonly #bounds: LookBounds;
  /** In the order in which they were asked for. */
  readonly #all = new Set<Turn>();
  #isClosed = false;

  constructor(bounds: Partial<LookBounds> = {}) {
    this.#bounds = { ...LOOK_BOUNDS, ...bounds };
  }

  /**
   * Throws `too_many_installs`, `going_away`, `client_closed` where the asker has gone, `unsafe_plugin` where it takes too long,
   * and what `act` throws.
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

  /** Nobody waits for any of them. */
  end(): void {
    this.#isClosed = true;
    for (const turn of this.#all) turn.end(new BinnacleError('going_away'));
  }

  /** Settles when none is left. */
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

/** Of one who asked. Who has gone comes at once, to hear that. */
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
