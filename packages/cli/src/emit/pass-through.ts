// Writes to our own stdout or stderr what another program wrote, at the pace of whoever reads it. Node's streams block
// the whole process while a pipe is full; here signals and the network go on meanwhile. Knows no program.

import { write } from 'node:fs';

/** What may wait before the source is to stop. */
const HIGH_BYTES = 64 * 1024;
/** A pipe that somebody else has made non-blocking, and that is full just now. */
const FULL_MS = 2;

export class PassingOn {
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

  /** False: wait for `drained` before the next. When nobody reads any more, all of it is taken and goes nowhere. */
  write(bytes: Buffer): boolean {
    if (this.#isBroken) return true;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (!this.#isWriting) this.#next();
    return this.#queued < HIGH_BYTES;
  }

  /** All of it is written, or nobody reads it. */
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
