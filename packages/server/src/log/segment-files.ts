// Open descriptors of segment files and the buffers for reads, shared by all readers of a gateway.

import { closeSync } from 'node:fs';
import { LruMap } from '../base/lru-map.ts';
import { openFile } from './segment.ts';

export interface SegmentFilesOptions {
  /** Maximum descriptors that stay open for the next read. Default 64: far below the usual limit of 1024 per process. */
  readonly maxOpen?: number;
}

interface OpenFile {
  readonly path: string;
  readonly fd: number;
  readers: number;
  /** True after a drop: the last reader closes the file. */
  dropped: boolean;
}

/** Bytes per small buffer: two default pages, for a page and the rest of its last entry. */
export const BLOCK_BYTES = 128 * 1024;
/** Bytes per large buffer: a page and the pages read along with it. A larger buffer serves one read. */
const RUN_BYTES = 384 * 1024;
/** Maximum spare buffers per size: the threads of libuv's pool. No more reads run at the same time. */
const SPARE_BLOCKS = 4;

export class SegmentFiles {
  readonly #maxOpen: number;
  /** Files with readers stay open: the limit may be exceeded by the number of concurrent reads. */
  readonly #open: LruMap<string, OpenFile>;
  readonly #spare: Buffer[];
  readonly #spareRuns: Buffer[];

  constructor(options: SegmentFilesOptions = {}) {
    this.#maxOpen = options.maxOpen ?? 64;
    this.#open = new LruMap(this.#maxOpen, {
      isPinned: ({ readers }) => readers > 0,
      evicted: (file) => this.#close(file),
    });
    this.#spare = [];
    this.#spareRuns = [];
  }

  /** Returns the descriptor of a file, open until one call of `release`. Throws the failures of `open`. */
  acquire(path: string): OpenFile {
    const file = this.#open.peek(path) ?? { path, fd: openFile(path, 'read'), readers: 0, dropped: false };
    file.readers += 1;
    this.#open.set(path, file);
    return file;
  }

  release(file: OpenFile): void {
    file.readers -= 1;
    if (file.readers > 0) return;
    if (file.dropped) closeSync(file.fd);
    else if (this.#open.size > this.#maxOpen) this.drop(file.path);
  }

  /** Closes the file as soon as it has no readers. */
  drop(path: string): void {
    const file = this.#open.peek(path);
    if (file === undefined) return;
    this.#open.delete(path);
    this.#close(file);
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

  #close(file: OpenFile): void {
    file.dropped = true;
    if (file.readers === 0) closeSync(file.fd);
  }
}

export type { OpenFile };
