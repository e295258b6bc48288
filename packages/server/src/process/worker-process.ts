// A worker process beside the gateway, for work that a gateway must not do itself: a hang, crash or kill there does not
// affect the gateway. It may be killed at any time, and ends with the gateway.

import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';

export interface WorkerProcessOptions {
  /** The bundled script; its entry calls `serveGateway`. */
  readonly script: string;
  /** Niceness of the process, 0 to 19. On few processors the gateway and the users' programs come first. */
  readonly nice: number;
  /** Maximum MiB of its JavaScript heap. */
  readonly maxHeapMb: number;
  /** MiB of each half of the young generation. Default: Node's. */
  readonly youngMb?: number;
}

export interface WorkerProcessEvents<From> {
  message(message: From): void;
  /** Called once, when the process has ended: a file that it had open is free. `cause`: the reason of a failed start. */
  ended(cause?: Error): void;
}

export class WorkerProcess<To extends object, From> {
  readonly #child: ChildProcess;
  readonly #events: WorkerProcessEvents<From>;
  #isKilled = false;
  #isEnded = false;

  /** Starts the process. Throws if no process can be created at all; `ended` reports later failures. */
  constructor({ script, nice, maxHeapMb, youngMb }: WorkerProcessOptions, events: WorkerProcessEvents<From>) {
    this.#events = events;
    const young = youngMb === undefined ? [] : [`--max-semi-space-size=${youngMb}`];
    const child = fork(script, [], {
      serialization: 'advanced',
      // The flags of an embedding process (--input-type, loaders) and the gateway's environment are not passed on.
      // One thread for V8's work in the background: the process itself is work in the background.
      execArgv: [`--max-old-space-size=${maxHeapMb}`, '--v8-pool-size=1', ...young],
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    // Set before the process makes its threads, which inherit the niceness.
    if (child.pid !== undefined) setNice(child.pid, nice);
    // Does not keep a stopping gateway alive.
    child.unref();
    child.channel?.unref();
    child.on('message', (message) => {
      if (!this.#isKilled) events.message(message as From);
    });
    child.on('error', (cause) => {
      // Without a pid the process never ran, and there will be no exit.
      if (child.pid === undefined) this.#go(cause);
    });
    child.once('exit', () => this.#go());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a message, which is lost if the process is gone or about to be. */
  send(message: To): void {
    if (!this.#isKilled && this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** Kills the process at once, whatever it is doing. Messages that it has sent are dropped. */
  kill(): void {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
  }

  #go(cause?: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#events.ended(cause);
  }
}

function setNice(pid: number, nice: number): void {
  try {
    setPriority(pid, nice);
  } catch {
    // The process has ended already, which `exit` reports.
  }
}
