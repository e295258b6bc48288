// From a terminal in a page to its session: typing, the helm, the size. Takes a free helm for what is typed. Knows no React.

import { BinnacleError } from '@binnacle/protocol';
import type { Session } from '../../session/session.ts';
import { asError } from '../result.ts';

/** Who shows the session: changes of the helm go through it, so that it shows them. */
export interface SteerOwner {
  readonly session: Session;
  /** Gets the helm if it is free, or takes it from whoever has it. */
  hold(action: 'acquire' | 'take'): Promise<unknown>;
  release(): Promise<void>;
}

// The client renews the lease as long as the page is open; a forgotten tab must not keep the helm. As the gateway's
// own autoReleaseAfterMs.
const IDLE_MS = 300_000;
// A window that is dragged changes its size with each frame; the program needs the last one.
const RESIZE_AFTER_MS = 80;
/** Typed while the helm is on its way. */
const MAX_WAITING = 1024 * 1024;

/** Who took the helm from us; null: it ran out. Undefined: nobody lost it, for the program has ended. */
export function lostTo({ code, details }: BinnacleError): string | null | undefined {
  if (code === 'session_exited') return undefined;
  return typeof details?.holder === 'string' ? details.holder : null;
}

interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

export class TerminalSteer {
  protected readonly session: Session;
  private readonly owner: SteerOwner;
  private readonly failed: (error: BinnacleError | undefined) => void;
  private readonly unlisten: () => void;
  private waiting: string[];
  private isGetting: boolean;
  private isStopped: boolean;
  private idle: ReturnType<typeof setTimeout> | undefined;
  private resizing: ReturnType<typeof setTimeout> | undefined;

  /** `failed`: something did not get there, and why; undefined: we have got the helm since then. */
  constructor(owner: SteerOwner, failed: (error: BinnacleError | undefined) => void) {
    this.session = owner.session;
    this.owner = owner;
    this.failed = failed;
    this.waiting = [];
    this.isGetting = false;
    this.isStopped = false;
    this.idle = undefined;
    this.resizing = undefined;
    this.unlisten = this.session.lease.on('given', () => this.touched());
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
    if (this.waiting.reduce((sum, { length }) => sum + length, text.length) > MAX_WAITING) {
      this.fail(new BinnacleError('input_full'));
      return;
    }
    this.waiting.push(text);
    if (!this.isGetting) this.acquire();
  }

  /** Mouse reports, only with the helm: looking around must not take it. */
  pointed(report: string | Uint8Array): void {
    if (this.holds) this.send(report);
  }

  /** What the emulator answered, once, and only with the helm: one program gets one answer. */
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
    this.owner.release().catch((thrown: unknown) => this.fail(thrown));
  }

  /** Gives the program this size, if the helm is ours and it lasts for a moment. */
  resize(size: TerminalSize): void {
    clearTimeout(this.resizing);
    this.resizing = setTimeout(() => this.resizeNow(size), RESIZE_AFTER_MS);
  }

  /** As `resize`, without waiting: what comes behind it is a release. */
  resizeNow({ cols, rows }: TerminalSize): void {
    clearTimeout(this.resizing);
    if (this.holds) this.session.resize(cols, rows).catch((thrown: unknown) => this.fail(thrown));
  }

  stop(): void {
    this.isStopped = true;
    this.stopTimers();
    this.unlisten();
    this.waiting = [];
  }

  protected fail(thrown: unknown): void {
    const error = asError(thrown);
    // That the helm was lost is said already.
    if (!this.isStopped && error.code !== 'taken_over' && error.code !== 'client_closed') this.failed(error);
  }

  protected stopTimers(): void {
    clearTimeout(this.idle);
    clearTimeout(this.resizing);
  }

  private get(action: 'acquire' | 'take'): void {
    this.isGetting = true;
    this.owner
      .hold(action)
      .then(
        () => {
          // Nobody is left who would type, or let go of it.
          if (this.isStopped) return this.session.lease.release();
          this.failed(undefined);
          this.touched();
          for (const text of this.waiting.splice(0)) this.send(text);
          return undefined;
        },
        // What was typed goes nowhere, and that is said: later it might do harm.
        (thrown: unknown) => this.fail(this.waiting.splice(0).length > 0 ? notSent(asError(thrown)) : thrown),
      )
      .catch((thrown: unknown) => this.fail(thrown))
      .finally(() => {
        this.isGetting = false;
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
}

function notSent(error: BinnacleError): BinnacleError {
  if (error.code !== 'lease_held') return error;
  const { holder } = error.details ?? {};
  return new BinnacleError('lease_held', {
    message: `${typeof holder === 'string' ? holder : 'Somebody else'} has the helm. What you typed was not sent.`,
    hint: 'Take the helm over to type.',
  });
}
