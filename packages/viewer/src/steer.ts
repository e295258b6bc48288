// From the page to a session: typing, the helm, the size. Takes a free helm for what is typed. Knows no React.

import type { Session } from '@binnacle/client';
import { BinnacleError, type LeaseInfo } from '@binnacle/protocol';
import { asFailure } from './failure.tsx';
import type { Size } from './screen.ts';

export interface Steered {
  readonly lease: LeaseInfo | null;
  readonly yours: boolean;
  /** A change of the helm is under way. */
  readonly busy: boolean;
  /** Who took the helm from us; null: it ran out. Undefined: we did not lose it. */
  readonly lostTo: string | null | undefined;
  readonly error: BinnacleError | undefined;
}

// The client renews the lease as long as the page is open; a forgotten tab must not keep the helm. As the gateway's
// own autoReleaseAfterMs.
const IDLE_MS = 300_000;
// A window that is dragged changes its size with each frame; the program needs the last one.
const RESIZE_AFTER_MS = 80;
// A shell, its job, that one's job: deeper nesting is rare, and removing the session ends that too.
const KILL_ROUNDS = 6;
// A killed job is reaped and reported within this.
const KILL_WAIT_MS = 700;
const STILL_RUNNING = {
  message: 'The program still runs.',
  hint: 'End and remove the session: that ends every process in it.',
};

export class Steer {
  private readonly session: Session;
  private readonly changed: (change: Partial<Steered>) => void;
  private readonly undo: (() => void)[];
  /** Typed while the helm was not ours yet. */
  private waiting: string[];
  private acquiring: boolean;
  private idle: ReturnType<typeof setTimeout> | undefined;
  private resizing: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Session, lease: LeaseInfo | null, changed: (change: Partial<Steered>) => void) {
    this.session = session;
    this.changed = changed;
    this.waiting = [];
    this.acquiring = false;
    this.idle = undefined;
    this.resizing = undefined;
    changed({ lease, yours: false, busy: false, lostTo: undefined, error: undefined });
    this.undo = [
      session.lease.on('change', ({ lease: now }) => changed({ lease: now, yours: this.holds })),
      session.lease.on('lost', (error) => {
        const holder = error.details?.holder;
        changed({ lease: session.lease.info, yours: false, lostTo: typeof holder === 'string' ? holder : null });
      }),
    ];
  }

  get holds(): boolean {
    return this.session.lease.held !== null;
  }

  /** Sends what was typed, in order. Takes the helm first where nobody has it. */
  typed(text: string): void {
    if (this.holds && this.waiting.length === 0) {
      this.send(text);
      return;
    }
    this.waiting.push(text);
    if (!this.acquiring) this.acquire();
  }

  /** Sends mouse reports, and only with the helm: looking around must not take it. */
  pointed(report: string | Uint8Array): void {
    if (this.holds) this.send(report);
  }

  /** Sends what the emulator answered, once, and only with the helm: one program gets one answer. */
  replied(text: string): void {
    if (this.holds) this.session.write(text, { auto: true }).catch((thrown: unknown) => this.fail(thrown));
  }

  acquire(): void {
    this.get('acquire');
  }

  take(): void {
    this.get('take');
  }

  release(): void {
    this.stopTimers();
    this.changed({ yours: false, lease: null, lostTo: undefined });
    this.session.lease.release().catch((thrown: unknown) => this.fail(thrown));
  }

  /** Gives the program this size, if the helm is ours and it lasts for a moment. */
  resize(size: Size): void {
    clearTimeout(this.resizing);
    this.resizing = setTimeout(() => {
      if (this.holds) this.session.resize(size.cols, size.rows).catch((thrown: unknown) => this.fail(thrown));
    }, RESIZE_AFTER_MS);
  }

  interrupt(): void {
    this.session.signal('SIGINT').catch((thrown: unknown) => this.fail(thrown));
  }

  /** Kills the program. A signal goes to the job in the foreground, so a shell is the second to get it. */
  async kill(isRunning: () => boolean): Promise<void> {
    for (let round = 0; round < KILL_ROUNDS && isRunning(); round += 1) {
      try {
        await this.session.signal('SIGKILL');
      } catch (thrown) {
        const error = asFailure(thrown);
        if (error.code === 'session_exited') return;
        // The job of the last round is gone, and its shell is not in the foreground yet.
        if (error.code !== 'no_job') throw error;
      }
      await until(() => !isRunning(), KILL_WAIT_MS);
    }
    if (isRunning()) throw new BinnacleError('internal', STILL_RUNNING);
  }

  stop(): void {
    this.stopTimers();
    for (const undo of this.undo) undo();
  }

  private get(action: 'acquire' | 'take'): void {
    this.acquiring = true;
    this.changed({ busy: true, error: undefined });
    this.session.lease[action]()
      .then(
        (lease) => {
          this.changed({ lease, yours: true, lostTo: undefined });
          this.touched();
          for (const text of this.waiting.splice(0)) this.send(text);
        },
        (thrown: unknown) => {
          // What was typed goes nowhere, and the notice says so: later it might do harm.
          const lost = this.waiting.splice(0).length > 0;
          this.fail(lost ? notSent(asFailure(thrown)) : thrown);
        },
      )
      .finally(() => {
        this.acquiring = false;
        this.changed({ busy: false });
      });
  }

  private send(input: string | Uint8Array): void {
    this.touched();
    this.session.write(input).catch((thrown: unknown) => this.fail(thrown));
  }

  private touched(): void {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      if (this.holds) this.release();
    }, IDLE_MS);
  }

  private stopTimers(): void {
    clearTimeout(this.idle);
    clearTimeout(this.resizing);
  }

  private fail(thrown: unknown): void {
    const error = asFailure(thrown);
    // The notice about the lost helm says it already.
    if (error.code === 'taken_over' || error.code === 'client_closed') return;
    this.changed(error.code === 'lease_held' ? { error, lostTo: undefined } : { error });
  }
}

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}

function notSent(error: BinnacleError): BinnacleError {
  if (error.code !== 'lease_held') return error;
  const holder = error.details?.holder;
  return new BinnacleError('lease_held', {
    message: `${typeof holder === 'string' ? holder : 'Somebody else'} has the helm. What you typed was not sent.`,
    hint: 'Take the helm over to type.',
  });
}
