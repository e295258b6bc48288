// From a terminal in a page to its session: typing, the helm, the size. Takes a free helm for what is typed. Knows no React.

import { BinnacleError } from '@binnacle/protocol';
import { asError } from './result.ts';
import type { SessionFollow } from './session-follow.ts';

// The client renews the lease as long as the page is open; a forgotten tab must not keep the helm. As the gateway's
// own autoReleaseAfterMs.
const IDLE_MS = 300_000;
// A window that is dragged changes its size with each frame; the program needs the last one.
const RESIZE_AFTER_MS = 80;
/** Typed while the helm is on its way. */
const MAX_WAITING = 1024 * 1024;

export class TerminalSteer {
  private readonly follow: SessionFollow;
  private readonly failed: (error: BinnacleError | undefined) => void;
  private waiting: string[];
  private isAcquiring: boolean;
  private idle: ReturnType<typeof setTimeout> | undefined;
  private resizing: ReturnType<typeof setTimeout> | undefined;

  /** `failed`: what was typed did not get there, and why; undefined: since then it did. */
  constructor(follow: SessionFollow, failed: (error: BinnacleError | undefined) => void) {
    this.follow = follow;
    this.failed = failed;
    this.waiting = [];
    this.isAcquiring = false;
    this.idle = undefined;
    this.resizing = undefined;
  }

  /** Sends what was typed, in order. Takes the helm first where nobody has it. */
  typed(text: string): void {
    if (this.follow.holds && this.waiting.length === 0) {
      this.send(text);
      return;
    }
    if (this.waiting.reduce((sum, { length }) => sum + length, text.length) > MAX_WAITING) {
      this.fail(new BinnacleError('input_full'));
      return;
    }
    this.waiting.push(text);
    if (!this.isAcquiring) this.get('acquire');
  }

  /** Mouse reports, only with the helm: looking around must not take it. */
  pointed(report: string | Uint8Array): void {
    if (this.follow.holds) this.send(report);
  }

  /** What the emulator answered, once, and only with the helm: one program gets one answer. */
  replied(text: string): void {
    if (!this.follow.holds) return;
    this.follow.session.write(text, { auto: true }).catch((thrown: unknown) => this.fail(thrown));
  }

  take(): void {
    this.get('take');
  }

  /** Gives the program this size, if the helm is ours and it lasts for a moment. */
  resize({ cols, rows }: { readonly cols: number; readonly rows: number }): void {
    clearTimeout(this.resizing);
    this.resizing = setTimeout(() => {
      if (!this.follow.holds) return;
      this.follow.session.resize(cols, rows).catch((thrown: unknown) => this.fail(thrown));
    }, RESIZE_AFTER_MS);
  }

  stop(): void {
    clearTimeout(this.idle);
    clearTimeout(this.resizing);
    this.waiting = [];
  }

  private get(action: 'acquire' | 'take'): void {
    this.isAcquiring = true;
    this.follow
      .hold(action)
      .then(
        () => {
          this.failed(undefined);
          for (const text of this.waiting.splice(0)) this.send(text);
          this.touched();
        },
        // What was typed goes nowhere, and that is said: later it might do harm.
        (thrown: unknown) => this.fail(this.waiting.splice(0).length > 0 ? notSent(asError(thrown)) : thrown),
      )
      .finally(() => {
        this.isAcquiring = false;
      });
  }

  private send(input: string | Uint8Array): void {
    this.touched();
    this.follow.session.write(input).catch((thrown: unknown) => this.fail(thrown));
  }

  private touched(): void {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      if (this.follow.holds) this.follow.release().catch((thrown: unknown) => this.fail(thrown));
    }, IDLE_MS);
  }

  private fail(thrown: unknown): void {
    const error = asError(thrown);
    // That the helm was lost is said already.
    if (error.code !== 'taken_over' && error.code !== 'client_closed') this.failed(error);
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
