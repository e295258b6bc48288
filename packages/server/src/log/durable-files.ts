// The files of one log whose bytes may not be on the disk yet, and the fdatasync that writes them there.

import { close, closeSync, fdatasync, fsync } from 'node:fs';
import { promisify } from 'node:util';
import { BinnacleError } from '@binnacle/protocol';
import { isErrno, openFile } from './segment.ts';

const dataSync = promisify(fdatasync);
const fullSync = promisify(fsync);
const closeFile = promisify(close);

/** The subject of a sync: determined when the sync begins, confirmed by `done` at its end. */
export interface SyncTarget {
  readonly fd: number;
  readonly done: () => void;
}

export class DurableFiles {
  readonly #dir: string;
  /** Files that are complete, by path. The value is undefined for a file that an earlier process wrote. */
  readonly #retired: Map<string, number | undefined>;
  #dirDirty: boolean;
  #running: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #failure: BinnacleError | undefined;

  /** `paths`: files that an earlier process wrote. */
  constructor(dir: string, paths: readonly string[]) {
    this.#dir = dir;
    this.#retired = new Map(paths.map((path) => [path, undefined]));
    this.#dirDirty = true;
    this.#running = undefined;
    this.#following = undefined;
    this.#failure = undefined;
  }

  /** True if at most the active file can be unsynced. */
  get clean(): boolean {
    return !this.#dirDirty && this.#retired.size === 0;
  }

  /** Takes over the descriptor of a complete file, and closes it after the file is on the disk. */
  retire(fd: number, path: string): void {
    this.#retired.set(path, fd);
    this.#dirDirty = true;
  }

  /** Drops a file that was removed: it need not reach the disk. */
  forget(path: string): void {
    // A running sync may use the descriptor, and closes it at its end.
    if (this.#running !== undefined) return;
    const fd = this.#retired.get(path);
    this.#retired.delete(path);
    if (fd !== undefined) closeSync(fd);
  }

  /**
   * Starts a fdatasync if none runs. All callers during a running one share the next: their bytes may have been written
   * after the running one began.
   */
  sync(cover: () => SyncTarget): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#run(cover).finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#following ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#following = undefined;
        return this.sync(cover);
      });
    return this.#following;
  }

  /** Waits for a running sync and closes what is left. */
  async close(): Promise<void> {
    await this.#running?.catch(() => undefined); // each caller of sync() got the failure
    this.abandon();
  }

  /** Closes the retired files unsynced. */
  abandon(): void {
    for (const fd of this.#retired.values()) if (fd !== undefined) closeSync(fd);
    this.#retired.clear();
  }

  async #run(cover: () => SyncTarget): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { fd, done } = cover();
    const retired = [...this.#retired];
    const dirDirty = this.#dirDirty;
    this.#dirDirty = false;
    try {
      // Oldest first, so that the log on the disk has no hole after a power loss.
      for (const [path, open] of retired) {
        this.#retired.delete(path); // before the sync, which closes the descriptor even if it fails
        await syncRetired(path, open);
      }
      await dataSync(fd);
      if (dirDirty) await syncDir(this.#dir);
      done();
    } catch (cause) {
      // Linux reports a failed write-back once and then drops the pages; a second fdatasync would succeed and lie
      // (https://lwn.net/Articles/752063/). Every later sync of this log therefore fails.
      this.#failure = new BinnacleError('disk_full', { message: 'The log could not be synced to the disk.', cause });
      throw this.#failure;
    }
  }
}

async function syncRetired(path: string, open: number | undefined): Promise<void> {
  let fd: number;
  try {
    fd = open ?? openFile(path, 'read');
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return; // retention was faster
    throw cause;
  }
  try {
    await dataSync(fd);
  } finally {
    await closeFile(fd);
  }
}

async function syncDir(dir: string): Promise<void> {
  const fd = openFile(dir, 'read');
  try {
    await fullSync(fd);
  } finally {
    await closeFile(fd);
  }
}
