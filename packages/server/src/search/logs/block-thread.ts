// The thread that makes blocks: it runs only while a processor has nothing else to do, and ends when it was not needed for
// a while.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { invariant } from '@binnacle/protocol';
import { PendingCalls } from '../../base/pending-calls.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { Timer } from '../../base/timer.ts';
import { enterIdleClass } from '../../process/idle-class.ts';
import { BlockMaker, type BlockSource, type BlocksRequest, type MadeBlocks } from './block-maker.ts';

/** Time without a request after which the thread ends: its heap is some 10 MB. */
const UNUSED_MS = 60_000;

interface ToThread {
  readonly n: number;
  readonly request: BlocksRequest;
}

interface FromThread {
  readonly n: number;
  readonly made: MadeBlocks;
}

export class BlockThread implements BlockSource {
  readonly #script: URL;
  readonly #dir: string;
  readonly #calls = new PendingCalls<ToThread>({ send: (message) => this.#thread?.postMessage(message) });
  readonly #unused = new Timer();
  #thread: Worker | undefined;

  /** `script`: its entry calls `serveBlocks` in a thread. `dir`: directory of the sessions. */
  constructor(script: URL, dir: string) {
    this.#script = script;
    this.#dir = dir;
  }

  async make(request: BlocksRequest): Promise<MadeBlocks> {
    this.#unused.clear();
    this.#thread ??= this.#start();
    try {
      return await this.#calls.call((n) => ({ n, request }));
    } finally {
      if (this.#calls.inFlight === 0) this.#unused.set(UNUSED_MS, () => this.#end());
    }
  }

  #end(): void {
    void this.#thread?.terminate();
    this.#thread = undefined;
  }

  #start(): Worker {
    const thread = new Worker(this.#script, { workerData: this.#dir });
    thread.unref();
    thread.on('message', ({ n, made }: FromThread) => this.#calls.resolve(n, made));
    const lose = (error: Error): void => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      this.#calls.rejectAll(() => error);
    };
    thread.once('error', lose);
    thread.once('exit', () => lose(new Error('The thread has ended.')));
    return thread;
  }
}

/** The other end: makes what is requested, one request after the other. */
export function serveBlocks(): void {
  invariant(!isMainThread && parentPort !== null, 'This is the entry of a thread.');
  const port = parentPort;
  enterIdleClass();
  const maker = new BlockMaker(workerData as string);
  const queue = new SerialQueue();
  const answer = async ({ n, request }: ToThread): Promise<void> => {
    const made = await maker.make(request);
    const buffers = made.blocks.map(({ terms }) => terms.hashes.buffer as ArrayBuffer);
    port.postMessage({ n, made } satisfies FromThread, buffers);
  };
  port.on('message', (message: ToThread) => void queue.run(() => answer(message)));
}
