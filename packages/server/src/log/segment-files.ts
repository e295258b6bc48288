// Open descriptors of segment files and the blocks that reads go into, for all readers of a gateway.

import { closeSync } from 'node:fs';
import { openFile } from './segment.ts';

export interface SegmentFilesOptions {
  /** Descriptors kept open for the next read. Default 64: far below the usual limit of 1024 for a process. */
  readonly maxOpen?: number;
}

interface OpenFile {
  readonly path: string;
  readonly fd: number;
  readers: number;
  /** Closed by its last reader. */
  dropped: boolean;
}

/** Two of the default pages: a page and the rest of its last entry. */
export const BLOCK_BYTES = 128 * 1024;
/** A page and those read along with it. Larger ones are made for one read. */
const RUN_BYTES = 384 * 1024;
/** As many as libuv's pool has threads: more reads than that do not run at once. */
const SPARE_BLOCKS = 4;

export class SegmentFiles {
  readonly #maxOpen: number;
  /** In order of use, oldest first. */
  readonly #open: Map<string, OpenFile>;
  readonly #spare: Buffer[];
  readonly #spareRuns: Buffer[];

  constructor(options: SegmentFilesOptions = {}) {
    this.#maxOpen = options.maxOpen ?? 64;
    this.#open = new Map();
    this.#spare = [];
    this.#spareRuns = [];
  }

  /** The descriptor of a file, open until `release` is called once. Throws what `open` throws. */
  acquire(path: string): OpenFile {
    let file = this.#open.get(path);
    if (file === undefined) {
      file = { path, fd: openFile(path, 'read'), readers: 0, dropped: false };
      this.#makeRoom();
    } else {
      this.#open.delete(path);
    }
    this.#open.set(path, file);
    file.readers += 1;
    return file;
  }

  release(file: OpenFile): void {
    file.readers -= 1;
    if (file.readers > 0) return;
    if (file.dropped) closeSync(file.fd);
    else if (this.#open.size > this.#maxOpen) this.drop(file.path);
  }

  /** Closes the file as soon as nobody reads it. */
  drop(path: string): void {
    const file = this.#open.get(path);
    if (file === undefined) return;
    this.#open.delete(path);
    file.dropped = true;
    if (file.readers === 0) closeSync(file.fd);
  }

  close(): void {
    for (const path of [...this.#open.keys()]) this.drop(path);
  }

  takeBlock(bytes: number): Buffer {
    if (bytes <= BLOCK_BYTES) return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
    if (bytes <= RUN_BYTES) return this.#spareRuns.pop() ?? Buffer.allocUnsafeSlow(RUN_BYTES);
    return Buffer.allocUnsafeSlow(bytes);
  }

  giveBlock(block: Buffer): void {
    const spare = block.length === BLOCK_BYTES ? this.#spare : block.length === RUN_BYTES ? this.#spareRuns : undefined;
    if (spare !== undefined && spare.length < SPARE_BLOCKS) spare.push(block);
  }

  // Files that are being read stay: the limit may be exceeded by as many as there are reads at once.
  #makeRoom(): void {
    for (const [path, file] of this.#open) {
      if (this.#open.size < this.#maxOpen) return;
      if (file.readers === 0) this.drop(path);
    }
  }
}

export type { OpenFile };
