// The lease of one session. The runner checks the fence of each write, so it learns a new fence before anyone else.

import type { Lease } from '@binnacle/protocol';
import { SerialQueue } from '../base/serial-queue.ts';
import { type LeaseRules, type StoredLease, WriteLease } from '../lease/write-lease.ts';

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

export interface SessionLeaseEvents extends Pick<LeaseRules, 'changed' | 'save'> {
  /** Called before anyone is notified: from here on the old holder's writes must be refused. */
  raiseFence(fence: number): Promise<void>;
}

/** A writer and the proof of its right to write. */
export interface Steering {
  /** Name that the log and other users see. */
  readonly name: string;
  readonly lease?: string;
  readonly connection?: string;
}

interface NewLease {
  readonly ttlMs?: number;
  readonly connection?: string;
}

export class SessionLease extends WriteLease {
  readonly #raiseFence: SessionLeaseEvents['raiseFence'];
  /** Changes of hands: each waits until the runner has the fencing number of the one before. */
  readonly #changes = new SerialQueue();

  constructor(
    stored: StoredLease,
    { times, events }: { readonly times: SessionLeaseTimes; readonly events: SessionLeaseEvents },
  ) {
    super(stored, {
      ttlMs: times.autoReleaseAfterMs,
      maxTtlMs: MAX_TTL_MS,
      graceMs: times.graceMs,
      // The runner learns of no release, and a write that was admitted before one may still arrive.
      raisesOnRelease: false,
      endCode: 'session_exited',
      isAlive: () => true,
      conflict: ({ holder, fence }) => ({ message: `${holder} is in control.`, details: { holder, fence } }),
      changed: (lease) => events.changed(lease),
      save: (state) => events.save(state),
    });
    this.#raiseFence = (fence) => events.raiseFence(fence);
  }

  /**
   * Throws `lease_held` (details `holder`) unless the lease is free or `take` is set, and `session_exited` after the
   * end.
   */
  acquire(holder: string, options: NewLease & { readonly take?: boolean } = {}): Promise<Lease> {
    return this.#changes.run(async () => {
      this.requireFree(options.take);
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
    options: NewLease & { readonly from?: string } = {},
  ): Promise<Lease> {
    return this.#changes.run(async () => {
      this.requireHolder(lease, options.from);
      return await this.#give(holder, options);
    });
  }

  async #give(holder: string, options: NewLease): Promise<Lease> {
    const fence = this.fence + 1;
    try {
      await this.#raiseFence(fence);
    } catch (error) {
      // The runner may or may not have the new number: the number is used up, and the holder of an older number is
      // fenced off.
      this.catchUp(fence);
      throw error;
    }
    // Throws if the program has ended while this waited for the queue or the runner; that lease would never end.
    return this.grant(holder, { ...options, fence });
  }
}
