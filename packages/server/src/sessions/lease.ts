// The helm of one session: who may write, until when, and the number that fences off everybody before. Knows no socket.

import { randomBytes } from 'node:crypto';
import { BinnacleError, type Lease, type LeaseInfo } from '@binnacle/protocol';
import { sha256Hex } from './lease-secret.ts';

export interface HelmTimes {
  /** A holder that does nothing for this long loses the helm: an agent or a person that hangs must not block others. */
  readonly autoReleaseAfterMs: number;
  /** After the holder's connection broke: long enough for a phone that changes its network. */
  readonly graceMs: number;
}

export const HELM_TIMES: HelmTimes = { autoReleaseAfterMs: 300_000, graceMs: 15_000 };
/** A lease may ask for less than `autoReleaseAfterMs` or for more, up to this. */
const MAX_TTL_MS = 24 * 3600_000;

/** What survives a restart of the gateway. */
export interface HelmRecord {
  readonly holder: string | null;
  readonly leaseHash: string | null;
  readonly fence: number;
}

export interface HelmEvents {
  /** Before anybody is told: the old holder's writes must be refused from here on. */
  raiseFence(fence: number): Promise<void>;
  /** The helm has changed hands, or has been let go of. */
  changed(lease: LeaseInfo | null): void;
  save(record: HelmRecord): void;
}

/** One permission to write: what the runner checks, and the name that the log will show. */
export interface Admitted {
  readonly fence: number;
  readonly by: string;
}

/** Who steers, and by what right. */
export interface Steering {
  /** Shown in the log and to the others. */
  readonly name: string;
  readonly lease?: string;
  readonly connection?: string;
}

interface Held {
  readonly holder: string;
  readonly leaseHash: string;
  readonly ttlMs: number;
  /** Monotonic, in ms: a clock that jumps takes the helm from nobody. */
  expiresAt: number;
  /** The connection that it was acquired on; its end starts the grace. */
  connection: string | undefined;
}

