// A process of ours beside the gateway, for work that a gateway must not do itself: what hangs, crashes or is ended there
// takes nothing along. It may be killed at any time, and ends with the gateway. Knows nothing of the work.

import { type ChildProcess, fork } from 'node:child_process';

export interface SideProcessOptions {
  /** The bundled script; its entry calls `serveGateway`. */
  readonly script: string;
  /** Maximum MiB of its JavaScript heap. */
  readonly maxHeapMb: number;
  /** MiB of each half of the young generation. Default: Node's. */
  readonly youngMb?: number;
}

export interface SideProcessEvents<From> {
  message(message: From): void;
  /** Once, when nothing of it is left: a file that it had open is free. `cause`: why it could not be started. */
  gone(cause?: Error): void;
}

export class SideProcess<To extends object, From> {
  readonly #child: ChildProcess;
  readonly #events: SideProcessEvents<From>;
  #isKilled = false;
  #isGone = false;

  /** Starts the process. Throws where no process can be had at all; later failures are told by `gone`. */
  constructor({ script, maxHeapMb, youngMb }: SideProcessOptions, events: SideProcessEvents<From>) {
    this.#events = events;
    const young = youngMb === undefined ? [] : [`--max-semi-space-size=${youngMb}`];
    const child = fork(script, [], {
      serialization: 'advanced',
      // Flags of whoever embeds us (--input-type, loaders) are not for it, nor is our environment.
      execArgv: [`--max-old-space-size=${maxHeapMb}`, ...young],
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    // A gateway that was told to stop does not wait for it.
    child.unref();
    child.channel?.unref();
    child.on('message', (message) => {
      if (!this.#isKilled) events.message(message as From);
    });
    child.on('error', (cause) => {
      // Without a pid it never ran, and there will be no exit.
      if (child.pid === undefined) this.#go(cause);
    });
    child.once('exit', () => this.#go());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Lost when it is gone or about to be. */
  send(message: To): void {
    if (!this.#isKilled && this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Kills the process at once, whatever it is doing. Messages that it has sent are no longer told. */
  kill(): void {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
  }

  #go(cause?: Error): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#events.gone(cause);
  }
}
