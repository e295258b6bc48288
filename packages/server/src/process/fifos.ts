// FIFOs for the standard streams of pipe mode. Node's own pipes are sockets, and `> /dev/stderr` fails on those.

import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Made ahead, so that starting a program does not wait for mkfifo(1); Node has no mkfifo(3). */
const AHEAD = 12;

export interface OpenFifo {
  /** Our end, not blocking. */
  readonly ours: number;
  /** The program's end, blocking. To be closed as soon as the program has it. */
  readonly theirs: number;
}

/** Makes FIFOs in a directory of its own, and removes each name as soon as both ends are open. */
export class Fifos {
  readonly #dir: string;
  #ready: string[] = [];
  #filling: Promise<void> | undefined;
  #count = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Makes enough for the next programs. */
  fill(): Promise<void> {
    this.#filling ??= this.#make().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  /** One to read from a program. */
  async openOutput(): Promise<OpenFifo> {
    const path = await this.take();
    const ours = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return this.#opened(path, ours, constants.O_WRONLY);
  }

  /** One to write to a program. Opened for both on our side: for writing alone, open fails until somebody reads. */
  async openInput(): Promise<OpenFifo> {
    const path = await this.take();
    const ours = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    return this.#opened(path, ours, constants.O_RDONLY);
  }

  #opened(path: string, ours: number, theirMode: number): OpenFifo {
    try {
      return { ours, theirs: openSync(path, theirMode) };
    } catch (error) {
      closeSync(ours);
      throw error;
    } finally {
      unlinkSync(path);
    }
  }

  /** The name of one that nobody has opened; the taker moves or removes it. */
  async take(): Promise<string> {
    while (true) {
      const path = this.#ready.pop();
      if (path !== undefined) {
        // A refill that fails is tried again, and reported, when the stock is out.
        if (this.#ready.length < AHEAD / 2) this.fill().catch(() => undefined);
        return path;
      }
      await this.fill();
    }
  }

  async #make(): Promise<void> {
    const paths = Array.from({ length: AHEAD }, () => join(this.#dir, `fifo-${process.pid}-${this.#count++}`));
    await run('mkfifo', ['-m', '600', ...paths]);
    this.#ready.push(...paths);
  }
}
