// A write lease: who may write, until when, and the fencing number (fence) that excludes all earlier holders. A session
// grants it through its runner (sessions/lease.ts); a conversation checks it before each append (conversations/lease.ts).

import { createHash, randomBytes } from 'node:crypto';
import { BinnacleError, type Lease, type LeaseInfo } from '@binnacle/protocol';
import { Timer } from '../base/timer.ts';

/** The part of a lease that survives a restart of the gateway. */
export interface StoredLease extends HolderProcess {
  readonly fence: number;
  /** Null, as `leaseHash`, while the lease is free. */
  readonly holder: string | null;
  /** SHA-256 of the holder's secret, in hex. Nobody can write with it. */
  readonly leaseHash: string | null;
}

/** Process of a holder on this host, with the start time that identifies the process for ever. Without: unknown. */
export interface HolderProcess {
  readonly pid?: number | undefined;
  readonly startTime?: string | undefined;
}

/** One permission to write: the fencing number, and the name that the log will show. */
export interface WritePermit {
  readonly fence: number;
  readonly by: string;
}

interface GrantedLease extends HolderProcess {
  readonly holder: string;
  readonly leaseHash: string;
  readonly ttlMs: number;
  /** The connection that acquired or last renewed the lease. It proves the holder without the secret. */
  connection: string | undefined;
  /** Expiry on a monotonic clock, in ms: a wall clock that jumps takes the lease from no holder. */
  expiresAt: number;
  writtenAt: number;
}

export interface LeaseRules {
  /** Default time to live, in ms. */
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  /** Maximum time without a write, in ms, however often the holder renews. Default: no limit. */
  readonly maxIdleMs?: number;
  /** Time to live of a holder whose connection broke, and of one who could not renew while the gateway was down. */
  readonly graceMs: number;
  /** True if a release and an expiry raise the fence as well, so that writes admitted before them are refused. */
  readonly raisesOnRelease: boolean;
  /** Code of the failure of calls after `end`. */
  readonly endCode: 'session_exited' | 'conversation_not_found';
  /** Returns false for a holder whose process has ended. */
  isAlive(process: HolderProcess): boolean;
  /** Returns message and details of `lease_held`. */
  conflict(info: LeaseInfo, process: HolderProcess): { message: string; details: Record<string, unknown> };
  /** Not called for writes. May throw; the lease is then not granted. */
  save(state: StoredLease): void;
  /** Called after the lease was granted, released or has expired. Also called from a timer. */
  changed(lease: LeaseInfo | null): void;
}

/** Nothing waits here: a refused caller learns at once who holds the lease. A holder that acquires again is refused. */
export abstract class WriteLease {
  readonly #rules: LeaseRules;
  readonly #timer = new Timer();
  #fence: number;
  #granted: GrantedLease | undefined;
  #isOver = false;

  constructor(stored: StoredLease, rules: LeaseRules) {
    this.#rules = rules;
    this.#fence = stored.fence;
    const { holder, leaseHash, pid, startTime } = stored;
    if (holder === null || leaseHash === null) return;
    const now = performance.now();
    const times = { ttlMs: rules.ttlMs, expiresAt: now + rules.graceMs, writtenAt: now };
    this.#granted = { holder, leaseHash, pid, startTime, connection: undefined, ...times };
    this.#arm();
  }

  /** The holder; null while the lease is free. */
  get info(): LeaseInfo | null {
    const granted = this.#living;
    return granted === undefined ? null : this.#infoOf(granted);
  }

  get fence(): number {
    return this.#fence;
  }

  /** The connection that has the lease; undefined if the lease is free or has no connection. */
  get connection(): string | undefined {
    return this.#current?.connection;
  }

  /** True for the connection that has the lease. */
  belongsTo(connection: string): boolean {
    return this.connection === connection;
  }

