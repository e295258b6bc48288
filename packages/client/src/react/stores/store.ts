// What several components may look at together: a snapshot that changes once a frame at most, and how long it is followed.
// Knows no React and no network.

/** A page that nobody sees draws no frames; what it shows when it is seen again should not be older than this. */
const UNSEEN_MS = 250;
/** Where there are no frames at all. */
const FRAME_MS = 16;

/** Returns what takes it back. */
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

/** Something that is followed while somebody looks at it. */
export abstract class Followed<T extends object> {
  private readonly listeners: Set<() => void>;
  private shown: T;
  private next: T;
  private unframe: (() => void) | undefined;
  private isClosed: boolean;

  constructor(initial: T) {
    this.listeners = new Set();
    this.shown = initial;
    this.next = initial;
    this.unframe = undefined;
    this.isClosed = false;
  }

  /** The same object until the listeners are told of another one. */
  get snapshot(): T {
    return this.shown;
  }

  /** Returns what ends the listening. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** For good: nothing is followed and nobody is told any more. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.unframe?.();
    this.unframe = undefined;
    this.listeners.clear();
    this.stop();
  }

  /** Begins to follow. Once, before anything else. */
  abstract begin(): void;
  protected abstract stop(): void;

  protected get isOver(): boolean {
    return this.isClosed;
  }

  /** The latest, told or not. */
  protected get latest(): T {
    return this.next;
  }

  /** Tells it with the next frame. */
  protected change(change: Partial<T>): void {
    if (this.isClosed) return;
    this.next = { ...this.next, ...change };
    this.unframe ??= onNextFrame(() => {
      this.unframe = undefined;
      this.shown = this.settle(this.next);
      this.next = this.shown;
      for (const listener of [...this.listeners]) listener();
    });
  }

  /** The last touch before it is told: what need not be made more often than that. */
  protected settle(state: T): T {
    return state;
  }
}

interface Entry<S> {
  readonly followed: S;
  /** What it was made with. */
  readonly options: string;
  users: number;
  closing: ReturnType<typeof setTimeout> | undefined;
}

/** One followed thing for each key, however many look at it: a gateway takes one subscription of a client. */
export class Pool<S extends Followed<object>> {
  private readonly entries: Map<string, Entry<S>>;

  constructor() {
    this.entries = new Map();
  }

  peek(key: string): S | undefined {
    return this.entries.get(key)?.followed;
  }

  /** Makes it for the first one who takes it; `options` are those of that one. Give it back with `release`. */
  take(key: string, options: string, make: () => S): S {
    const known = this.entries.get(key);
    if (known !== undefined && (known.users > 0 || known.options === options)) {
      clearTimeout(known.closing);
      known.users += 1;
      return known.followed;
    }
    if (known !== undefined) this.end(key, known);
    const followed = make();
    this.entries.set(key, { followed, options, users: 1, closing: undefined });
    followed.begin();
    return followed;
  }

  release(key: string, followed: S): void {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.followed !== followed) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    // Not in this turn: React's strict mode, and a component that takes another one's place, take it again at once.
    entry.closing = setTimeout(() => this.end(key, entry), 0);
  }

  private end(key: string, entry: Entry<S>): void {
    clearTimeout(entry.closing);
    this.entries.delete(key);
    entry.followed.close();
  }
}
