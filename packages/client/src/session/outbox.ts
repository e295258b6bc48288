// Input on its way to one session: numbered, kept until its receipt comes, sent again after a reconnect so that it
// acts once. Knows no socket and no lease but the secret that goes along.

import { BinnacleError, type Code, defined, type InputReceipt } from '@binnacle/protocol';
import { toBase64 } from '../transport/base64.ts';
import type { Connection, Participant, RequestResult } from '../transport/connection.ts';
import { randomId } from '../transport/random-id.ts';
import { backoffDelay } from '../transport/reconnect.ts';

interface PendingInput {
  readonly bytes: Uint8Array;
  readonly lease: string | undefined;
  readonly resolve: (receipt: InputReceipt) => void;
  readonly reject: (error: BinnacleError) => void;
  n: number;
  /** On how many connections it was sent. */
  sends: number;
  isInFlight: boolean;
}

/** Keystrokes and pastes of others come between two messages at most this large, and base64 of it fits any frame. */
const MESSAGE_BYTES = 32 * 1024;
/** Bytes that a message costs besides its input: a million keystrokes must not evade the limit. */
const OVERHEAD_BYTES = 64;
/** In flight at once: what a program that does not read refuses is sent again, so it should not be much. */
const WINDOW_BYTES = 64 * 1024;
/** The gateway took nothing, and will when something there has passed. */
const LATER: ReadonlySet<Code> = new Set(['input_full', 'runner_unavailable', 'disk_full', 'going_away']);
/** The gateway took nothing, and will not; its number is used up, and the one behind it goes on. */
const USED_UP: ReadonlySet<Code> = new Set(['vetoed']);
/** For `LATER`: a terminal that reads again should not seem dead, so the wait stays short. */
const LATER_BACKOFF = { baseMs: 20, capMs: 1_000, steadyMs: 0 };

export class Outbox {
  readonly #connection: Connection;
  readonly #session: string;
  readonly #participant: Participant;
  readonly #queue: PendingInput[] = [];
  readonly #drains: (() => void)[] = [];
  #queuedBytes = 0;
  #inFlightBytes = 0;
  #client = randomId();
  #nextNumber = 1;
  /** The gateway has taken a number of this `client`, and notices when one is skipped. */
  #isKnown = false;
  /** A message was refused: nothing more goes out until all answers are in, or the order would be lost. */
  #isSettling = false;
  /** A number of this `client` was refused for good, so those behind it cannot be taken under this name. */
  #hasHole = false;
  /** The gateway does not know this `client` any more. */
  #isForgotten = false;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;

