// Runs input hooks: each input to a session's program waits, in order of arrival, for the verdict of the hooks, and the
// hooks learn of the input afterwards. Without hooks, input passes straight through.

import { BinnacleError, type InputReceipt } from '@binnacle/protocol';
import { LruMap } from '../base/lru-map.ts';
import { SerialQueue } from '../base/serial-queue.ts';

/** Maximum bytes per session that wait for a verdict. They are in the gateway's memory. */
const MAX_WAITING_BYTES = 1024 * 1024;
const MAX_WAITING = 1024;
/** Memory of a waiting message besides its bytes. */
const OVERHEAD_BYTES = 64;
/** Maximum remembered vetoes, and maximum remembered clients that have to retry after `input_full`. */
const MAX_KNOWN = 256;

export interface InputEvent {
  readonly session: string;
  /** The input as text, with the replacement character for bytes that are no UTF-8. */
  readonly text: string;
  readonly by: string;
}

export interface SessionEnd {
  readonly session: string;
  readonly name: string;
  readonly state: 'closed' | 'lost';
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface SessionGuard {
  /** True while at least one hook wants to judge input. */
  readonly judgesInput: boolean;
  readonly observesInput: boolean;
  /** Rejects with `vetoed`. */
  before(input: InputEvent): Promise<void>;
  /** Never throws, and neither does `ended`. */
  after(input: InputEvent): void;
  ended(session: SessionEnd): void;
}

/** The hooks of a session and the queue of input that waits for their verdict. */
export interface GuardedSession {
  readonly guard: SessionGuard;
  readonly input: GuardedInput;
}

/** `wasEmpty`, of a duplicate: the first arrival was vetoed, perhaps by an earlier gateway. */
export interface TakenInput extends InputReceipt {
  readonly wasEmpty?: boolean;
}

export interface NumberedMessage {
  readonly client: string;
  readonly n: number;
}

/** The queue of one session. Empty and bypassed while no hook wants to judge input. */
export class GuardedInput {
  readonly #guard: SessionGuard;
  readonly #queue = new SerialQueue();
  #waiting = 0;
  #waitingBytes = 0;
  readonly #vetoes = new LruMap<string, BinnacleError>(MAX_KNOWN);
  /** Number with which a client must retry after `input_full`, by client. */
  readonly #holes = new LruMap<string, number>(MAX_KNOWN);

  constructor(guard: SessionGuard) {
    this.#guard = guard;
  }

  /** True also after the last hook was removed: later input must not overtake input that waits. */
  get isNeeded(): boolean {
    return !this.#queue.isIdle || this.#vetoes.size > 0 || this.#holes.size > 0 || this.#guard.judgesInput;
  }

  /**
   * Passes `input` on by `write`, in its turn. A veto of a numbered message still uses up the number, by a write
   * without bytes, so that the next number is no gap. Throws `vetoed`, `input_full`, `input_gap`, and the errors of
   * `write`.
   */
  async pass(
    input: InputEvent,
    bytes: Uint8Array,
    message: NumberedMessage | undefined,
    write: (bytes: Uint8Array) => Promise<TakenInput>,
  ): Promise<TakenInput> {
    this.#admit(bytes.length, message);
    return await this.inTurn(bytes.length, async () => {
      const key = message === undefined ? undefined : `${message.n} ${message.client}`;
      const known = key === undefined ? undefined : this.#vetoes.peek(key);
      if (known !== undefined) throw known;
      const veto = await this.#ask(input);
      if (veto === undefined) return await write(bytes);
      if (key === undefined) throw veto;
      const { duplicate, queued, wasEmpty } = await write(new Uint8Array());
      // An earlier copy of this message was allowed, and its receipt was lost.
      if (duplicate && wasEmpty !== true) return { accepted: bytes.length, duplicate, queued };
      this.#vetoes.set(key, veto);
      throw veto;
    });
  }

  /** Runs the hooks for a command. Throws `vetoed`, `input_full`. */
  async passRun<T>(input: InputEvent, isNew: boolean, run: () => Promise<T>): Promise<T> {
    this.#admit(input.text.length, undefined);
    return await this.inTurn(input.text.length, async () => {
      const veto = isNew ? await this.#ask(input) : undefined;
      if (veto !== undefined) throw veto;
      return await run();
    });
  }

  /** Runs `act` after all input that waits. */
  inTurn<T>(bytes: number, act: () => Promise<T>): Promise<T> {
    const size = bytes + OVERHEAD_BYTES;
    this.#waiting += 1;
    this.#waitingBytes += size;
    // Without a queue it begins at once: a hook hears of the input in the step in which it came.
    const begun = this.#queue.isIdle ? act() : undefined;
    const done = this.#queue.run(() => begun ?? act());
    void this.#queue.drained.then(() => {
      this.#waiting -= 1;
      this.#waitingBytes -= size;
    });
    return done;
  }

  async #ask(input: InputEvent): Promise<BinnacleError | undefined> {
    if (!this.#guard.judgesInput) return undefined;
    try {
      await this.#guard.before(input);
      return undefined;
    } catch (error) {
      if (error instanceof BinnacleError) return error;
      throw error;
    }
  }

  #admit(bytes: number, message: NumberedMessage | undefined): void {
    const hole = message === undefined ? undefined : this.#holes.peek(message.client);
    if (message !== undefined && hole !== undefined && message.n > hole) {
      throw new BinnacleError('input_gap', { details: { expected: hole } });
    }
    // Prevents starvation: a message larger than the whole limit is accepted once the queue is empty.
    const isFull = this.#waiting >= MAX_WAITING || this.#waitingBytes + bytes > MAX_WAITING_BYTES;
    if (isFull && this.#waiting > 0) {
      // Without this, a later number would be accepted first, and this message would then count as a duplicate for
      // ever.
      if (message !== undefined) this.#holes.set(message.client, message.n);
      const details = { queued: this.#waitingBytes, limit: MAX_WAITING_BYTES };
      throw new BinnacleError('input_full', { message: 'Too much input waits for a plugin.', details });
    }
    if (message !== undefined && message.n === hole) this.#holes.delete(message.client);
  }
}
