// Somebody who is asked before input reaches the program of a session, and told behind it: then each input waits for its
// verdict, in the order in which it came. Where nobody is, nothing waits. Knows no plugin, no helm and no runner.

import { BinnacleError, type InputReceipt } from '@binnacle/protocol';

/** What waits for a verdict is in our memory. */
const MAX_WAITING_BYTES = 1024 * 1024;
const MAX_WAITING = 1024;
/** What a message costs besides its bytes. */
const OVERHEAD_BYTES = 64;
/** Messages that were vetoed, and clients that were sent away, which come again. */
const MAX_KNOWN = 256;

export interface InputEvent {
  readonly session: string;
  /** Of what is no UTF-8, the replacement character. */
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
  /** Somebody wants to be asked about input. */
  readonly isAsked: boolean;
  readonly isTold: boolean;
  /** Rejects with `vetoed`. */
  before(input: InputEvent): Promise<void>;
  /** These two never throw. */
  after(input: InputEvent): void;
  ended(session: SessionEnd): void;
}

/** Who is asked, and what waits for the verdict. */
export interface Guarded {
  readonly guard: SessionGuard;
  readonly input: GuardedInput;
}

/** `wasEmpty`: of a duplicate, that it was vetoed when it came first, maybe of a gateway before us. */
export interface Taken extends InputReceipt {
  readonly wasEmpty?: boolean;
}

export interface NumberedMessage {
  readonly client: string;
  readonly n: number;
}

/** The queue of one session. It is empty, and nothing goes through it, as long as nobody wants to be asked. */
export class GuardedInput {
  readonly #guard: SessionGuard;
  #last: Promise<unknown> | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  readonly #vetoes = new Map<string, BinnacleError>();
  /** Of clients that were told `input_full`: with which number they have to come back. */
  readonly #holes = new Map<string, number>();

  constructor(guard: SessionGuard) {
    this.#guard = guard;
  }

  /** Also where nobody is asked any more: what comes later must not overtake what waits. */
  get isNeeded(): boolean {
    return this.#last !== undefined || this.#vetoes.size > 0 || this.#holes.size > 0 || this.#guard.isAsked;
  }

  /**
   * Hands `input` on with `write`, which is called when it is its turn. Of a numbered message that is vetoed the number
   * is used up all the same, by one without bytes, so that the next one is no gap. Throws `vetoed`, `input_full`,
   * `input_gap`, and what `write` throws.
   */
  async pass(
    input: InputEvent,
    bytes: Uint8Array,
    message: NumberedMessage | undefined,
    write: (bytes: Uint8Array) => Promise<Taken>,
  ): Promise<Taken> {
    this.#admit(bytes.length, message);
    return await this.inTurn(bytes.length, async () => {
      const key = message === undefined ? undefined : `${message.n} ${message.client}`;
      const known = key === undefined ? undefined : this.#vetoes.get(key);
      if (known !== undefined) throw known;
      const veto = await this.#ask(input);
      if (veto === undefined) return await write(bytes);
      if (key === undefined) throw veto;
      const { duplicate, queued, wasEmpty } = await write(new Uint8Array());
      // An earlier copy of it was let through, and its receipt was lost.
      if (duplicate && wasEmpty !== true) return { accepted: bytes.length, duplicate, queued };
      remember(this.#vetoes, key, veto);
      throw veto;
    });
  }

  /** Asks about a command. Throws `vetoed`, `input_full`. */
  async passRun<T>(input: InputEvent, isNew: boolean, run: () => Promise<T>): Promise<T> {
    this.#admit(input.text.length, undefined);
    return await this.inTurn(input.text.length, async () => {
      const veto = isNew ? await this.#ask(input) : undefined;
      if (veto !== undefined) throw veto;
      return await run();
    });
  }

  /** Behind all that waits. */
  inTurn<T>(bytes: number, act: () => Promise<T>): Promise<T> {
    const size = bytes + OVERHEAD_BYTES;
    this.#waiting += 1;
    this.#waitingBytes += size;
    const mine = this.#last === undefined ? act() : this.#last.then(act);
    const done = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last = done;
    void done.then(() => {
      this.#waiting -= 1;
      this.#waitingBytes -= size;
      if (this.#last === done) this.#last = undefined;
    });
    return mine;
  }

  async #ask(input: InputEvent): Promise<BinnacleError | undefined> {
    if (!this.#guard.isAsked) return undefined;
    try {
      await this.#guard.before(input);
      return undefined;
    } catch (error) {
      if (error instanceof BinnacleError) return error;
      throw error;
    }
  }

  #admit(bytes: number, message: NumberedMessage | undefined): void {
    const hole = message === undefined ? undefined : this.#holes.get(message.client);
    if (message !== undefined && hole !== undefined && message.n > hole) {
      throw new BinnacleError('input_gap', { details: { expected: hole } });
    }
    // Nothing waits for ever: one that is larger than all the room gets it when it is alone.
    const isFull = this.#waiting >= MAX_WAITING || this.#waitingBytes + bytes > MAX_WAITING_BYTES;
    if (isFull && this.#waiting > 0) {
      // Else a later one would be taken in its place, and it would be a duplicate for ever after.
      if (message !== undefined) remember(this.#holes, message.client, message.n);
      const details = { queued: this.#waitingBytes, limit: MAX_WAITING_BYTES };
      throw new BinnacleError('input_full', { message: 'Too much input waits for a plugin.', details });
    }
    if (message !== undefined && message.n === hole) this.#holes.delete(message.client);
  }
}

function remember<T>(known: Map<string, T>, key: string, value: T): void {
  known.delete(key);
  known.set(key, value);
  const [oldest] = known.keys();
  if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
}
