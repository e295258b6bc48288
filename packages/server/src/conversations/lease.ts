// The write lease of one conversation. It needs no runner: each write is checked again right before its append. Its holder
// may be a process.

import { BinnacleError, defined, type Lease } from '@binnacle/protocol';
import { z } from 'zod';
import { type LeaseRules, type StoredLease, WriteLease } from '../lease/write-lease.ts';
import type { ProcessRow } from '../process/session-processes.ts';

export interface ConversationLeaseTimes {
  /** Maximum time without a write or a renewal, in ms. The lease then expires without anybody's intervention. */
  readonly autoReleaseAfterMs: number;
  /**
   * Maximum time without a write, in ms, however often the holder renews: a wedged process can still send heartbeats.
   */
  readonly maxIdleHoldMs: number;
}

export const CONVERSATION_LEASE_TIMES: ConversationLeaseTimes = {
  autoReleaseAfterMs: 300_000,
  maxIdleHoldMs: 3600_000,
};

/** State of a process on this host; see `readProcess`. */
export type ProcessState = Pick<ProcessRow, 'startTime' | 'isZombie'>;

export interface ConversationLeaseParts {
  readonly times?: Partial<ConversationLeaseTimes>;
  /** Returns the state of a process; undefined if there is none. */
  processOf(pid: number): ProcessState | undefined;
  /**
   * Stores the JSON that survives a restart. May throw; the lease is then not granted. Not called for writes, so that a
   * long transcript costs nothing.
   */
  save(state: string): void;
  /** Called after the lease was granted, released or has expired. Also called from a timer. */
  changed: LeaseRules['changed'];
}

/** Every change of the holder raises the fence, a release and an expiry too. */
export class ConversationLease extends WriteLease {
  readonly #processOf: ConversationLeaseParts['processOf'];

  /** `saved`: the last text given to `save`. Unreadable text names no holder. */
  constructor(saved: string | null, parts: ConversationLeaseParts) {
    const { autoReleaseAfterMs, maxIdleHoldMs } = { ...CONVERSATION_LEASE_TIMES, ...parts.times };
    super(storedIn(saved), {
      ttlMs: autoReleaseAfterMs,
      maxTtlMs: maxIdleHoldMs,
      maxIdleMs: maxIdleHoldMs,
      graceMs: Math.min(autoReleaseAfterMs, maxIdleHoldMs),
      raisesOnRelease: true,
      endCode: 'conversation_not_found',
      isAlive: ({ pid, startTime }) => pid === undefined || startTimeOf(parts.processOf(pid)) === startTime,
      conflict: (info, { pid }) => ({
        message: `${info.holder} is in control of this conversation.`,
        details: { ...info, ...defined({ pid }) },
      }),
      save: (state) => parts.save(JSON.stringify(state)),
      changed: (lease) => parts.changed(lease),
    });
    this.#processOf = (pid) => parts.processOf(pid);
  }

  /**
   * Grants the lease. Throws `lease_held` (details `holder`, `fence`, `expiresInMs` and, if known, `pid`) unless it is
   * free or `take` is set; `bad_request` for a `pid` that is no process of this host; the errors of `save`.
   */
  acquire(
    holder: string,
    options: { readonly take?: boolean; readonly ttlMs?: number; readonly pid?: number } = {},
  ): Lease {
    this.requireFree(options.take);
    const startTime = options.pid === undefined ? undefined : this.#startTimeOf(options.pid);
    return this.grant(holder, { ...options, startTime });
  }

  override release(lease: string): void {
    this.requireOpen();
    super.release(lease);
  }

  #startTimeOf(pid: number): string {
    const startTime = Number.isSafeInteger(pid) && pid > 0 ? startTimeOf(this.#processOf(pid)) : undefined;
    if (startTime !== undefined) return startTime;
    throw new BinnacleError('bad_request', {
      message: `There is no process ${pid} on the gateway's host.`,
      hint: 'Leave pid out if the holder runs elsewhere.',
    });
  }
}

/** Returns the start time of a process that runs. */
const startTimeOf = (process: ProcessState | undefined): string | undefined =>
  process?.isZombie === false ? process.startTime : undefined;

const Fence = z.int().nonnegative();
const Stored = z.union([
  z.object({ fence: Fence, holder: z.null(), leaseHash: z.null() }),
  z.object({
    ...{ fence: Fence, holder: z.string(), leaseHash: z.string() },
    ...{ pid: z.undefined().optional(), startTime: z.undefined().optional() },
  }),
  z.object({ fence: Fence, holder: z.string(), leaseHash: z.string(), pid: Fence, startTime: z.string() }),
]);

/** Reads the text that `save` got. Damaged text does not show whether the lease had a holder: the lease is then free. */
function storedIn(saved: string | null): StoredLease {
  const stored = Stored.safeParse(saved === null ? FREE : parseJson(saved)).data;
  return stored ?? { ...FREE, fence: fenceIn(saved ?? '') + 1 };
}

const FREE: StoredLease = { fence: 0, holder: null, leaseHash: null };

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Truncated or overwritten text names no holder.
  }
}

/** Finds the highest fence in damaged text. */
const fenceIn = (text: string): number =>
  Math.max(0, ...Array.from(text.matchAll(/"fence"\s*:\s*(\d{1,15})(?![\d.eE])/g), ([, digits]) => Number(digits)));
