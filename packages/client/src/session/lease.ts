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
import { ClientLease, type LeaseFields, type LeaseRequest } from './client-lease.ts';

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
export class SessionLease extends ClientLease {
  readonly #connection: Connection;
  readonly #session: string;
  readonly #events = new Emitter<LeaseEvents>();
  readonly #participant: Participant;
  #unlisten: (() => void) | null = null;
  #info: LeaseInfo | null = null;
  #ttlMs: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Milliseconds since 1970. */
  #expiresAt = 0;
  /** The connection on which the lease was last got or renewed is gone. */
  #isAdrift = false;
  /** The lease is being handed over: it is not lost. */
  #isTransferring = false;
  /** Number of calls of `drop`. */
  #drops = 0;

  constructor(connection: Connection, session: string) {
    super();
    this.#connection = connection;
    this.#session = session;
    this.#participant = {
      opened: () => {
        if (this.#isAdrift) this.#keep();
      },
      lost: () => {
        this.#isAdrift = true;
      },
      stopped: (error) => this.#lose(error),
    };
  }

  /** The holder as last reported; null if the lease is free or nothing was reported yet. */
  get info(): LeaseInfo | null {
    return this.#info;
  }

  /** Adds a listener. Returns a function that removes it. */
  on<K extends keyof LeaseEvents>(name: K, listener: (value: LeaseEvents[K]) => void): () => void {
    this.#listen();
    return this.#events.on(name, listener);
  }

  /**
   * Renews the lease at once. The client already does so after a third of `ttlMs`. Throws `lease_lost`,
   * `session_exited`.
   */
  renew(): Promise<Lease> {
    return this.sendRenewal({}, true);
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
    const lease = this.current;
    if (lease === null) throw new BinnacleError('lease_lost');
    this.#isTransferring = true;
    try {
      await this.send('hand_over', { lease: lease.lease, to }, false);
      if (this.current?.lease === lease.lease) this.forget();
    } finally {
      this.#isTransferring = false;
    }
  }

  /**
   * Stops renewing and listening, and releases the lease without waiting for the answer. Cancels requests for the lease
   * that are under way.
   */
  drop(): void {
    this.#drops += 1;
    this.release().catch(() => {
      // The lease runs out by itself.
    });
    this.#unlisten?.();
    this.#unlisten = null;
  }

  protected override async get(action: LeaseAction, request: LeaseRequest): Promise<Lease> {
    this.#listen();
    const drops = this.#drops;
    const lease = await super.get(action, request);
    this.#ttlMs = request.ttlMs;
    if (drops === this.#drops) return lease;
    // No caller is left who would use or release the lease.
    this.drop();
    throw new BinnacleError('lease_lost');
  }

  protected override async send(action: LeaseAction, fields: LeaseFields, resend: boolean): Promise<Lease> {
    const about = { session: this.#session, action, ...fields };
    const result = await this.#connection.request((ref) => ({ t: 'lease', ref, ...about }), { resend });
    return result as Lease;
  }

  protected override renewalFailed(error: BinnacleError): void {
    // A lost connection is no lost lease: the next one renews it.
    if (!CODES[error.code].retry) this.#lose(error);
  }

  protected override hold(lease: Lease): void {
    super.hold(lease);
    this.#info = { holder: lease.holder, fence: lease.fence, expiresInMs: lease.expiresInMs };
    this.#expiresAt = this.#connection.settings.now() + lease.expiresInMs;
    this.#isAdrift = false;
    this.#arm(lease);
    this.#connection.join(this.#participant);
  }

  protected override forget(): void {
    super.forget();
    clearTimeout(this.#timer);
    this.#connection.leave(this.#participant);
  }

  #arm({ expiresInMs }: Lease): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#keep(), expiresInMs / RENEWALS);
  }

  /** Renews the lease, and checks again later whatever the result. */
  #keep(): void {
    const { current } = this;
    if (current === null) return;
    if (this.#connection.settings.now() >= this.#expiresAt) {
      this.#lose(new BinnacleError('lease_lost'));
      return;
    }
    this.#arm(current);
    if (!this.#connection.isOpen) return;
    this.sendRenewal(this.#ttlMs === undefined ? {} : { ttlMs: this.#ttlMs }, false).catch(() => {
      // `renewalFailed` knows it.
    });
  }

  #listen(): void {
    this.#unlisten ??= this.#connection.listen((frame) => this.#onFrame(frame));
  }

  #onFrame(frame: ServerFrame): void {
    if (!('session' in frame) || frame.session !== this.#session) return;
    if (frame.t === 'lease_asked') this.#events.emit('requested', frame.by);
    else if (frame.t === 'lease_given') {
      this.#ttlMs = undefined;
      this.hold(frame.lease);
      this.#events.emit('received', { by: frame.by });
    } else if (frame.t === 'lease') this.#onLease(frame, frame.lost && BinnacleError.fromWire(frame.lost));
    // The gateway reports later changes by itself. Earlier ones, as during a lost connection, are in this frame.
    else if (frame.t === 'subscribed') {
      const { lease, running } = frame.info;
      const yours = lease !== null && lease.fence === this.current?.fence;
      this.#onLease({ lease, yours }, running ? undefined : new BinnacleError('session_exited'));
    }
  }

  /** `why`: it is ours no more, as the gateway has it. */
  #onLease(frame: LeaseChange, why?: BinnacleError): void {
    this.#info = frame.lease;
    this.#events.emit('change', { lease: frame.lease, yours: frame.yours });
    if (this.current === null) return;
    // By fence too: after a reconnect it is `yours` again only once it is renewed. And by `yours`: when we take it from
    // ourselves, the news comes before the answer.
    if (frame.lease === null) this.#lose(why ?? new BinnacleError('lease_lost'));
    else if (frame.lease.fence > this.current.fence && !frame.yours) {
      if (this.#isTransferring) {
        this.forget();
        return;
      }
      this.#lose(why ?? new BinnacleError('taken_over', { details: { holder: frame.lease.holder } }));
    }
  }

  #lose(error: BinnacleError): void {
    if (this.current === null) return;
    this.forget();
    this.#events.emit('lost', error);
  }
}
