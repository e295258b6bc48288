// The write lease of one conversation: who may append to its transcript, until when, and the fencing number that
// excludes earlier holders. Like sessions/lease.ts, but without a runner, and with holders that may be processes.

import { randomBytes } from 'node:crypto';
import { BinnacleError, type Lease, type LeaseInfo } from '@binnacle/protocol';
import type { WritePermit } from '../sessions/lease.ts';
import { sha256Hex } from '../sessions/lease-secret.ts';

export interface WriteLeaseTimes {
  /** Maximum time without a write or a renewal, in ms. The lease then expires without anybody's intervention. */
  readonly autoReleaseAfterMs: number;
  /**
   * Maximum time without a write, in ms, however often the holder renews: a wedged process can still send heartbeats.
   */
  readonly maxIdleHoldMs: number;
}

export const WRITE_LEASE_TIMES: WriteLeaseTimes = { autoReleaseAfterMs: 300_000, maxIdleHoldMs: 3600_000 };

/** State of a process on this host; see `readProcess`. */
export interface HolderProcess {
  /** Start time. Together with the pid it identifies a process for ever. */
  readonly startTime: string;
  readonly isZombie: boolean;
}

export interface WriteLeaseParts {
  readonly times?: Partial<WriteLeaseTimes>;
  /** Returns the state of a process; undefined if there is none. */
  processOf(pid: number): HolderProcess | undefined;
  /**
   * Stores the JSON that survives a restart. May throw; the lease is then not granted. Not called for writes, so that a
   * long transcript costs nothing.
   */
  save(state: string): void;
  /** Called after the lease was granted, released or has expired. Also called from a timer. */
  changed?(lease: LeaseInfo | null): void;
  /**
   * Highest fence in the log. The log may survive when the state from `save` is lost or older; without this number a
   * fence could be used twice. Default 0.
   */
  readonly seenFence?: number;
  /** Monotonic clock, in ms: a clock that jumps must not expire a lease. */
  readonly now?: () => number;
}

interface GrantedLease {
  readonly holder: string;
  readonly leaseHash: string;
  readonly ttlMs: number;
  readonly process: { readonly pid: number; readonly startTime: string } | undefined;
  expiresAt: number;
  writtenAt: number;
}

/**
 * Fencing: every change of the holder raises the fence (take, acquire, release, expiry), so a write that was admitted
 * before is refused at its append. Nothing waits here: a refused caller learns at once who holds the lease and for how
 * long. Not reentrant: a holder that acquires again is refused like any other caller.
 */
export class WriteLease {
  readonly #times: WriteLeaseTimes;
  readonly #parts: WriteLeaseParts;
  readonly #now: () => number;
  #fence: number;
  #granted: GrantedLease | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `saved`: the last text given to `save`. Unreadable text names no holder. */
  constructor(saved: string | null, parts: WriteLeaseParts) {
    this.#times = { ...WRITE_LEASE_TIMES, ...parts.times };
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    const { fence, granted, isWhole } = parse(saved);
    const { seenFence = 0 } = parts;
    // Otherwise an unknown holder may have had the highest fence.
    const isLast = isWhole && seenFence <= fence;
    this.#fence = isLast ? fence : Math.max(fence, seenFence) + 1;
    if (granted === undefined || !isLast) return;
    const now = this.#now();
    // The holder could not renew while the gateway was down, and therefore gets the whole time again.
    this.#granted = { ...granted, ttlMs: this.#times.autoReleaseAfterMs, expiresAt: now, writtenAt: now };
    this.#extend(this.#granted);
    this.#arm();
  }

  get info(): LeaseInfo | null {
    const granted = this.#living();
    return granted === undefined ? null : this.#infoOf(granted);
  }

  get fence(): number {
    return this.#fence;
  }

