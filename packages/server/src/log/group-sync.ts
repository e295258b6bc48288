// One fdatasync rhythm for all logs of a process. Knows which writers have something unsynced, not what.

/** What can be brought to the disk. */
export interface Syncable {
  sync(): Promise<unknown>;
}

export interface GroupSyncOptions {
  /**
   * Milliseconds between a first unsynced append and its sync; 0 turns it off. Default 50: a power loss takes no more
   * than an eye would notice, at no more than 20 flushes a second and log.
   */
  readonly intervalMs?: number;
  /**
   * Syncs that run at once. Default 2: half of the four threads of libuv's pool, so that reads never wait behind
   * a slow disk's flushes.
   */
  readonly concurrency?: number;
  /** Gets what a sync failed with. The writer itself goes on claiming only what was synced before. */
  readonly onError?: (cause: unknown) => void;
}

export class GroupSync {
  readonly #intervalMs: number;
  readonly #concurrency: number;
  readonly #onError: (cause: unknown) => void;
  readonly #dirty: Set<Syncable>;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;

  constructor(options: GroupSyncOptions = {}) {
    this.#intervalMs = options.intervalMs ?? 50;
    this.#concurrency = options.concurrency ?? 2;
    this.#onError = options.onError ?? (() => undefined);
    this.#dirty = new Set();
    this.#timer = undefined;
    this.#round = undefined;
  }

  /** Has `writer` synced within the interval. Costs a set insertion; writers call it once per sync, not per append. */
  mark(writer: Syncable): void {
    if (this.#intervalMs === 0) return;
    this.#dirty.add(writer);
    this.#arm();
  }

  forget(writer: Syncable): void {
    this.#dirty.delete(writer);
  }

  /** Syncs what is marked, now, and ends when that is done. */
  async flush(): Promise<void> {
    await this.#round;
    await this.#run();
  }

  /** Stops the timer. What is marked stays unsynced unless `flush` is called first. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty.clear();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#round !== undefined || this.#dirty.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#round = this.#run().finally(() => {
        this.#round = undefined;
        this.#arm();
      });
    }, this.#intervalMs);
    this.#timer.unref(); // a process with nothing else to do may end; its writers sync when they are closed
  }

  async #run(): Promise<void> {
    const writers = [...this.#dirty];
    this.#dirty.clear();
    const worker = async (): Promise<void> => {
      for (let writer = writers.pop(); writer !== undefined; writer = writers.pop()) {
        try {
          await writer.sync();
        } catch (cause) {
          this.#onError(cause);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#concurrency }, worker));
  }
}
