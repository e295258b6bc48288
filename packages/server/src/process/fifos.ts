// FIFOs for the standard streams of pipe mode. Node's own pipes are sockets, and `> /dev/stderr` fails on those.

import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/**
 * Number of FIFOs made in advance, so that the start of a program does not wait for mkfifo(1); Node has no mkfifo(3).
 */
const AHEAD = 12;

export interface OpenFifo {
  /** The runner's end, non-blocking. */
  readonly ours: number;
  /** The program's end, blocking. Must be closed as soon as the program has it. */
  readonly theirs: number;
}

/** Creates FIFOs in its directory, and removes each name as soon as both ends are open. */
export class Fifos {
  readonly #dir: string;
  #ready: string[] = [];
  #filling: Promise<void> | undefined;
  #count = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Creates enough FIFOs for the next programs. */
  fill(): Promise<void> {
    this.#filling ??= this.#make().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  /** Opens a FIFO to read from a program. */
  async openOutput(): Promise<OpenFifo> {
    const path = await this.take();
    const ours = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return this.#opened(path, ours, constants.O_WRONLY);
  }

  /**
   * Opens a FIFO to write to a program. The runner's end is open in both directions: for writing alone, open fails
   * until there is a reader.
   */
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

  /** Returns the path of an unopened FIFO; the caller moves or removes it. */
  async take(): Promise<string> {
    while (true) {
      const path = this.#ready.pop();
      if (path !== undefined) {
        // A failed refill is retried when no FIFO is left, and reported then.
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
