// Which files of one log have bytes that may not be on the disk yet, and the fdatasync that brings them there.
// Does not know what is in them.

import { close, closeSync, fdatasync, fsync } from 'node:fs';
import { promisify } from 'node:util';
import { BinnacleError } from '@binnacle/protocol';
import { isErrno, openFile } from './segment.ts';

const dataSync = promisify(fdatasync);
const fullSync = promisify(fsync);
const closeFile = promisify(close);

/** What a sync covers: looked at when it begins, confirmed when it is done. */
export interface Covered {
  readonly fd: number;
  readonly done: () => void;
}

export class DurableFiles {
  readonly #dir: string;
  /** Files that are no longer written to; without a descriptor when an earlier process wrote them. */
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

  /** Nothing but the active file can be unsynced. */
  get clean(): boolean {
    return !this.#dirDirty && this.#retired.size === 0;
  }

  /** Takes over a descriptor of a file that is complete. It is closed once it is on the disk. */
  retire(fd: number, path: string): void {
    this.#retired.set(path, fd);
    this.#dirDirty = true;
  }

  /** The file was removed, so nobody needs it on the disk. */
  forget(path: string): void {
    // A sync that runs may be using the descriptor; it closes it then.
    if (this.#running !== undefined) return;
    const fd = this.#retired.get(path);
    this.#retired.delete(path);
    if (fd !== undefined) closeSync(fd);
  }

  /**
   * One fdatasync for all who ask while none runs. Who asks during one shares the next: their bytes may have been
   * written after it began.
   */
  sync(cover: () => Covered): Promise<void> {
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
    await this.#running?.catch(() => undefined); // whoever asked for it was told
    this.abandon();
  }

  /** Closes the retired files unsynced. */
  abandon(): void {
    for (const fd of this.#retired.values()) if (fd !== undefined) closeSync(fd);
    this.#retired.clear();
  }

  async #run(cover: () => Covered): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { fd, done } = cover();
    const retired = [...this.#retired];
    const dirDirty = this.#dirDirty;
    this.#dirDirty = false;
    try {
      // Oldest first, so that what is on the disk after a power loss has no hole.
      for (const [path, open] of retired) {
        this.#retired.delete(path); // first: its descriptor is closed even if this fails
        await syncRetired(path, open);
      }
      await dataSync(fd);
      if (dirDirty) await syncDir(this.#dir);
      done();
    } catch (cause) {
      // Linux reports a failed write-back once and then drops the pages; a second fdatasync would succeed and lie
      // (https://lwn.net/Articles/752063/). So no later one of this log is believed.
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
