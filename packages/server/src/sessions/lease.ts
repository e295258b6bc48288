// The lease of one session: who may write, until when, and the fencing number that excludes all earlier holders.

import { randomBytes } from 'node:crypto';
import { BinnacleError, type Lease, type LeaseInfo } from '@binnacle/protocol';
import { sha256Hex } from './lease-secret.ts';

export interface SessionLeaseTimes {
  /**
   * Time without activity after which the holder loses the lease: a hung agent or an absent person must not block
   * others.
   */
  readonly autoReleaseAfterMs: number;
  /** Time to reconnect after the holder's connection broke. Long enough for a phone that changes its network. */
  readonly graceMs: number;
}

export const SESSION_LEASE_TIMES: SessionLeaseTimes = { autoReleaseAfterMs: 300_000, graceMs: 15_000 };
/** Maximum time to live that a client may request. It may be shorter or longer than `autoReleaseAfterMs`. */
const MAX_TTL_MS = 24 * 3600_000;

/** The part of a lease that survives a restart of the gateway. */
export interface SessionLeaseRecord {
  readonly holder: string | null;
  readonly leaseHash: string | null;
  readonly fence: number;
}

export interface SessionLeaseEvents {
  /** Called before anyone is notified: from here on the old holder's writes must be refused. */
  raiseFence(fence: number): Promise<void>;
  /** Called when the lease has changed hands or was released. */
  changed(lease: LeaseInfo | null): void;
  save(record: SessionLeaseRecord): void;
}

/** One permission to write: the fencing number that the runner checks, and the name that the log will show. */
export interface WritePermit {
  readonly fence: number;
  readonly by: string;
}

/** A writer and the proof of its right to write. */
export interface Steering {
  /** Name that the log and other users see. */
  readonly name: string;
  readonly lease?: string;
  readonly connection?: string;
}

interface GrantedLease {
  readonly holder: string;
  readonly leaseHash: string;
  readonly ttlMs: number;
  /** Expiry on a monotonic clock, in ms: a wall clock that jumps takes the lease from no holder. */
  expiresAt: number;
  /** The connection that acquired the lease. Its end starts the grace. */
  connection: string | undefined;
}

