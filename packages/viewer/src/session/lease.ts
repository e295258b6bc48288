// The lease of a session, as the page shows and changes it, and the other actions that control the session.

import type { Session } from '@binnacle/client';
import { lostTo, type SteerOwner, TerminalSteer } from '@binnacle/client/terminal';
import { BinnacleError, type LeaseInfo, type Watcher } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';

export interface ControlState {
  readonly lease: LeaseInfo | null;
  readonly yours: boolean;
  /** True while a change of the lease is under way. */
  readonly busy: boolean;
  /** The holder that took the lease from this page; null: the lease expired. Undefined: this page did not lose it. */
  readonly lostTo: string | null | undefined;
  readonly error: BinnacleError | undefined;
  /** The viewer that asks this page for the lease. */
  readonly requester: Watcher | undefined;
  /** True if this page asked the holder for the lease. */
  readonly hasRequested: boolean;
  /** Name of the viewer that handed the lease to this page. */
  readonly receivedFrom: string | undefined;
}

export const NO_CONTROL: ControlState = {
  lease: null,
  yours: false,
  busy: false,
  lostTo: undefined,
  error: undefined,
  requester: undefined,
  hasRequested: false,
  receivedFrom: undefined,
};

// Maximum rounds of signals: a shell, its job, and that job's job. Deeper nesting is rare, and removing the session
// ends that too.
const KILL_ROUNDS = 6;
// Maximum delay until a killed job is reaped and reported.
const KILL_WAIT_MS = 700;
const STILL_RUNNING = {
  message: 'The program still runs.',
  hint: 'End and remove the session: that ends every process in it.',
};

export class Steer extends TerminalSteer {
  readonly #changed: (change: Partial<ControlState>) => void;
  readonly #undo: (() => void)[];
  /** Fencing number of the last reported lease. */
  #fence: number | undefined;

  constructor(session: Session, lease: LeaseInfo | null, changed: (change: Partial<ControlState>) => void) {
    super(ownerOf(session, changed), (error) =>
      changed(error?.code === 'lease_held' ? { error, lostTo: undefined } : { error }),
    );
    this.#changed = changed;
    this.#fence = lease?.fence;
    changed({ ...NO_CONTROL, lease });
    this.#undo = [
      session.lease.on('change', ({ lease: now }) => {
        const yours = this.holds;
        // A new holder: requests to the former holder are obsolete.
        const isOther = now?.fence !== this.#fence;
        this.#fence = now?.fence;
        changed({ lease: now, yours, ...(isOther ? { hasRequested: false, requester: undefined } : {}) });
      }),
      session.lease.on('requested', (requester) => changed({ requester })),
      session.lease.on('received', ({ by }) => {
        changed({
          lease: session.lease.info,
          yours: true,
          receivedFrom: by,
          lostTo: undefined,
          hasRequested: false,
          error: undefined,
        });
      }),
      session.lease.on('lost', (error) => {
        changed({ lease: session.lease.info, yours: false, lostTo: lostTo(error) });
      }),
    ];
  }

  /** Asks the holder for the lease. */
  ask(): void {
    this.#changed({ hasRequested: true, error: undefined });
    this.session.lease.request().catch((cause: unknown) => {
      this.#changed({ hasRequested: false });
      // The lease became free meanwhile, so this page takes it.
      if (asFailure(cause).code === 'helm_free') this.acquire();
      else this.fail(cause);
    });
  }

  transfer(to: string): void {
    this.stopTimers();
    this.#changed({ requester: undefined });
    this.session.lease.transferTo(to).then(
      () => this.#changed({ lease: this.session.lease.info, yours: this.holds }),
      (cause: unknown) => this.fail(cause),
    );
  }

  interrupt(): void {
    this.session.signal('SIGINT').catch((cause: unknown) => this.fail(cause));
  }

  /** Kills the program. A signal goes to the foreground job, so a shell is killed only in the second round. */
  async kill(isRunning: () => boolean): Promise<void> {
    for (let round = 0; round < KILL_ROUNDS && isRunning(); round += 1) {
      try {
        await this.session.signal('SIGKILL');
      } catch (cause) {
        const error = asFailure(cause);
        if (error.code === 'session_exited') return;
        // The job of the last round is gone, and its shell is not in the foreground yet.
        if (error.code !== 'no_job') throw error;
      }
      await until(() => !isRunning(), KILL_WAIT_MS);
    }
    if (isRunning()) throw new BinnacleError('internal', STILL_RUNNING);
  }

  override stop(): void {
    super.stop();
    for (const undo of this.#undo) undo();
  }
}

const ownerOf = (session: Session, changed: (change: Partial<ControlState>) => void): SteerOwner => ({
  session,
  hold: async (action) => {
    changed({ busy: true, error: undefined });
    try {
      changed({ lease: await session.lease[action](), yours: true, lostTo: undefined });
    } finally {
      changed({ busy: false });
    }
  },
  release: async () => {
    changed({ yours: false, lease: null, lostTo: undefined, requester: undefined, receivedFrom: undefined });
    await session.lease.release();
  },
});

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}
