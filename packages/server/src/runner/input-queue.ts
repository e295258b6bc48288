// A queue of input for a program. Bounded, ordered, never blocking, never spinning.

import { BinnacleError } from '@binnacle/protocol';
import { LruMap } from '../base/lru-map.ts';
import type { RunnerReceipt } from './wire.ts';

/**
 * Delays before retries to a program that does not read: 1 ms, then doubled. A tight retry burns a core (node-pty#956).
 */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 50;
/** Maximum remembered numbers of empty messages per client: more than a client has in flight. */
const MAX_EMPTY = 256;
/**
 * Maximum clients whose last message number is remembered. For a forgotten client that returns, any number is accepted.
 */
const MAX_CLIENTS = 256;

export class InputQueue {
  readonly #write: (bytes: Uint8Array) => number;
  readonly #maxBytes: number;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #closing: (() => void) | undefined;
  #isClosed = false;
  /** The last accepted number per client, most recent client last. */
  readonly #taken = new LruMap<string, number>(MAX_CLIENTS, { evicted: (_, client) => this.#empty.delete(client) });
  /** The last accepted numbers of empty messages per client. */
  readonly #empty = new Map<string, readonly number[]>();

  /** `write` takes as many bytes as it can and returns their count. */
  constructor(maxBytes: number, write: (bytes: Uint8Array) => number) {
    this.#maxBytes = maxBytes;
    this.#write = write;
  }

  /**
   * Takes a whole message or nothing. With `client` and `n` it is idempotent: a message that was taken before is not
   * taken again. Throws `stdin_closed`, `body_too_large`, `input_gap` (details `expected`) and `input_full` (details
   * `queued`, `limit`).
   */
  push(bytes: Buffer, client?: string, n?: number): RunnerReceipt {
    if (client !== undefined && n !== undefined && this.#wasTaken(client, n)) {
      const receipt = { accepted: bytes.length, duplicate: true, queued: this.#waitingBytes };
      return this.#empty.get(client)?.includes(n) === true ? { ...receipt, wasEmpty: true } : receipt;
    }
    if (this.#isClosed || this.#closing !== undefined) throw new BinnacleError('stdin_closed');
    // No wait could help: the message does not fit into an empty queue either.
    if (bytes.length > this.#maxBytes) {
      throw new BinnacleError('body_too_large', { details: { limitBytes: this.#maxBytes } });
    }
    if (this.#waitingBytes + bytes.length > this.#maxBytes) {
      // An unknown client may begin with any number; its retry must use this one.
      if (client !== undefined && n !== undefined && !this.#taken.has(client)) this.#remember(client, n - 1);
      throw new BinnacleError('input_full', { details: { queued: this.#waitingBytes, limit: this.#maxBytes } });
    }
    if (client !== undefined && n !== undefined) {
      this.#remember(client, n);
      if (bytes.length === 0) this.#rememberEmpty(client, n);
    }
    const rest = this.#waiting.length === 0 ? bytes.subarray(this.#write(bytes)) : bytes;
    if (rest.length > 0) {
      // A copy: `bytes` is a view of the socket's read buffer.
      this.#waiting.push(Buffer.from(rest));
      this.#waitingBytes += rest.length;
      this.#retryLater();
    }
    return { accepted: bytes.length, duplicate: false, queued: this.#waitingBytes };
  }

  /** Calls `close` after the last byte of the queue; no input is taken afterwards. */
  end(close: () => void): void {
    if (this.#isClosed || this.#closing !== undefined) return;
    if (this.#waiting.length > 0) this.#closing = close;
    else {
      this.#isClosed = true;
      close();
    }
  }

  /** Drops the queue: the program is gone. */
  stop(): void {
    clearTimeout(this.#retry);
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  #wasTaken(client: string, n: number): boolean {
    const last = this.#taken.peek(client);
    if (last === undefined) return false;
    if (n > last + 1) throw new BinnacleError('input_gap', { details: { expected: last + 1 } });
    return n <= last;
  }

  #remember(client: string, n: number): void {
    this.#taken.set(client, n);
  }

  #rememberEmpty(client: string, n: number): void {
    this.#empty.set(client, [...(this.#empty.get(client) ?? []), n].slice(-MAX_EMPTY));
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, this.#retryMs);
  }

  #flush(): void {
    let progressed = false;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const count = this.#write(first);
      this.#waitingBytes -= count;
      if (count > 0) progressed = true;
      if (count < first.length) {
        this.#waiting[0] = first.subarray(count);
        break;
      }
      this.#waiting.shift();
    }
    this.#retryMs = progressed ? FIRST_RETRY_MS : Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    if (this.#waiting.length > 0) this.#retryLater();
    else if (this.#closing !== undefined) {
      this.#isClosed = true;
      this.#closing();
    }
  }
}
