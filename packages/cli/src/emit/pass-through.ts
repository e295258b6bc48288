// Writes another program's output to stdout or stderr, with back-pressure from the reader. Node's streams block the
// whole process while a pipe is full; this writer leaves signals and the network running.

import { write } from 'node:fs';

/** Maximum bytes queued before the source must stop. */
const HIGH_BYTES = 64 * 1024;
/** Delay before a retry (EAGAIN): another program has made the pipe non-blocking, and the pipe is full. */
const FULL_MS = 2;

export class PassThrough {
  readonly #fd: number;
  #queue: Buffer[];
  #queued: number;
  #isWriting: boolean;
  #isBroken: boolean;
  #waiting: (() => void)[];

  constructor(fd: number) {
    this.#fd = fd;
    this.#queue = [];
    this.#queued = 0;
    this.#isWriting = false;
    this.#isBroken = false;
    this.#waiting = [];
  }

  /**
   * Writes. Returns false if the source must wait for `drained`. Without a reader all bytes are accepted and discarded.
   */
  write(bytes: Buffer): boolean {
    if (this.#isBroken) return true;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (!this.#isWriting) this.#next();
    return this.#queued < HIGH_BYTES;
  }

  /** Resolves when all bytes are written, or discarded without a reader. */
  async drained(): Promise<void> {
    if (this.#queued > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #next(): void {
    const [bytes] = this.#queue;
    this.#isWriting = bytes !== undefined;
    if (bytes === undefined) {
      for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#next(), FULL_MS);
        return;
      }
      if (error !== null) {
        this.#isBroken = true;
        this.#queue = [];
        this.#queued = 0;
      } else {
        this.#queued -= written;
        if (written === bytes.length) this.#queue.shift();
        else this.#queue[0] = bytes.subarray(written);
      }
      this.#next();
    });
  }
}
