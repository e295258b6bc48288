// What one life of an agent's program is sent: lines one after the other, each with its number, behind the start. Knows no
// link.

import { BinnacleError } from '@binnacle/protocol';
import type { Session } from '../../sessions/session.ts';

/** A send that found the process's input full, or its runner away, is tried again. */
const SEND_RETRY_MS = 50;
/** What it has not read of what we sent: until it has, nobody reads what it says. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const RETRIED: ReadonlySet<string> = new Set(['input_full', 'runner_unavailable']);
const BY = { name: 'binnacle' };

export interface AgentInputParts {
  session(): Session;
  /** Nobody wants it sent any more. */
  isOver(): boolean;
  failed(error: BinnacleError): void;
  /** It has read so much that what it says may be read on. */
  hasRoom(): void;
}

export class AgentInput {
  readonly #parts: AgentInputParts;
  #queue: Promise<void> = Promise.resolve();
  #unsentBytes = 0;
  /** The number of the last line. */
  n = 0;

  constructor(parts: AgentInputParts) {
    this.#parts = parts;
  }

  get isFull(): boolean {
    return this.#unsentBytes > MAX_UNSENT_BYTES;
  }

  /** Done when all that was asked for until now is. */
  get drained(): Promise<void> {
    return this.#queue;
  }

  /** What must be there before anything else is sent; it sees to its failures itself. */
  begin(start: Promise<void>): void {
    this.#queue = start;
  }

  /** Sent twice with the same number it is written once. */
  send(line: string, n: number): void {
    const bytes = Buffer.from(`${line}\n`);
    this.#unsentBytes += bytes.length;
    this.#write((session) => session.write(bytes, BY, { client: 'agent', n }));
    // Taken, or given up.
    void this.#queue.then(() => {
      this.#unsentBytes -= bytes.length;
      if (!this.isFull) this.#parts.hasRoom();
    });
  }

  end(): void {
    this.#write((session) => session.closeInput(BY));
  }

  #write(act: (session: Session) => Promise<unknown>): void {
    this.#queue = this.#queue.then(async () => {
      while (!this.#parts.isOver()) {
        try {
          await act(this.#parts.session());
          return;
        } catch (error) {
          // An end that is under way is told by the output; only what may pass is tried again.
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
