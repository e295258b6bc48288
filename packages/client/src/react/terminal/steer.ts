// From a terminal in a page to its session: typing, the lease, the size. Takes a free lease for what is typed. Knows no
// React.

import { BinnacleError } from '@binnacle/protocol';
import type { Session } from '../../session/session.ts';

/** The component that shows the session. Changes of the lease go through it, so that it shows them. */
export interface SteerOwner {
  /** Handle to the session. */
  readonly session: Session;
  /** Acquires the lease if it is free (`acquire`), or takes it from its holder (`take`). */
  hold(action: 'acquire' | 'take'): Promise<unknown>;
  /** Releases the lease. */
  release(): Promise<void>;
  /** Asks the holder for the lease. Default: `session.lease.request`. */
  request?(): Promise<void>;
  /** Hands the lease over. Default: `session.lease.transferTo`. */
  transfer?(to: string): Promise<void>;
}

// The client renews the lease as long as the page is open; a forgotten tab must not keep it. The same as the gateway's
// autoReleaseAfterMs.
const IDLE_MS = 300_000;
// A window that is dragged changes its size with each frame; the program needs the last one.
const RESIZE_AFTER_MS = 80;
/** Maximum text that waits for the lease. */
const MAX_WAITING = 1024 * 1024;

/** Returns who took the lease; null if it expired; undefined if the program has ended. */
export function lostTo({ code, details }: BinnacleError): string | null | undefined {
  if (code === 'session_exited') return undefined;
  return typeof details?.holder === 'string' ? details.holder : null;
}

interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/**
 * Sends what is typed in a terminal to its session. Typing takes a free lease first; if another client holds it, the
 * text waits for `acquire` or `take`, at most 1 MiB.
 */
export class TerminalSteer {
  protected readonly session: Session;
  readonly #owner: SteerOwner;
  readonly #failed: (error: BinnacleError | undefined) => void;
  readonly #unlisten: () => void;
  #waiting: string[] = [];
  #isGetting = false;
  #isStopped = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #resizing: ReturnType<typeof setTimeout> | undefined;

  /** `failed` is called with the error of input that was not delivered; with undefined once the lease is held again. */
  constructor(owner: SteerOwner, failed: (error: BinnacleError | undefined) => void) {
    this.session = owner.session;
    this.#owner = owner;
    this.#failed = failed;
    this.#unlisten = this.session.lease.on('received', () => {
      this.#failed(undefined);
      this.#touched();
    });
  }

  /** Whether this client holds the lease. */
  get holds(): boolean {
    return this.session.lease.current !== null;
  }

  /** Sends typed text, in order. Takes a free lease first. */
  typed(text: string): void {
    if (this.holds && this.#waiting.length === 0) {
      this.#send(text);
      return;
    }
    if (this.#waiting.reduce((sum, { length }) => sum + length, text.length) > MAX_WAITING) {
      this.fail(new BinnacleError('input_full'));
      return;
    }
    this.#waiting.push(text);
    if (!this.#isGetting) this.acquire();
  }

  /** Sends a mouse report, only while this client holds the lease: looking around must not take it. */
  pointed(report: string | Uint8Array): void {
    if (this.holds) this.#send(report);
  }

  /** Sends an automatic answer of the emulator, once, and only while this client holds the lease. */
  replied(text: string): void {
    if (this.holds) this.session.write(text, { auto: true }).catch((cause: unknown) => this.fail(cause));
  }

  /** Acquires a free lease. */
  acquire(): void {
    this.#get('acquire');
  }

  /** Takes the lease from its holder. */
  take(): void {
    this.#get('take');
  }

  /** Releases the lease. */
  release(): void {
    this.stopTimers();
    this.#owner.release().catch((cause: unknown) => this.fail(cause));
  }

  /** Asks the holder for the lease. Acquires the lease if it became free meanwhile. */
  ask(): void {
    this.#failed(undefined);
    (this.#owner.request?.() ?? this.session.lease.request()).catch((cause: unknown) => {
      if (BinnacleError.of(cause).code === 'helm_free') this.acquire();
      else this.fail(cause);
    });
  }

  /** Hands the lease over to a client that follows the session, by its `id` in `Session.watchers`. */
  transfer(to: string): void {
    this.stopTimers();
    const transferred = this.#owner.transfer?.(to) ?? this.session.lease.transferTo(to);
    transferred.catch((cause: unknown) => this.fail(cause));
  }

  /** Sends SIGINT to the foreground job. */
  interrupt(): void {
    this.session.signal('SIGINT').catch((cause: unknown) => this.fail(cause));
  }

  /** Gives the terminal this size, debounced, while this client holds the lease. */
  resize(size: TerminalSize): void {
    clearTimeout(this.#resizing);
    this.#resizing = setTimeout(() => this.resizeNow(size), RESIZE_AFTER_MS);
  }

  /** Gives the terminal this size at once, because a release follows. */
  resizeNow({ cols, rows }: TerminalSize): void {
    clearTimeout(this.#resizing);
    if (this.holds) this.session.resize(cols, rows).catch((cause: unknown) => this.fail(cause));
  }

  /** Stops all timers and drops what waits. */
  stop(): void {
    this.#isStopped = true;
    this.stopTimers();
    this.#unlisten();
    this.#waiting = [];
  }

  protected fail(cause: unknown): void {
    const error = BinnacleError.of(cause);
    // The loss of the lease is reported already.
    if (!this.#isStopped && error.code !== 'taken_over' && error.code !== 'client_closed') this.#failed(error);
  }

  protected stopTimers(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#resizing);
  }

  #get(action: 'acquire' | 'take'): void {
    this.#isGetting = true;
    this.#owner
      .hold(action)
      .then(
        () => {
          // The component is gone, and with it everything that would release the lease.
          if (this.#isStopped) return this.session.lease.release();
          this.#failed(undefined);
          this.#touched();
          for (const text of this.#waiting.splice(0)) this.#send(text);
          return undefined;
        },
        // The text is dropped and reported: sent later it might do harm.
        (cause: unknown) => this.fail(this.#waiting.splice(0).length > 0 ? notSent(BinnacleError.of(cause)) : cause),
      )
      .catch((cause: unknown) => this.fail(cause))
      .finally(() => {
        this.#isGetting = false;
      });
  }

  #send(input: string | Uint8Array): void {
    this.#touched();
    this.session.write(input).catch((cause: unknown) => this.fail(cause));
  }

  #touched(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.holds) this.release();
    }, IDLE_MS);
  }
}

function notSent(error: BinnacleError): BinnacleError {
  if (error.code !== 'lease_held') return error;
  const { holder } = error.details ?? {};
  return new BinnacleError('lease_held', {
    message: `${typeof holder === 'string' ? holder : 'Somebody else'} is in control. What you typed was not sent.`,
    hint: 'Take control to type.',
  });
}