  /** Starts the grace if the closed connection had the lease. */
  connectionOnClose(connection: string): void {
    const granted = this.#current;
    if (granted === undefined || granted.connection !== connection) return;
    granted.connection = undefined;
    granted.expiresAt = Math.min(granted.expiresAt, performance.now() + this.#rules.graceMs);
    this.#arm();
  }

  /**
   * Restarts the time to live, and ties the lease to the connection of this call. The connection that has the lease
   * needs no secret, and gets none. Throws `lease_lost`, and the end code.
   */
  renew(lease: string | undefined, connection?: string): LeaseInfo & Partial<Lease> {
    this.requireOpen();
    const granted = this.requireHolder(lease, connection);
    if (connection !== undefined) granted.connection = connection;
    const info = this.#infoOf(granted, this.#extend(granted));
    this.#arm();
    return lease === undefined ? info : { lease, ...info };
  }

  /**
   * Releases the lease. The connection that has the lease needs no secret; the secret of an earlier grant releases
   * nothing. Throws `lease_lost`.
   */
  release(lease: string | undefined, connection?: string): void {
    this.requireHolder(lease, connection);
    this.free();
  }

  /**
   * Admits one write. With a secret: the holder, whose time to live restarts. Without: any writer while the lease is
   * free, and the holder's own connection. Throws `lease_held`, `lease_lost`, and the end code.
   */
  admit(by: string, lease?: string, connection?: string): WritePermit {
    this.requireOpen();
    const granted = lease === undefined ? this.#living : this.requireHolder(lease);
    if (granted === undefined) return { fence: this.#fence, by };
    const isTheirs = lease !== undefined || (connection !== undefined && granted.connection === connection);
    if (!isTheirs) throw this.#conflict(granted);
    granted.writtenAt = performance.now();
    this.#extend(granted);
    return { fence: this.#fence, by: granted.holder };
  }

  /**
   * Call in the same event-loop turn as the write. Throws `lease_lost` if the lease has changed hands since the write
   * was admitted, and the end code.
   */
  check(admitted: WritePermit): void {
    this.requireOpen();
    // A timer can be late.
    void this.#current;
    if (admitted.fence !== this.#fence) throw new BinnacleError('lease_lost', { details: { fence: this.#fence } });
  }

  /**
   * Applies the highest fence that was seen beside this lease: by the runner of a session, or in the log of a
   * conversation. If it is higher, its change of hands did not finish here or was not saved: the holder known here is
   * fenced off, and the lease is free.
   */
  catchUp(seenFence: number): void {
    if (seenFence > this.#fence) this.free(this.#rules.raisesOnRelease ? seenFence + 1 : seenFence);
  }

  /** Ends the lease for good. Later calls throw the end code. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stop();
    if (this.#granted !== undefined) this.free();
  }

  /** Stops the timer, when the gateway ends. */
  stop(): void {
    this.#timer.clear();
  }

  protected requireOpen(): void {
    if (this.#isOver) throw new BinnacleError(this.#rules.endCode);
  }

  /** Throws `lease_held` unless the lease is free or `take` is set, and the end code. */
  protected requireFree(take = false): void {
    this.requireOpen();
    const granted = this.#living;
    if (granted !== undefined && !take) throw this.#conflict(granted);
  }

  /** Returns the current holder, proven by the secret or, without a secret, by the connection. Throws `lease_lost`. */
  protected requireHolder(lease: string | undefined, connection?: string): GrantedLease {
    const granted = this.#current;
    const isTheirs =
      lease === undefined
        ? connection !== undefined && granted?.connection === connection
        : granted?.leaseHash === sha256Hex(lease);
    if (granted === undefined || !isTheirs) throw new BinnacleError('lease_lost');
    return granted;
  }

  /** Grants the lease in place of any earlier one. `fence`: default the next one. Throws the errors of `save`. */
  protected grant(
    holder: string,
    options: HolderProcess & {
      readonly ttlMs?: number;
      readonly connection?: string;
      readonly fence?: number;
    },
  ): Lease {
    this.requireOpen();
    const { pid, startTime, connection } = options;
    const lease = randomBytes(24).toString('base64url');
    const ttlMs = Math.min(options.ttlMs ?? this.#rules.ttlMs, this.#rules.maxTtlMs);
    const now = performance.now();
    const times = { ttlMs, expiresAt: now, writtenAt: now };
    const granted = { holder, leaseHash: sha256Hex(lease), pid, startTime, connection, ...times };
    // The number is used up even if the save fails: part of it may have reached the disk.
    this.#fence = options.fence ?? this.#fence + 1;
    this.#save(granted);
    this.#granted = granted;
    const info = this.#infoOf(granted, this.#extend(granted));
    this.#arm();
    this.#rules.changed(info);
    return { lease, ...info };
  }

  /** Frees the lease. `fence`: default the present one, or the next where a release raises it. */
  protected free(fence = this.#rules.raisesOnRelease ? this.#fence + 1 : this.#fence): void {
    this.#granted = undefined;
    this.#fence = fence;
    this.#timer.clear();
    try {
      this.#save(undefined);
    } catch {
      // The lease is released all the same. After a restart the holder has its time again; the highest fence in the log
      // excludes the holder if anyone has written since.
    }
    this.#rules.changed(null);
  }

  /** The holder until its time is over. */
  get #current(): GrantedLease | undefined {
    if (this.#granted !== undefined && this.#granted.expiresAt <= performance.now()) this.free();
    return this.#granted;
  }

  /** The holder if its process is alive. For calls from others: a dead holder makes none. */
  get #living(): GrantedLease | undefined {
    const granted = this.#current;
    if (granted !== undefined && !this.#rules.isAlive(granted)) this.free();
    return this.#granted;
  }

  #conflict(granted: GrantedLease): BinnacleError {
    return new BinnacleError('lease_held', this.#rules.conflict(this.#infoOf(granted), granted));
  }

  #infoOf({ holder, expiresAt }: GrantedLease, now = performance.now()): LeaseInfo {
    return { holder, fence: this.#fence, expiresInMs: Math.max(0, Math.round(expiresAt - now)) };
  }

  /** Restarts the time to live. Returns the time of the clock that it used. */
  #extend(granted: GrantedLease): number {
    const now = performance.now();
    const { maxIdleMs = Number.POSITIVE_INFINITY } = this.#rules;
    granted.expiresAt = Math.min(now + granted.ttlMs, granted.writtenAt + maxIdleMs);
    return now;
  }

  #save(granted: GrantedLease | undefined): void {
    const { holder, leaseHash, pid, startTime } = granted ?? { holder: null, leaseHash: null };
    this.#rules.save({ fence: this.#fence, holder, leaseHash, pid, startTime });
  }

  #arm(): void {
    this.stop();
    if (this.#granted === undefined) return;
    // Writes extend the expiry without a new timer: this one checks again when it fires.
    this.#timer.set(this.#granted.expiresAt - performance.now(), () => {
      if (this.#current !== undefined) this.#arm();
    });
  }
}

const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');
