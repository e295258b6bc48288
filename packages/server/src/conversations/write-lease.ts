// The write lease of one conversation: who may append to its transcript, until when, and the number that fences off
// everybody before. As sessions/lease.ts, but with no runner to tell and with holders that are processes. Knows no log.

import { randomBytes } from 'node:crypto';
import { BinnacleError, type Lease, type LeaseInfo } from '@binnacle/protocol';
import type { Admitted } from '../sessions/lease.ts';
import { sha256Hex } from '../sessions/lease-secret.ts';

export interface WriteLeaseTimes {
  /** A holder that neither writes nor renews for this long has lost it, without anybody looking after it. */
  readonly autoReleaseAfterMs: number;
  /** Renewals alone hold it no longer than this: a wedged holder can still have a heartbeat. */
  readonly maxIdleHoldMs: number;
}

export const WRITE_LEASE_TIMES: WriteLeaseTimes = { autoReleaseAfterMs: 300_000, maxIdleHoldMs: 3600_000 };

/** What is known of a process on this host; see `readProcess`. */
export interface HolderProcess {
  /** Together with the pid it names one process for ever. */
  readonly startTime: string;
  readonly isZombie: boolean;
}

export interface WriteLeaseParts {
  readonly times?: Partial<WriteLeaseTimes>;
  /** Undefined when there is no such process. */
  processOf(pid: number): HolderProcess | undefined;
  /**
   * Keeps what survives a restart; JSON. May throw: then nobody gets the lease. Not called by writing, so a long
   * transcript costs nothing.
   */
  save(state: string): void;
  /** It has changed hands, or was let go of. Also called out of a timer. */
  changed?(lease: LeaseInfo | null): void;
  /**
   * The highest fence that the log has seen. The log is kept when what `save` wrote is lost or is older: without this
   * a number could be given twice. Default 0.
   */
  readonly seenFence?: number;
  /** Monotonic, in ms: a clock that jumps takes the lease from nobody. */
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
 * Every change of hands raises the fence: taking, acquiring, releasing, expiring. So what was admitted before it is
 * refused when it comes to be appended. Nothing waits in here: who does not get it is told at once by whom and for how
 * long it is held. It is not reentrant: a holder that asks again is refused like anybody.
 */
export class WriteLease {
  readonly #times: WriteLeaseTimes;
  readonly #parts: WriteLeaseParts;
  readonly #now: () => number;
  #fence: number;
  #held: Held | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `saved`: what `save` was given last. What cannot be read names no holder. */
  constructor(saved: string | null, parts: WriteLeaseParts) {
    this.#times = { ...WRITE_LEASE_TIMES, ...parts.times };
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    const { fence, held, isWhole } = parse(saved);
    const { seenFence = 0 } = parts;
    // Where that is not the last word, somebody may have had the highest number whom we know nothing of.
    const isLast = isWhole && seenFence <= fence;
    this.#fence = isLast ? fence : Math.max(fence, seenFence) + 1;
    if (held === undefined || !isLast) return;
    const now = this.#now();
    // Nobody could renew while we were away, so it has its whole time again.
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
   * Throws `lease_held` (details `holder`, `fence`, `expiresInMs` and, where it is known, `pid`) unless it is free or
   * `take` is set; `bad_request` for a `pid` that is no process of this host; what `save` throws.
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
    // Used up also if it cannot be saved: nobody knows how much of it came to the disk.
    this.#fence += 1;
    this.#parts.save(textOf(this.#fence, next));
    this.#held = next;
    this.#extend(next);
    this.#arm();
    this.#parts.changed?.(this.#infoOf(next));
    return { lease, ...this.#infoOf(next) };
  }

  /** Starts the time anew, up to `maxIdleHoldMs` from the last write. Throws `lease_lost`. */
  renew(lease: string): Lease {
    const held = this.#require(lease);
    this.#extend(held);
    return { lease, ...this.#infoOf(held) };
  }

  /** Bound to this hold: the lease of an earlier one frees nothing. Throws `lease_lost`. */
  release(lease: string): void {
    this.#require(lease);
    this.#letGo();
  }

  /**
   * Admits one write: of the holder, whose time starts anew, or without a lease while nobody holds it. Throws
   * `lease_held` and `lease_lost`. Pass what it returns to `check` right before the append.
   */
  admit(by: string, lease?: string): Admitted {
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

  /** In the same turn as the append. Throws `lease_lost` when it has changed hands since that write was admitted. */
  check(admitted: Admitted): void {
    this.#assertThere();
    // Looks at the clock first: a timer can be late.
    this.#current();
    if (admitted.fence !== this.#fence) throw new BinnacleError('lease_lost', { details: { fence: this.#fence } });
  }

  /** The conversation is deleted: its lease goes with it, and nobody gets another. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stop();
    if (this.#held !== undefined) this.#letGo();
  }

  /** Stops the clock; for the gateway's end. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #current(): Held | undefined {
    if (this.#held !== undefined && this.#held.expiresAt <= this.#now()) this.#letGo();
    return this.#held;
  }

  /** For others than the holder, who would not ask if it were dead. */
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
      // It is let go of all the same. After a restart the holder has its time again; `seenFence` shuts it out if
      // anybody has written since.
    }
    this.#parts.changed?.(null);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#held === undefined || this.#isOver) return;
    // setTimeout takes at most 2^31-1 ms, and the end moves without arming: it looks again when it fires.
    const delay = Math.min(Math.max(1, this.#held.expiresAt - this.#now()), 2 ** 31 - 1);
    this.#timer = setTimeout(() => {
      if (this.#current() !== undefined) this.#arm();
    }, delay);
    this.#timer.unref();
  }
}

type Kept = Pick<Held, 'holder' | 'leaseHash' | 'process'>;

/** `{fence, holder, leaseHash, pid?, startTime?}`; holder and leaseHash are null while nobody holds it. */
const textOf = (fence: number, held: Kept | undefined): string =>
  JSON.stringify({ fence, holder: held?.holder ?? null, leaseHash: held?.leaseHash ?? null, ...held?.process });

function parse(saved: string | null): {
  readonly fence: number;
  readonly held: Kept | undefined;
  /** False: it is not what we wrote, and does not tell whether anybody held it. */
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
    return {}; // Cut off in the middle, or overwritten: it says nothing of a holder.
  }
}

const isFence = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** What can still be read of text that is damaged. */
const fenceIn = (text: string): number =>
  Math.max(0, ...Array.from(text.matchAll(/"fence"\s*:\s*(\d{1,15})(?![\d.eE])/g), ([, digits]) => Number(digits)));
