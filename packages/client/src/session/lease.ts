// The lease of one session: acquires it, renews it while it is held, and reports when it is lost.

import {
  BinnacleError,
  CODES,
  type Lease,
  type LeaseAction,
  type LeaseInfo,
  type ServerFrame,
  type Watcher,
} from '@binnacle/protocol';
import type { Connection, Participant } from '../transport/connection.ts';
import { Emitter } from '../transport/event-emitter.ts';

/** Options of `acquire` and `take`. */
export interface LeaseRequest {
  /** Name that others see. Default: the name of the token. */
  readonly holder?: string;
  /** Milliseconds without renewal until the gateway releases the lease. Default: the gateway's. */
  readonly ttlMs?: number;
}

/** A change of the holder. */
export interface LeaseChange {
  /** The holder; null if the lease is free. */
  readonly lease: LeaseInfo | null;
  /** Whether this client holds it. */
  readonly yours: boolean;
}

/** Events of a session's lease. */
export interface LeaseEvents {
  /**
   * The holder changed; also sent whenever the session is attached. Received while it is attached or the lease is held.
   */
  change: LeaseChange;
  /**
   * This client no longer holds the lease: `taken_over`, `lease_lost`, `session_exited`, or the error that stopped the
   * client.
   */
  lost: BinnacleError;
  /** Another client asks for the lease that this client holds. `transferTo(by.id)` gives it away. */
  requested: Watcher;
  /** Another client has handed the lease over to this one. */
  received: { readonly by: string };
}

/** Two renewals may fail before the lease runs out. */
const RENEWALS = 3;

/**
 * Lease of one session, as `Session.lease`. While a client holds it, the gateway refuses the input of all others. The
 * client renews it until it is released.
 *
 * @example
 * ```ts
 * session.lease.on('lost', ({ code, details }) => console.log(code, details));
 * await session.lease.take({ holder: 'Ada' });
 * await session.write('exit\n');
 * await session.lease.release();
 * ```
 */
export class SessionLease {
  private readonly connection: Connection;
  private readonly session: string;
  private readonly events: Emitter<LeaseEvents>;
  private readonly participant: Participant;
  private unlisten: (() => void) | null;
  private lease: Lease | null;
  private latest: LeaseInfo | null;
  private ttlMs: number | undefined;
  private timer: ReturnType<typeof setTimeout> | null;
  /** Milliseconds since 1970. */
  private expiresAt: number;
  /** The connection on which the lease was last got or renewed is gone. */
  private isAdrift: boolean;
  /** The lease is being handed over: it is not lost. */
  private isTransferring: boolean;
  /** Number of calls of `drop`. */
  private drops: number;

  constructor(connection: Connection, session: string) {
    this.connection = connection;
    this.session = session;
    this.events = new Emitter();
    this.unlisten = null;
    this.lease = null;
    this.latest = null;
    this.ttlMs = undefined;
    this.timer = null;
    this.expiresAt = 0;
    this.isAdrift = false;
    this.isTransferring = false;
    this.drops = 0;
    this.participant = {
      opened: () => {
        if (this.isAdrift) this.keep();
      },
      lost: () => {
        this.isAdrift = true;
      },
      stopped: (error) => this.lose(error),
    };
  }

  /** The lease that this client holds; null if it holds none. */
  get current(): Lease | null {
    return this.lease;
  }

  /** The holder as last reported; null if the lease is free or nothing was reported yet. */
  get info(): LeaseInfo | null {
    return this.latest;
  }

  /** Adds a listener. Returns a function that removes it. */
  on<K extends keyof LeaseEvents>(name: K, listener: (value: LeaseEvents[K]) => void): () => void {
    this.listen();
    return this.events.on(name, listener);
  }

  /**
   * Acquires a free lease and renews it from then on. Throws `lease_held` (`details.holder`) while another client has
   * it, `session_exited`, `forbidden`.
   */
  acquire(request: LeaseRequest = {}): Promise<Lease> {
    return this.get('acquire', request);
  }

  /** Takes the lease from its holder, who is notified. Throws `session_exited`, `forbidden`. */
  take(request: LeaseRequest = {}): Promise<Lease> {
    return this.get('take', request);
  }

  /**
   * Renews the lease at once. The client already does so after a third of `ttlMs`. Throws `lease_lost`,
   * `session_exited`.
   */
  async renew(): Promise<Lease> {
    const { lease } = this;
    if (lease === null) throw new BinnacleError('lease_lost');
    try {
      const renewed = (await this.send('renew', { lease: lease.lease }, true)) as Lease;
      if (this.lease?.lease === lease.lease) this.hold(renewed);
      return renewed;
    } catch (cause) {
      const error = cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
      if (!CODES[error.code].retry && this.lease?.lease === lease.lease) this.lose(error);
      throw error;
    }
  }

  /** Releases the lease. Resolves at once if this client does not hold it. */
  async release(): Promise<void> {
    const { lease } = this;
    if (lease === null) return;
    this.letGo();
    try {
      await this.send('release', { lease: lease.lease }, true);
    } catch (error) {
      // A race: another client took the lease first, so that this one has nothing to release.
      if (!(error instanceof BinnacleError) || error.code !== 'lease_lost') throw error;
    }
  }

