// Schedules the fdatasyncs of all logs of a process.

import { Timer } from '../base/timer.ts';

/** A writer that can sync itself to the disk. */
export interface Syncable {
  sync(): Promise<unknown>;
}

export interface GroupSyncOptions {
  /**
   * Milliseconds between a first unsynced append and its sync; 0 disables the syncs. Default 50: a power loss loses an
   * imperceptibly short time, at a maximum of 20 flushes per second and log.
   */
  readonly intervalMs?: number;
  /**
   * Maximum syncs at the same time. Default 2: half of the four threads of libuv's pool, so that reads never wait
   * behind the flushes of a slow disk.
   */
  readonly concurrency?: number;
  /** Called with the failure of a sync. The writer still reports as synced only what was synced before. */
  readonly onError?: (cause: unknown) => void;
}

export class GroupSync {
  readonly #intervalMs: number;
  readonly #concurrency: number;
  readonly #onError: (cause: unknown) => void;
  readonly #dirty: Set<Syncable>;
  /** Keeps no process alive: the writers sync at their close. */
  readonly #timer = new Timer();
  #round: Promise<void> | undefined;

  constructor(options: GroupSyncOptions = {}) {
    this.#intervalMs = options.intervalMs ?? 50;
    this.#concurrency = options.concurrency ?? 2;
    this.#onError = options.onError ?? (() => undefined);
    this.#dirty = new Set();
    this.#round = undefined;
  }

  /**
   * Schedules a sync of `writer` within the interval. Costs one set insertion; a writer calls it once per sync, not per
   * append.
   */
  mark(writer: Syncable): void {
    if (this.#intervalMs === 0) return;
    this.#dirty.add(writer);
    this.#arm();
  }

  forget(writer: Syncable): void {
    this.#dirty.delete(writer);
  }

  /** Syncs all marked writers now. Resolves when they are synced. */
  async flush(): Promise<void> {
    await this.#round;
    await this.#run();
  }

  /** Stops the timer. Marked writers stay unsynced unless `flush` is called first. */
  stop(): void {
    this.#timer.clear();
    this.#dirty.clear();
  }

  #arm(): void {
    if (this.#round !== undefined || this.#dirty.size === 0) return;
    this.#timer.setOnce(this.#intervalMs, () => {
      this.#round = this.#run().finally(() => {
        this.#round = undefined;
        this.#arm();
      });
    });
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