export class Helm {
  readonly #times: HelmTimes;
  readonly #events: HelmEvents;
  readonly #now: () => number;
  #fence: number;
  #held: Held | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The program has: whoever still waits for the helm gets none. */
  #hasEnded = false;
  /** Changes of hands are one after the other: each waits until the runner knows its fence. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(
    record: HelmRecord,
    options: { readonly times: HelmTimes; readonly events: HelmEvents; readonly now?: () => number },
  ) {
    this.#times = options.times;
    this.#events = options.events;
    this.#now = options.now ?? (() => performance.now());
    this.#fence = record.fence;
    if (record.holder !== null && record.leaseHash !== null) {
      // After a restart of ours the holder has the grace to come back in.
      const { holder, leaseHash } = record;
      const ttlMs = this.#times.autoReleaseAfterMs;
      this.#held = { holder, leaseHash, ttlMs, expiresAt: this.#now() + this.#times.graceMs, connection: undefined };
      this.#arm();
    }
  }

  get info(): LeaseInfo | null {
    const held = this.#current();
    if (held === undefined) return null;
    return {
      holder: held.holder,
      fence: this.#fence,
      expiresInMs: Math.max(0, Math.round(held.expiresAt - this.#now())),
    };
  }

  get fence(): number {
    return this.#fence;
  }

  /** Throws `lease_held` (details `holder`) unless it is free, or `take` is set; `session_exited` behind the end. */
  acquire(
    holder: string,
    options: { readonly take?: boolean; readonly ttlMs?: number; readonly connection?: string } = {},
  ): Promise<Lease> {
    return this.#inTurn(async () => {
      this.#mustGoOn();
      const held = this.#current();
      if (held !== undefined && options.take !== true) throw this.#heldBy(held);
      return await this.#give(holder, options);
    });
  }

  /**
   * Gives it to another hand: as `take` for who gets it, but only its holder may. Throws `lease_lost`, also where it was
   * lost while others were before it.
   */
  handOver(
    lease: string | undefined,
    holder: string,
    options: { readonly ttlMs?: number; readonly connection?: string; readonly from?: string } = {},
  ): Promise<Lease> {
    return this.#inTurn(async () => {
      this.#require(lease, options.from);
      return await this.#give(holder, options);
    });
  }

  /**
   * Starts the time anew, and ties the lease to the connection that it comes by. The connection that holds it needs no
   * secret, and is told none. Throws `lease_lost`, `session_exited`.
   */
  renew(lease: string | undefined, connection?: string): LeaseInfo & Partial<Lease> {
    this.#mustGoOn();
    const held = this.#require(lease, connection);
    if (connection !== undefined) held.connection = connection;
    held.expiresAt = this.#now() + held.ttlMs;
    this.#arm();
    const info = { holder: held.holder, fence: this.#fence, expiresInMs: held.ttlMs };
    return lease === undefined ? info : { lease, ...info };
  }

  /** The connection that holds it needs no secret. Throws `lease_lost`. */
  release(lease: string | undefined, connection?: string): void {
    this.#require(lease, connection);
    this.#letGo();
  }

  /**
   * Admits one write. With a lease: its holder, whose time starts anew. Without: anybody while nobody holds it, and the
   * holder's own connection. Throws `lease_held` and `lease_lost`.
   */
  admit(by: string, lease?: string, connection?: string): Admitted {
    if (lease !== undefined) {
      const held = this.#require(lease);
      held.expiresAt = this.#now() + held.ttlMs;
      return { fence: this.#fence, by: held.holder };
    }
    const held = this.#current();
    if (held === undefined) return { fence: this.#fence, by };
    if (connection === undefined || held.connection !== connection) throw this.#heldBy(held);
    held.expiresAt = this.#now() + held.ttlMs;
    return { fence: this.#fence, by: held.holder };
  }

  /**
   * The runner has seen this fence. A higher one than ours was raised by a change of hands that we did not see the end
   * of: the old holder is fenced off already, and the new one was never told.
   */
  catchUp(fence: number): void {
    if (fence <= this.#fence) return;
    this.#fence = fence;
    this.#letGo();
  }

  /** The connection that holds it; undefined where nobody does, or by no connection. */
  get connection(): string | undefined {
    return this.#current()?.connection;
  }

  /** True for the connection that holds it. */
  isHeldBy(connection: string): boolean {
    return this.#current()?.connection === connection;
  }

  /** A connection is gone. If it held the helm, the grace begins. */
  connectionOnClose(connection: string): void {
    const held = this.#current();
    if (held === undefined || held.connection !== connection) return;
    held.connection = undefined;
    held.expiresAt = Math.min(held.expiresAt, this.#now() + this.#times.graceMs);
    this.#arm();
  }

  /** The program has ended: there is nothing to steer any more. Whoever asked for the end tells of it. */
  end(): void {
    this.stop();
    this.#hasEnded = true;
    if (this.#held === undefined) return;
    this.#held = undefined;
    this.#save();
  }

  /** Stops the clock; for the gateway's end. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #mustGoOn(): void {
    if (this.#hasEnded) throw new BinnacleError('session_exited');
  }

  async #give(
    holder: string,
    { ttlMs: asked, connection }: { readonly ttlMs?: number; readonly connection?: string },
  ): Promise<Lease> {
    const lease = randomBytes(24).toString('base64url');
    const fence = this.#fence + 1;
    try {
      await this.#events.raiseFence(fence);
    } catch (error) {
      // Nobody knows whether the runner has heard of it: the number is used up, and whoever had an older one is out.
      this.catchUp(fence);
      throw error;
    }
    // The end may have come while it waited for its turn or for the runner: nobody would ever take it away again.
    this.#mustGoOn();
    const ttlMs = Math.min(asked ?? this.#times.autoReleaseAfterMs, MAX_TTL_MS);
    this.#fence = fence;
    this.#held = { holder, leaseHash: sha256Hex(lease), ttlMs, expiresAt: this.#now() + ttlMs, connection };
    this.#changed();
    return { lease, holder, fence, expiresInMs: ttlMs };
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#changing.then(change);
    // Whoever asked hears of the failure; the next one in line must not.
    this.#changing = mine.catch(() => undefined);
    return mine;
  }

  #current(): Held | undefined {
    if (this.#held !== undefined && this.#held.expiresAt <= this.#now()) this.#letGo();
    return this.#held;
  }

  /** Returns the present holder, proven by the secret, or by the connection where no secret is given. */
  #require(lease: string | undefined, connection?: string): Held {
    const held = this.#current();
    const isTheirs =
      lease === undefined
        ? connection !== undefined && held?.connection === connection
        : held?.leaseHash === sha256Hex(lease);
    if (held === undefined || !isTheirs) throw new BinnacleError('lease_lost');
    return held;
  }

  #heldBy(held: Held): BinnacleError {
    return new BinnacleError('lease_held', {
      message: `${held.holder} holds the helm.`,
      details: { holder: held.holder, fence: this.#fence },
    });
  }

  #letGo(): void {
    this.#held = undefined;
    this.#changed();
  }

  #changed(): void {
    this.#save();
    this.#arm();
    this.#events.changed(this.info);
  }

  #save(): void {
    const held = this.#held;
    this.#events.save({ holder: held?.holder ?? null, leaseHash: held?.leaseHash ?? null, fence: this.#fence });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#held === undefined) return;
    // setTimeout takes at most 2^31-1 ms, and `admit` moves the end without arming: it looks again when it fires.
    const delay = Math.min(Math.max(1, this.#held.expiresAt - this.#now()), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      if (this.#current() !== undefined) this.#arm();
    }, delay);
    this.#timer.unref();
  }
}