  /**
   * Asks the holder for the lease. The session must be attached: otherwise throws `not_subscribed`. Throws `helm_free`
   * (acquire it), `holder_unreachable` (take it), `asked_lately`.
   */
  async request(): Promise<void> {
    await this.send('ask', {}, false);
  }

  /**
   * Hands the lease over to a client that follows the session, by the `id` in `Session.watchers`. Writes of this client
   * are refused from then on. Throws `lease_lost`, `watcher_not_found`, `watcher_cannot_steer`.
   */
  async transferTo(to: string): Promise<void> {
    const { lease } = this;
    if (lease === null) throw new BinnacleError('lease_lost');
    this.isTransferring = true;
    try {
      await this.send('hand_over', { lease: lease.lease, to }, false);
      if (this.lease?.lease === lease.lease) this.letGo();
    } finally {
      this.isTransferring = false;
    }
  }

  /**
   * Stops renewing and listening, and releases the lease without waiting for the answer. Cancels requests for the lease
   * that are under way.
   */
  drop(): void {
    this.drops += 1;
    this.release().catch(() => {
      // The lease runs out by itself.
    });
    this.unlisten?.();
    this.unlisten = null;
  }

  private async get(action: LeaseAction, request: LeaseRequest): Promise<Lease> {
    this.listen();
    const { drops } = this;
    const lease = (await this.send(action, { ...request }, false)) as Lease;
    this.ttlMs = request.ttlMs;
    this.hold(lease);
    if (drops === this.drops) return lease;
    // No caller is left who would use or release the lease.
    this.drop();
    throw new BinnacleError('lease_lost');
  }

  private send(
    action: LeaseAction,
    more: { lease?: string; holder?: string; ttlMs?: number; to?: string },
    resend: boolean,
  ) {
    const { session } = this;
    return this.connection.request((ref) => ({ t: 'lease', ref, session, action, ...more }), { resend });
  }

  private hold(lease: Lease): void {
    this.lease = lease;
    this.latest = { holder: lease.holder, fence: lease.fence, expiresInMs: lease.expiresInMs };
    this.expiresAt = this.connection.settings.now() + lease.expiresInMs;
    this.isAdrift = false;
    this.arm(lease.expiresInMs / RENEWALS);
    this.connection.join(this.participant);
  }

  private arm(delayMs: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), delayMs);
  }

  /** Renews the lease, and checks again later whatever the result. */
  private keep(): void {
    const { lease } = this;
    if (lease === null) return;
    if (this.connection.settings.now() >= this.expiresAt) {
      this.lose(new BinnacleError('lease_lost'));
      return;
    }
    this.arm(lease.expiresInMs / RENEWALS);
    if (!this.connection.isOpen) return;
    const more = this.ttlMs === undefined ? {} : { ttlMs: this.ttlMs };
    this.send('renew', { lease: lease.lease, ...more }, false).then(
      (renewed) => {
        if (this.lease?.lease === lease.lease) this.hold(renewed as Lease);
      },
      (cause: unknown) => {
        const error = cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });
        // A lost connection is no lost lease: the next one renews it.
        if (!CODES[error.code].retry && this.lease?.lease === lease.lease) this.lose(error);
      },
    );
  }

  private listen(): void {
    this.unlisten ??= this.connection.listen((frame) => this.onFrame(frame));
  }

  private onFrame(frame: ServerFrame): void {
    if (!('session' in frame) || frame.session !== this.session) return;
    if (frame.t === 'lease_asked') this.events.emit('requested', frame.by);
    else if (frame.t === 'lease_given') {
      this.ttlMs = undefined;
      this.hold(frame.lease);
      this.events.emit('received', { by: frame.by });
    } else if (frame.t === 'lease') this.onLease(frame, frame.lost && BinnacleError.fromWire(frame.lost));
    // The gateway reports later changes by itself. Earlier ones, as during a lost connection, are in this frame.
    else if (frame.t === 'subscribed') {
      const { lease, running } = frame.info;
      const yours = lease !== null && lease.fence === this.lease?.fence;
      this.onLease({ lease, yours }, running ? undefined : new BinnacleError('session_exited'));
    }
  }

  /** `why`: it is ours no more, as the gateway has it. */
  private onLease(frame: LeaseChange, why?: BinnacleError): void {
    this.latest = frame.lease;
    this.events.emit('change', { lease: frame.lease, yours: frame.yours });
    if (this.lease === null) return;
    // By fence too: after a reconnect it is `yours` again only once it is renewed. And by `yours`: when we take it from
    // ourselves, the news comes before the answer.
    if (frame.lease === null) this.lose(why ?? new BinnacleError('lease_lost'));
    else if (frame.lease.fence > this.lease.fence && !frame.yours) {
      if (this.isTransferring) {
        this.letGo();
        return;
      }
      this.lose(why ?? new BinnacleError('taken_over', { details: { holder: frame.lease.holder } }));
    }
  }

  private lose(error: BinnacleError): void {
    if (this.lease === null) return;
    this.letGo();
    this.events.emit('lost', error);
  }

  private letGo(): void {
    this.lease = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.connection.leave(this.participant);
  }
}
