// The input of one life of an agent's program: numbered lines in order, after the start of the program.

import { BinnacleError } from '@binnacle/protocol';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { Session } from '../../sessions/session.ts';

/** Delay before a retry of a send that found the input of the process full or its runner away. */
const SEND_RETRY_MS = 50;
/** Maximum bytes sent but not read by the process. Above that its output is not read either: back-pressure. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const RETRIED: ReadonlySet<string> = new Set(['input_full', 'runner_unavailable']);
const BY = { name: 'binnacle' };

export interface AgentInputParts {
  session(): Session;
  /** Returns true when the input is no longer needed. */
  isOver(): boolean;
  failed(error: BinnacleError): void;
  /** Called when the process has read enough for its output to be read on. */
  hasRoom(): void;
}

export class AgentInput {
  readonly #parts: AgentInputParts;
  readonly #queue = new SerialQueue();
  #unsentBytes = 0;
  /** Number of the last line. */
  n = 0;

  constructor(parts: AgentInputParts) {
    this.#parts = parts;
  }

  get isFull(): boolean {
    return this.#unsentBytes > MAX_UNSENT_BYTES;
  }

  /** Settles when everything requested so far is done. */
  get drained(): Promise<unknown> {
    return this.#queue.drained;
  }

  /** Sets the operation that precedes all sends. It handles its own failures. */
  begin(start: Promise<void>): void {
    void this.#queue.run(() => start);
  }

  /** Sends a line. A line sent twice with the same number is written once. */
  send(line: string, n: number): void {
    const bytes = Buffer.from(`${line}\n`);
    this.#unsentBytes += bytes.length;
    this.#write((session) => session.write(bytes, BY, { client: 'agent', n }));
    // Sent or abandoned.
    void this.#queue.drained.then(() => {
      this.#unsentBytes -= bytes.length;
      if (!this.isFull) this.#parts.hasRoom();
    });
  }

  end(): void {
    this.#write((session) => session.closeInput(BY));
  }

  #write(act: (session: Session) => Promise<unknown>): void {
    void this.#queue.run(async () => {
      while (!this.#parts.isOver()) {
        try {
          await act(this.#parts.session());
          return;
        } catch (error) {
          // The output reports an end of the program; only temporary failures are retried.
          if (!(error instanceof BinnacleError) || !RETRIED.has(error.code)) {
            if (error instanceof BinnacleError && error.code === 'body_too_large') this.#parts.failed(error);
            return;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, SEND_RETRY_MS));
      }
    });
  }
}