  /**
   * Grants the lease. Throws `lease_held` (details `holder`, `fence`, `expiresInMs` and, if known, `pid`) unless it is
   * free or `take` is set; `bad_request` for a `pid` that is no process of this host; the errors of `save`.
   */
  acquire(
    holder: string,
    options: { readonly take?: boolean; readonly ttlMs?: number; readonly pid?: number } = {},
  ): Lease {
    this.#assertThere();
    const granted = this.#living();
    if (granted !== undefined && options.take !== true) throw this.#holderConflict(granted);
    const process = options.pid === undefined ? undefined : this.#processOf(options.pid);
    const lease = randomBytes(24).toString('base64url');
    const ttlMs = Math.min(options.ttlMs ?? this.#times.autoReleaseAfterMs, this.#times.maxIdleHoldMs);
    const now = this.#now();
    const next: GrantedLease = { holder, leaseHash: sha256Hex(lease), ttlMs, process, expiresAt: now, writtenAt: now };
    // The number is used up even if the save fails: part of it may have reached the disk.
    this.#fence += 1;
    this.#parts.save(textOf(this.#fence, next));
    this.#granted = next;
    this.#extend(next);
    this.#arm();
    this.#parts.changed?.(this.#infoOf(next));
    return { lease, ...this.#infoOf(next) };
  }

  /** Restarts the time, up to `maxIdleHoldMs` after the last write. Throws `lease_lost`. */
  renew(lease: string): Lease {
    const granted = this.#require(lease);
    this.#extend(granted);
    return { lease, ...this.#infoOf(granted) };
  }

  /** Releases the lease. The secret of an earlier grant releases nothing. Throws `lease_lost`. */
  release(lease: string): void {
    this.#require(lease);
    this.#letGo();
  }

  /**
   * Admits one write: by the holder, whose time restarts, or without a lease while it is free. Pass the result to
   * `check` right before the append. Throws `lease_held` and `lease_lost`.
   */
  admit(by: string, lease?: string): WritePermit {
    this.#assertThere();
    if (lease === undefined) {
      const granted = this.#living();
      if (granted !== undefined) throw this.#holderConflict(granted);
      return { fence: this.#fence, by };
    }
    const granted = this.#require(lease);
    granted.writtenAt = this.#now();
    this.#extend(granted);
    return { fence: this.#fence, by: granted.holder };
  }

  /**
   * Call in the same event-loop turn as the append. Throws `lease_lost` if the lease has changed hands since the write
   * was admitted.
   */
  check(admitted: WritePermit): void {
    this.#assertThere();
    // Checks the clock first, because a timer can be late.
    this.#current();
    if (admitted.fence !== this.#fence) throw new BinnacleError('lease_lost', { details: { fence: this.#fence } });
  }

  /** Ends the lease of a deleted conversation. It cannot be acquired again. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stop();
    if (this.#granted !== undefined) this.#letGo();
  }

  /** Stops the timer, when the gateway ends. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #current(): GrantedLease | undefined {
    if (this.#granted !== undefined && this.#granted.expiresAt <= this.#now()) this.#letGo();
    return this.#granted;
  }

  /** Returns the holder if its process is alive. For calls from others: a dead holder makes none. */
  #living(): GrantedLease | undefined {
    const granted = this.#current();
    if (granted?.process === undefined) return granted;
    const found = this.#parts.processOf(granted.process.pid);
    const isAlive = found !== undefined && !found.isZombie && found.startTime === granted.process.startTime;
    if (!isAlive) this.#letGo();
    return this.#granted;
  }

  #require(lease: string): GrantedLease {
    this.#assertThere();
    const granted = this.#current();
    if (granted === undefined || granted.leaseHash !== sha256Hex(lease)) throw new BinnacleError('lease_lost');
    return granted;
  }

  #assertThere(): void {
    if (this.#isOver) throw new BinnacleError('conversation_not_found');
  }

  #processOf(pid: number): GrantedLease['process'] {
    const found = Number.isSafeInteger(pid) && pid > 0 ? this.#parts.processOf(pid) : undefined;
    if (found !== undefined && !found.isZombie) return { pid, startTime: found.startTime };
    throw new BinnacleError('bad_request', {
      message: `There is no process ${pid} on the gateway's host.`,
      hint: 'Leave pid out if the holder runs elsewhere.',
    });
  }

  #holderConflict(granted: GrantedLease): BinnacleError {
    const { holder, process } = granted;
    const { fence, expiresInMs } = this.#infoOf(granted);
    return new BinnacleError('lease_held', {
      message: `${holder} is in control of this conversation.`,
      details: { holder, fence, expiresInMs, ...(process === undefined ? {} : { pid: process.pid }) },
    });
  }

  #infoOf(granted: GrantedLease): LeaseInfo {
    const expiresInMs = Math.max(0, Math.round(granted.expiresAt - this.#now()));
    return { holder: granted.holder, fence: this.#fence, expiresInMs };
  }

  #extend(granted: GrantedLease): void {
    granted.expiresAt = Math.min(this.#now() + granted.ttlMs, granted.writtenAt + this.#times.maxIdleHoldMs);
  }

  #letGo(): void {
    this.#granted = undefined;
    this.#fence += 1;
    clearTimeout(this.#timer);
    try {
      this.#parts.save(textOf(this.#fence, undefined));
    } catch {
      // The lease is released all the same. After a restart the holder has its time again; `seenFence` excludes the
      // holder if anyone has written since.
    }
    this.#parts.changed?.(null);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#granted === undefined || this.#isOver) return;
    // setTimeout accepts at most 2^31-1 ms, and renewals move the end without a new timer: the callback checks again.
    const delay = Math.min(Math.max(1, this.#granted.expiresAt - this.#now()), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      if (this.#current() !== undefined) this.#arm();
    }, delay);
    this.#timer.unref();
  }
}

type StoredLease = Pick<GrantedLease, 'holder' | 'leaseHash' | 'process'>;

/** Format `{fence, holder, leaseHash, pid?, startTime?}`; holder and leaseHash are null while the lease is free. */
const textOf = (fence: number, granted: StoredLease | undefined): string =>
  JSON.stringify({
    fence,
    holder: granted?.holder ?? null,
    leaseHash: granted?.leaseHash ?? null,
    ...granted?.process,
  });

function parse(saved: string | null): {
  readonly fence: number;
  readonly granted: StoredLease | undefined;
  /** False if the text is damaged, and does not show whether the lease had a holder. */
  readonly isWhole: boolean;
} {
  if (saved === null) return { fence: 0, granted: undefined, isWhole: true };
  const state = objectOf(saved);
  const { fence, holder, leaseHash, pid, startTime } = state;
  if (!isFence(fence)) return { fence: fenceIn(saved), granted: undefined, isWhole: false };
  if (holder === null && leaseHash === null) return { fence, granted: undefined, isWhole: true };
  const hasProcess = pid !== undefined || startTime !== undefined;
  const isWhole =
    typeof holder === 'string' &&
    typeof leaseHash === 'string' &&
    (!hasProcess || (isFence(pid) && typeof startTime === 'string'));
  if (!isWhole) return { fence, granted: undefined, isWhole };
  const process = isFence(pid) && typeof startTime === 'string' ? { pid, startTime } : undefined;
  return { fence, granted: { holder, leaseHash, process }, isWhole };
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {}; // Truncated or overwritten text names no holder.
  }
}

const isFence = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** Finds the highest fence in damaged text. */
const fenceIn = (text: string): number =>
  Math.max(0, ...Array.from(text.matchAll(/"fence"\s*:\s*(\d{1,15})(?![\d.eE])/g), ([, digits]) => Number(digits)));