export class SessionLease {
  readonly #times: SessionLeaseTimes;
  readonly #events: SessionLeaseEvents;
  readonly #now: () => number;
  #fence: number;
  #granted: GrantedLease | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** True once the program has ended: waiting clients get no lease any more. */
  #hasEnded = false;
  /** Queue of changes of hands: each waits until the runner has the fencing number of the one before. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(
    record: SessionLeaseRecord,
    options: { readonly times: SessionLeaseTimes; readonly events: SessionLeaseEvents; readonly now?: () => number },
  ) {
    this.#times = options.times;
    this.#events = options.events;
    this.#now = options.now ?? (() => performance.now());
    this.#fence = record.fence;
    if (record.holder !== null && record.leaseHash !== null) {
      // After a restart of the gateway the holder has the grace to reconnect.
      const { holder, leaseHash } = record;
      const ttlMs = this.#times.autoReleaseAfterMs;
      this.#granted = { holder, leaseHash, ttlMs, expiresAt: this.#now() + this.#times.graceMs, connection: undefined };
      this.#arm();
    }
  }

  get info(): LeaseInfo | null {
    const granted = this.#current();
    if (granted === undefined) return null;
    return {
      holder: granted.holder,
      fence: this.#fence,
      expiresInMs: Math.max(0, Math.round(granted.expiresAt - this.#now())),
    };
  }

  get fence(): number {
    return this.#fence;
  }

  /**
   * Throws `lease_held` (details `holder`) unless the lease is free or `take` is set, and `session_exited` after the
   * end.
   */
  acquire(
    holder: string,
    options: { readonly take?: boolean; readonly ttlMs?: number; readonly connection?: string } = {},
  ): Promise<Lease> {
    return this.#enqueue(async () => {
      this.#mustGoOn();
      const granted = this.#current();
      if (granted !== undefined && options.take !== true) throw this.#holderConflict(granted);
      return await this.#give(holder, options);
    });
  }

  /**
   * Gives the lease to another holder, as `take` does, but only the current holder may call it. Throws `lease_lost`,
   * also if the lease was lost while this change waited in the queue.
   */
  transfer(
    lease: string | undefined,
    holder: string,
    options: { readonly ttlMs?: number; readonly connection?: string; readonly from?: string } = {},
  ): Promise<Lease> {
    return this.#enqueue(async () => {
      this.#require(lease, options.from);
      return await this.#give(holder, options);
    });
  }

  /**
   * Restarts the time to live, and ties the lease to the connection of this call. The connection that has the lease
   * needs no secret, and gets none. Throws `lease_lost`, `session_exited`.
   */
  renew(lease: string | undefined, connection?: string): LeaseInfo & Partial<Lease> {
    this.#mustGoOn();
    const granted = this.#require(lease, connection);
    if (connection !== undefined) granted.connection = connection;
    granted.expiresAt = this.#now() + granted.ttlMs;
    this.#arm();
    const info = { holder: granted.holder, fence: this.#fence, expiresInMs: granted.ttlMs };
    return lease === undefined ? info : { lease, ...info };
  }

  /** Releases the lease. The connection that has the lease needs no secret. Throws `lease_lost`. */
  release(lease: string | undefined, connection?: string): void {
    this.#require(lease, connection);
    this.#letGo();
  }

  /**
   * Admits one write. With a secret: the holder, whose time to live restarts. Without: any writer while the lease is
   * free, and the holder's own connection. Throws `lease_held` and `lease_lost`.
   */
  admit(by: string, lease?: string, connection?: string): WritePermit {
    if (lease !== undefined) {
      const granted = this.#require(lease);
      granted.expiresAt = this.#now() + granted.ttlMs;
      return { fence: this.#fence, by: granted.holder };
    }
    const granted = this.#current();
    if (granted === undefined) return { fence: this.#fence, by };
    if (connection === undefined || granted.connection !== connection) throw this.#holderConflict(granted);
    granted.expiresAt = this.#now() + granted.ttlMs;
    return { fence: this.#fence, by: granted.holder };
  }

  /**
   * Applies the fencing number that the runner has seen. A higher number comes from a change of hands that did not
   * finish here: the old holder is fenced off already, and the new holder never got the lease.
   */
  catchUp(fence: number): void {
    if (fence <= this.#fence) return;
    this.#fence = fence;
    this.#letGo();
  }

  /** The connection that has the lease; undefined if the lease is free or has no connection. */
  get connection(): string | undefined {
    return this.#current()?.connection;
  }

  /** True for the connection that has the lease. */
  belongsTo(connection: string): boolean {
    return this.#current()?.connection === connection;
  }

  /** Starts the grace if the closed connection had the lease. */
  connectionOnClose(connection: string): void {
    const granted = this.#current();
    if (granted === undefined || granted.connection !== connection) return;
    granted.connection = undefined;
    granted.expiresAt = Math.min(granted.expiresAt, this.#now() + this.#times.graceMs);
    this.#arm();
  }

  /** Ends the lease after the program has ended. Notifies nobody: the caller that reports the end does. */
  end(): void {
    this.stop();
    this.#hasEnded = true;
    if (this.#granted === undefined) return;
    this.#granted = undefined;
    this.#save();
  }

  /** Stops the timer, when the gateway ends. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #mustGoOn(): void {
    if (this.#hasEnded) throw new BinnacleError('session_exited');
  }

  async #give(
    holder: string,
    { ttlMs: requestedTtlMs, connection }: { readonly ttlMs?: number; readonly connection?: string },
  ): Promise<Lease> {
    const lease = randomBytes(24).toString('base64url');
    const fence = this.#fence + 1;
    try {
      await this.#events.raiseFence(fence);
    } catch (error) {
      // The runner may or may not have the new number: the number is used up, and the holder of an older number is
      // fenced off.
      this.catchUp(fence);
      throw error;
    }
    // The program may have ended while this waited for the queue or the runner; that lease would never end.
    this.#mustGoOn();
    const ttlMs = Math.min(requestedTtlMs ?? this.#times.autoReleaseAfterMs, MAX_TTL_MS);
    this.#fence = fence;
    this.#granted = { holder, leaseHash: sha256Hex(lease), ttlMs, expiresAt: this.#now() + ttlMs, connection };
    this.#changed();
    return { lease, holder, fence, expiresInMs: ttlMs };
  }

  #enqueue<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#changing.then(change);
    // The caller gets the failure; the next change in the queue must not.
    this.#changing = mine.catch(() => undefined);
    return mine;
  }

  #current(): GrantedLease | undefined {
    if (this.#granted !== undefined && this.#granted.expiresAt <= this.#now()) this.#letGo();
    return this.#granted;
  }

  /** Returns the current holder, proven by the secret or, without a secret, by the connection. */
  #require(lease: string | undefined, connection?: string): GrantedLease {
    const granted = this.#current();
    const isTheirs =
      lease === undefined
        ? connection !== undefined && granted?.connection === connection
        : granted?.leaseHash === sha256Hex(lease);
    if (granted === undefined || !isTheirs) throw new BinnacleError('lease_lost');
    return granted;
  }

  #holderConflict(granted: GrantedLease): BinnacleError {
    return new BinnacleError('lease_held', {
      message: `${granted.holder} is in control.`,
      details: { holder: granted.holder, fence: this.#fence },
    });
  }

  #letGo(): void {
    this.#granted = undefined;
    this.#changed();
  }

  #changed(): void {
    this.#save();
    this.#arm();
    this.#events.changed(this.info);
  }

  #save(): void {
    const granted = this.#granted;
    this.#events.save({ holder: granted?.holder ?? null, leaseHash: granted?.leaseHash ?? null, fence: this.#fence });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#granted === undefined) return;
    // setTimeout takes at most 2^31-1 ms, and `admit` extends the expiry without re-arming: the timer checks again when
    // it fires.
    const delay = Math.min(Math.max(1, this.#granted.expiresAt - this.#now()), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      if (this.#current() !== undefined) this.#arm();
    }, delay);
    this.#timer.unref();
  }
}