  constructor(connection: Connection, session: string) {
    this.#connection = connection;
    this.#session = session;
    this.#participant = {
      opened: () => this.#pump(),
      lost: () => this.#onLost(),
      stopped: (error) => this.#onStopped(error),
    };
  }

  /** All of it is taken by the outbox or none: `input_full`. */
  async write(bytes: Uint8Array, lease: string | undefined): Promise<InputReceipt> {
    const limitBytes = this.#connection.settings.outboxBytes;
    if (this.#queuedBytes + cost(bytes) > limitBytes) {
      throw new BinnacleError('input_full', {
        message: 'Too much input waits for a receipt.',
        details: { queuedBytes: this.#queuedBytes, limitBytes },
      });
    }
    const receipts = cut(bytes).map((part) => this.#enqueue(part, lease));
    this.#pump();
    // One rejected part rejects the write; the rejections of the others have the same cause.
    const parts = await Promise.all(receipts);
    const accepted = parts.reduce((sum, receipt) => sum + receipt.accepted, 0);
    return {
      accepted,
      duplicate: parts.some((receipt) => receipt.duplicate),
      queued: parts.at(-1)?.queued ?? 0,
    };
  }

  /** Sends what a terminal answers by itself: once, now or never. */
  reply(bytes: Uint8Array, lease: string | undefined): Promise<InputReceipt> {
    if (!this.#connection.isOpen) return Promise.resolve({ accepted: 0, duplicate: false, queued: 0 });
    const session = this.#session;
    return this.#connection.request((ref) => ({
      t: 'input',
      ref,
      session,
      base64: toBase64(bytes),
      auto: true,
      ...defined({ lease }),
    })) as Promise<InputReceipt>;
  }

  /** Resolves when nothing waits for a receipt. */
  drained(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drains.push(resolve));
  }

  #enqueue(bytes: Uint8Array, lease: string | undefined): Promise<InputReceipt> {
    return new Promise((resolve, reject) => {
      const n = this.#nextNumber;
      this.#nextNumber += 1;
      this.#queuedBytes += cost(bytes);
      this.#queue.push({ bytes, lease, resolve, reject, n, sends: 0, isInFlight: false });
      if (this.#queue.length === 1) this.#connection.join(this.#participant);
    });
  }

  #pump(): void {
    if (!this.#connection.isOpen || this.#isSettling || this.#retry !== null) return;
    for (const message of this.#queue) {
      if (message.isInFlight) continue;
      // A client that the gateway does not know may begin with any number: were the first refused for want of room and
      // a shorter second taken, the first would be a "duplicate" for ever after.
      if (this.#inFlightBytes > 0 && !this.#isKnown) return;
      if (this.#inFlightBytes > 0 && this.#inFlightBytes + cost(message.bytes) > WINDOW_BYTES) return;
      this.#send(message);
    }
  }

  #send(message: PendingInput): void {
    const session = this.#session;
    const client = this.#client;
    const { n, lease } = message;
    message.isInFlight = true;
    message.sends += 1;
    this.#inFlightBytes += cost(message.bytes);
    const base64 = toBase64(message.bytes);
    this.#connection.ask(
      (ref) => ({ t: 'input', ref, session, base64, client, n, ...defined({ lease }) }),
      (answer) => this.#onAnswer(message, answer),
    );
  }

  #onAnswer(message: PendingInput, answer: RequestResult): void {
    message.isInFlight = false;
    this.#inFlightBytes -= cost(message.bytes);
    if ('frame' in answer) {
      this.#failures = 0;
      this.#isKnown = true;
      this.#remove(message);
      const result = answer.frame.t === 'ok' ? answer.frame.result : undefined;
      message.resolve(
        (result as InputReceipt | undefined) ?? { accepted: message.bytes.length, duplicate: false, queued: 0 },
      );
    } else if (USED_UP.has(answer.error.code)) {
      this.#failures = 0;
      this.#isKnown = true;
      this.#remove(message);
      message.reject(answer.error);
    } else {
      this.#onRefused(message, answer.error);
    }
    if (this.#isSettling && this.#inFlightBytes === 0) this.#settle();
    else this.#pump();
  }

  #onRefused(message: PendingInput, error: BinnacleError): void {
    this.#isSettling = true;
    if (LATER.has(error.code)) return;
    if (error.code === 'input_gap') {
      // Behind a refused one this was to be expected, and it was not taken. Else the gateway has forgotten this client,
      // and whether it took an earlier copy is not known: say so rather than act twice.
      const isBehindRefused = this.#hasHole || this.#queue.some((other) => other.n < message.n);
      if (message.sends === 1 || (isBehindRefused && !this.#isForgotten)) {
        this.#hasHole = true;
        return;
      }
      this.#isForgotten = true;
    }
    this.#hasHole = true;
    this.#remove(message);
    message.reject(error);
  }

  /** Every answer is in: what is left was certainly not taken. */
  #settle(): void {
    this.#isSettling = false;
    const mayFollowAtOnce = this.#hasHole;
    if (this.#hasHole) this.#renumber();
    if (this.#queue.length === 0) return;
    if (mayFollowAtOnce) {
      this.#pump();
      return;
    }
    const delayMs = backoffDelay(this.#failures, this.#connection.settings.random(), LATER_BACKOFF);
    this.#failures += 1;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#pump();
    }, delayMs);
  }

  /** A new name, so that a late copy of a refused message cannot be taken for one of these. */
  #renumber(): void {
    this.#client = randomId();
    this.#isKnown = false;
    this.#hasHole = false;
    this.#isForgotten = false;
    this.#nextNumber = 1;
    for (const message of this.#queue) {
      message.n = this.#nextNumber;
      this.#nextNumber += 1;
    }
  }

  #remove(message: PendingInput): void {
    this.#queue.splice(this.#queue.indexOf(message), 1);
    this.#queuedBytes -= cost(message.bytes);
    if (this.#queue.length > 0) return;
    this.#connection.leave(this.#participant);
    for (const resolve of this.#drains.splice(0)) resolve();
  }

  #onLost(): void {
    this.#clearRetry();
    this.#isSettling = false;
    this.#inFlightBytes = 0;
    for (const message of this.#queue) message.isInFlight = false;
  }

  #onStopped(error: BinnacleError): void {
    this.#onLost();
    this.#hasHole = true;
    for (const message of this.#queue.splice(0)) message.reject(error);
    this.#queuedBytes = 0;
    this.#renumber();
    for (const resolve of this.#drains.splice(0)) resolve();
  }

  #clearRetry(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }
}

const cost = (bytes: Uint8Array): number => bytes.length + OVERHEAD_BYTES;

/** Parts of at most `MESSAGE_BYTES` that end at the end of a UTF-8 character, where it is UTF-8. */
function cut(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let begin = 0;
  do {
    let end = Math.min(begin + MESSAGE_BYTES, bytes.length);
    // A character has at most three bytes that continue it (10xxxxxx).
    for (let back = 0; back < 3 && end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80; back += 1) end -= 1;
    // A copy: the caller may reuse its buffer before the receipt comes.
    parts.push(bytes.slice(begin, end));
    begin = end;
  } while (begin < bytes.length);
  return parts;
}
