// A store that several components share: a snapshot that changes at most once per frame, and how long the store stays
// open. Knows no React and no network.

/**
 * Milliseconds between two snapshots in a hidden page, which draws no frames: what it shows when it becomes visible
 * should not be older.
 */
const UNSEEN_MS = 250;
/** Milliseconds between two snapshots where there are no frames at all. */
const FRAME_MS = 16;

/** Runs a function with the next frame. Returns a function that cancels it. */
export function onNextFrame(run: () => void): () => void {
  const { requestAnimationFrame: ask, cancelAnimationFrame: cancel } = globalThis as Partial<typeof globalThis>;
  const stop = (): void => {
    clearTimeout(timer);
    if (frame !== undefined) cancel?.(frame);
  };
  const go = (): void => {
    stop();
    run();
  };
  const timer = setTimeout(go, ask === undefined ? FRAME_MS : UNSEEN_MS);
  const frame = ask?.(go);
  return stop;
}

/** Base of the stores: a resource that is followed while a component is mounted. */
export abstract class SnapshotStore<T extends object> {
  readonly #listeners = new Set<() => void>();
  #shown: T;
  #next: T;
  #unframe: (() => void) | undefined;
  #isClosed = false;

  constructor(initial: T) {
    this.#shown = initial;
    this.#next = initial;
  }

  /** The current snapshot; the same object until listeners are called. */
  get snapshot(): T {
    return this.#shown;
  }

  /** Adds a listener. Returns a function that removes it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops following for good and removes all listeners. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unframe?.();
    this.#unframe = undefined;
    this.#listeners.clear();
    this.stop();
  }

  /** Begins to follow. Called once, before anything else. */
  abstract begin(): void;
  protected abstract stop(): void;

  protected get isOver(): boolean {
    return this.#isClosed;
  }

  /** The latest state, published or not. */
  protected get latest(): T {
    return this.#next;
  }

  /** Changes the state and publishes it with the next frame. */
  protected change(change: Partial<T>): void {
    if (this.#isClosed) return;
    this.#next = { ...this.#next, ...change };
    this.#unframe ??= onNextFrame(() => this.publish());
  }

  /** Publishes the state at once, for a change that a component must see in its next render. */
  protected publish(): void {
    if (this.#isClosed) return;
    this.#unframe?.();
    this.#unframe = undefined;
    this.#shown = this.settle(this.#next);
    this.#next = this.#shown;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Completes the state before it is published: for what need not be made more often. */
  protected settle(state: T): T {
    return state;
  }
}

interface PoolEntry<S> {
  readonly followed: S;
  /** Options that the store was made with. */
  readonly options: string;
  users: number;
  closing: ReturnType<typeof setTimeout> | undefined;
}

/** One store per key, however many components use it: a gateway takes one subscription per client. */
export class Pool<S extends SnapshotStore<object>> {
  readonly #entries = new Map<string, PoolEntry<S>>();

  peek(key: string): S | undefined {
    return this.#entries.get(key)?.followed;
  }

  /**
   * Returns the store of a key, made with the `options` of the first component that takes it. Give it back with
   * `release`.
   */
  take(key: string, options: string, make: () => S): S {
    const known = this.#entries.get(key);
    if (known !== undefined && (known.users > 0 || known.options === options)) {
      clearTimeout(known.closing);
      known.users += 1;
      return known.followed;
    }
    if (known !== undefined) this.#end(key, known);
    const followed = make();
    this.#entries.set(key, { followed, options, users: 1, closing: undefined });
    followed.begin();
    return followed;
  }

  /**
   * Gives a store back. It closes in a later task, because React's strict mode and a component that replaces another
   * take it again at once.
   */
  release(key: string, followed: S): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.followed !== followed) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    // Not in this turn: React's strict mode, and a component that takes another one's place, take it again at once.
    entry.closing = setTimeout(() => this.#end(key, entry), 0);
  }

  #end(key: string, entry: PoolEntry<S>): void {
    clearTimeout(entry.closing);
    this.#entries.delete(key);
    entry.followed.close();
  }
}
