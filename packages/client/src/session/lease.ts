// The lease of one session: gets it, keeps it renewed while it is held, and says when it is lost.

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

export interface LeaseRequest {
  /** Shown to others. Default: the gateway names it after the token. */
  readonly holder?: string;
  /** Milliseconds without renewal until it releases itself. Default: the gateway's. */
  readonly ttlMs?: number;
}

export interface HelmChange {
  /** Who steers; null: nobody. */
  readonly lease: LeaseInfo | null;
  readonly yours: boolean;
}

export interface HelmEvents {
  /** Another hand, or none; and who it is whenever the session is attached. Heard while it is, or the lease held. */
  change: HelmChange;
  /** It was ours: `taken_over`, `lease_lost`, `session_exited`, or what stopped the client. */
  lost: BinnacleError;
  /** We hold it, and somebody would like it. `handOver(by.id)` gives it to them. */
  asked: Watcher;
  /** It is ours: `by` handed it over. */
  given: { readonly by: string };
}

/** Two renewals may fail before the lease runs out. */
const RENEWALS = 3;

export class Helm {
  private readonly connection: Connection;
  private readonly session: string;
  private readonly events: Emitter<HelmEvents>;
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
  /** On its way to somebody else: it is not lost. */
  private isGiving: boolean;
  /** How often it was let go of for good. */
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
    this.isGiving = false;
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

  /** What we hold, or null. */
  get held(): Lease | null {
    return this.lease;
  }

  /** Who holds it, as last heard; null: nobody, or not heard. */
  get info(): LeaseInfo | null {
    return this.latest;
  }

  /** Returns what ends the listening. */
  on<K extends keyof HelmEvents>(name: K, listener: (value: HelmEvents[K]) => void): () => void {
    this.listen();
    return this.events.on(name, listener);
  }

  /** Throws `lease_held` (details: the holder) while somebody else has it. Renewed by itself from then on. */
  acquire(request: LeaseRequest = {}): Promise<Lease> {
    return this.get('acquire', request);
  }

  /** Takes it from whoever has it; the loser is told. */
  take(request: LeaseRequest = {}): Promise<Lease> {
    return this.get('take', request);
  }

  /** Seldom needed: it renews itself at a third of its time. Throws `lease_lost`, `session_exited`. */
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

  async release(): Promise<void> {
    const { lease } = this;
    if (lease === null) return;
    this.letGo();
    try {
      await this.send('release', { lease: lease.lease }, true);
    } catch (error) {
      // Somebody was quicker: it is not ours any more, which is what was asked for.
      if (!(error instanceof BinnacleError) || error.code !== 'lease_lost') throw error;
    }
  }

  /**
   * Tells the holder that we would like it. Throws `helm_free` (acquire it), `holder_unreachable` (take it),
   * `asked_lately`, and `not_subscribed`: who asks follows the session.
   */
  async ask(): Promise<void> {
    await this.send('ask', {}, false);
  }

  /**
   * Gives it to one who follows the session: the `id` of a watcher. Writes of ours are refused from then on. Throws
   * `lease_lost`, `watcher_not_found`, `watcher_cannot_steer`.
   */
  async handOver(to: string): Promise<void> {
    const { lease } = this;
    if (lease === null) throw new BinnacleError('lease_lost');
    this.isGiving = true;
    try {
      await this.send('hand_over', { lease: lease.lease, to }, false);
      if (this.lease?.lease === lease.lease) this.letGo();
    } finally {
      this.isGiving = false;
    }
  }

  /** Stops renewing and listening, and releases without waiting for the answer; also what is on its way to us. */
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
    // Nobody is left who would steer with it, or let go of it.
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

  /** Renews, and looks again later whatever came of it. */
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
    if (frame.t === 'lease_asked') this.events.emit('asked', frame.by);
    else if (frame.t === 'lease_given') {
      this.ttlMs = undefined;
      this.hold(frame.lease);
      this.events.emit('given', { by: frame.by });
    } else if (frame.t === 'lease') this.onLease(frame, frame.lost && BinnacleError.fromWire(frame.lost));
    // Only later changes are told by themselves: those before it, as while the connection was away, are told by this.
    else if (frame.t === 'subscribed') {
      const { lease, running } = frame.info;
      const yours = lease !== null && lease.fence === this.lease?.fence;
      this.onLease({ lease, yours }, running ? undefined : new BinnacleError('session_exited'));
    }
  }

  /** `why`: it is ours no more, as the gateway has it. */
  private onLease(frame: HelmChange, why?: BinnacleError): void {
    this.latest = frame.lease;
    this.events.emit('change', { lease: frame.lease, yours: frame.yours });
    if (this.lease === null) return;
    // By fence too: after a reconnect it is `yours` again only once it is renewed. And by `yours`: when we take it from
    // ourselves, the news comes before the answer.
    if (frame.lease === null) this.lose(why ?? new BinnacleError('lease_lost'));
    else if (frame.lease.fence > this.lease.fence && !frame.yours) {
      if (this.isGiving) {
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
