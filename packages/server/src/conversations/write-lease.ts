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

interface Held {
  readonly holder: string;
  readonly leaseHash: string;
  readonly ttlMs: number;
  readonly process: { readonly pid: number; readonly startTime: string } | undefined;
  expiresAt: number;
  wroteAt: number;
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
  #held: Held | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `saved`: the last text given to `save`. Unreadable text names no holder. */
  constructor(saved: string | null, parts: WriteLeaseParts) {
    this.#times = { ...WRITE_LEASE_TIMES, ...parts.times };
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    const { fence, held, isWhole } = parse(saved);
    const { seenFence = 0 } = parts;
    // Otherwise an unknown holder may have had the highest fence.
    const isLast = isWhole && seenFence <= fence;
    this.#fence = isLast ? fence : Math.max(fence, seenFence) + 1;
    if (held === undefined || !isLast) return;
    const now = this.#now();
    // The holder could not renew while the gateway was down, and therefore gets the whole time again.
    this.#held = { ...held, ttlMs: this.#times.autoReleaseAfterMs, expiresAt: now, wroteAt: now };
    this.#extend(this.#held);
    this.#arm();
  }

  get info(): LeaseInfo | null {
    const held = this.#living();
    return held === undefined ? null : this.#infoOf(held);
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
    const held = this.#living();
    if (held !== undefined && options.take !== true) throw this.#heldBy(held);
    const process = options.pid === undefined ? undefined : this.#processOf(options.pid);
    const lease = randomBytes(24).toString('base64url');
    const ttlMs = Math.min(options.ttlMs ?? this.#times.autoReleaseAfterMs, this.#times.maxIdleHoldMs);
    const now = this.#now();
    const next: Held = { holder, leaseHash: sha256Hex(lease), ttlMs, process, expiresAt: now, wroteAt: now };
    // The number is used up even if the save fails: part of it may have reached the disk.
    this.#fence += 1;
    this.#parts.save(textOf(this.#fence, next));
    this.#held = next;
    this.#extend(next);
    this.#arm();
    this.#parts.changed?.(this.#infoOf(next));
    return { lease, ...this.#infoOf(next) };
  }

  /** Restarts the time, up to `maxIdleHoldMs` after the last write. Throws `lease_lost`. */
  renew(lease: string): Lease {
    const held = this.#require(lease);
    this.#extend(held);
    return { lease, ...this.#infoOf(held) };
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
      const held = this.#living();
      if (held !== undefined) throw this.#heldBy(held);
      return { fence: this.#fence, by };
    }
    const held = this.#require(lease);
    held.wroteAt = this.#now();
    this.#extend(held);
    return { fence: this.#fence, by: held.holder };
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
    if (this.#held !== undefined) this.#letGo();
  }

  /** Stops the timer, when the gateway ends. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #current(): Held | undefined {
    if (this.#held !== undefined && this.#held.expiresAt <= this.#now()) this.#letGo();
    return this.#held;
  }

  /** Returns the holder if its process is alive. For calls from others: a dead holder makes none. */
  #living(): Held | undefined {
    const held = this.#current();
    if (held?.process === undefined) return held;
    const found = this.#parts.processOf(held.process.pid);
    const isAlive = found !== undefined && !found.isZombie && found.startTime === held.process.startTime;
    if (!isAlive) this.#letGo();
    return this.#held;
  }

  #require(lease: string): Held {
    this.#assertThere();
    const held = this.#current();
    if (held === undefined || held.leaseHash !== sha256Hex(lease)) throw new BinnacleError('lease_lost');
    return held;
  }

  #assertThere(): void {
    if (this.#isOver) throw new BinnacleError('conversation_not_found');
  }

  #processOf(pid: number): Held['process'] {
    const found = Number.isSafeInteger(pid) && pid > 0 ? this.#parts.processOf(pid) : undefined;
    if (found !== undefined && !found.isZombie) return { pid, startTime: found.startTime };
    throw new BinnacleError('bad_request', {
      message: `There is no process ${pid} on the gateway's host.`,
      hint: 'Leave pid out if the holder runs elsewhere.',
    });
  }

  #heldBy(held: Held): BinnacleError {
    const { holder, process } = held;
    const { fence, expiresInMs } = this.#infoOf(held);
    return new BinnacleError('lease_held', {
      message: `${holder} holds the write lease of this conversation.`,
      details: { holder, fence, expiresInMs, ...(process === undefined ? {} : { pid: process.pid }) },
    });
  }

  #infoOf(held: Held): LeaseInfo {
    const expiresInMs = Math.max(0, Math.round(held.expiresAt - this.#now()));
    return { holder: held.holder, fence: this.#fence, expiresInMs };
  }

  #extend(held: Held): void {
    held.expiresAt = Math.min(this.#now() + held.ttlMs, held.wroteAt + this.#times.maxIdleHoldMs);
  }

  #letGo(): void {
    this.#held = undefined;
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
    if (this.#held === undefined || this.#isOver) return;
    // setTimeout accepts at most 2^31-1 ms, and renewals move the end without a new timer: the callback checks again.
    const delay = Math.min(Math.max(1, this.#held.expiresAt - this.#now()), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      if (this.#current() !== undefined) this.#arm();
    }, delay);
    this.#timer.unref();
  }
}

type Kept = Pick<Held, 'holder' | 'leaseHash' | 'process'>;

/** Format `{fence, holder, leaseHash, pid?, startTime?}`; holder and leaseHash are null while the lease is free. */
const textOf = (fence: number, held: Kept | undefined): string =>
  JSON.stringify({ fence, holder: held?.holder ?? null, leaseHash: held?.leaseHash ?? null, ...held?.process });

function parse(saved: string | null): {
  readonly fence: number;
  readonly held: Kept | undefined;
  /** False if the text is damaged, and does not tell whether the lease was held. */
  readonly isWhole: boolean;
} {
  if (saved === null) return { fence: 0, held: undefined, isWhole: true };
  const state = objectOf(saved);
  const { fence, holder, leaseHash, pid, startTime } = state;
  if (!isFence(fence)) return { fence: fenceIn(saved), held: undefined, isWhole: false };
  if (holder === null && leaseHash === null) return { fence, held: undefined, isWhole: true };
  const hasProcess = pid !== undefined || startTime !== undefined;
  const isWhole =
    typeof holder === 'string' &&
    typeof leaseHash === 'string' &&
    (!hasProcess || (isFence(pid) && typeof startTime === 'string'));
  if (!isWhole) return { fence, held: undefined, isWhole };
  const process = isFence(pid) && typeof startTime === 'string' ? { pid, startTime } : undefined;
  return { fence, held: { holder, leaseHash, process }, isWhole };
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
