// The input of an agent's program: numbered lines in order, after the start of the program.

import { BinnacleError } from '@binnacle/protocol';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { Session } from '../../sessions/session.ts';

/** Delay before a retry of a send that found the input of the process full or its runner away. */
const SEND_RETRY_MS = 50;
/** Maximum bytes sent but not read by the process. Above that its output is not read either: back-pressure. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const RETRIED: ReadonlySet<string> = new Set(['input_full', 'runner_unavailable']);
const BY = { name: 'binnacle' };

/** The life of the program that reads its output now. */
export interface AgentInputOwner {
  failed(error: BinnacleError): void;
  /** Called when the process has read enough for its output to be read on. */
  hasRoom(): void;
}

export class AgentInput {
  readonly #session: () => Session;
  readonly #queue = new SerialQueue();
  #owner: AgentInputOwner | undefined;
  #started: Promise<void> = Promise.resolve();
  #unsentBytes = 0;
  #isOver = false;
  /** Number of the last line. */
  n = 0;

  constructor(session: () => Session) {
    this.#session = session;
  }

  /** True when the program is no longer needed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Settles as the operation of the last `begin`. */
  get started(): Promise<void> {
    return this.#started;
  }

  get isFull(): boolean {
    return this.#unsentBytes > MAX_UNSENT_BYTES;
  }

  /** Settles when everything requested so far is done. */
  get drained(): Promise<unknown> {
    return this.#queue.drained;
  }

  /** Sets the life that is notified from now on. Lines of the life before that wait are sent. */
  serve(owner: AgentInputOwner): void {
    this.#owner = owner;
  }

  /** Sets the operation that precedes all later sends. The caller handles its failure. */
  begin(start: Promise<void>): void {
    this.#started = start;
    this.#queue.run(() => start).catch(() => undefined);
  }

  /** Drops the lines that wait. */
  stop(): void {
    this.#isOver = true;
  }

  /** Sends a line. A line sent twice with the same number is written once. */
  send(line: string, n: number): void {
    const bytes = Buffer.from(`${line}\n`);
    this.#unsentBytes += bytes.length;
    this.#write((session) => session.write(bytes, BY, { client: 'agent', n }));
    // Sent or abandoned.
    void this.#queue.drained.then(() => {
      this.#unsentBytes -= bytes.length;
      if (!this.isFull) this.#owner?.hasRoom();
    });
  }

  end(): void {
    this.#write((session) => session.closeInput(BY));
  }

  #write(act: (session: Session) => Promise<unknown>): void {
    void this.#queue.run(async () => {
      while (!this.#isOver) {
        try {
          await act(this.#session());
          return;
        } catch (error) {
          // The output reports an end of the program; only temporary failures are retried.
          if (!(error instanceof BinnacleError) || !RETRIED.has(error.code)) {
            if (error instanceof BinnacleError && error.code === 'body_too_large') this.#owner?.failed(error);
            return;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, SEND_RETRY_MS));
      }
    });
  }
}
