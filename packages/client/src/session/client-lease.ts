// A lease that a client acquires, renews and releases: of a session over the WebSocket, of a conversation over HTTP.

import { BinnacleError, type Lease, type LeaseAction } from '@binnacle/protocol';

/** Options of `acquire` and `take`. */
export interface LeaseRequest {
  /** Name that others see. Default: the name of the token. */
  readonly holder?: string;
  /** Milliseconds without renewal until the gateway releases the lease. Default: the gateway's. */
  readonly ttlMs?: number;
}

/** Fields of a request about a lease. */
export interface LeaseFields extends LeaseRequest {
  /** Secret of the lease. */
  readonly lease?: string;
  /** Id of the watcher that gets the lease. */
  readonly to?: string;
}

/** Lease of a session or a conversation, as one client knows it. */
export abstract class ClientLease {
  #lease: Lease | null = null;

  /**
   * The lease that this client acquired, as far as it knows: it may have expired or been taken. It goes with each write.
   * Null if this client holds none.
   */
  get current(): Lease | null {
    return this.#lease;
  }

  /**
   * Acquires a free lease. Throws `lease_held` (`details.holder`) while another client has it, `session_exited`,
   * `forbidden`.
   */
  acquire(request: LeaseRequest = {}): Promise<Lease> {
    return this.get('acquire', request);
  }

  /** Takes the lease from its holder, whose writes are refused from then on. Throws `session_exited`, `forbidden`. */
  take(request: LeaseRequest = {}): Promise<Lease> {
    return this.get('take', request);
  }

  /** Releases the lease. Resolves at once if this client does not hold it. */
  async release(): Promise<void> {
    const lease = this.#lease;
    if (lease === null) return;
    this.forget();
    try {
      await this.send('release', { lease: lease.lease }, true);
    } catch (error) {
      // A race: another client took the lease first, so that this one has nothing to release.
      if (!(error instanceof BinnacleError) || error.code !== 'lease_lost') throw error;
    }
  }

  /** Sends a request. `resend`: again after a reconnect. */
  protected abstract send(action: LeaseAction, fields: LeaseFields, resend: boolean): Promise<Lease>;

  /** Called when the lease could not be renewed. */
  protected abstract renewalFailed(error: BinnacleError): void;

  /** Gets the lease by `acquire` or `take`. */
  protected async get(action: LeaseAction, request: LeaseRequest): Promise<Lease> {
    const lease = await this.send(action, { ...request }, false);
    this.hold(lease);
    return lease;
  }

  /** Sends a renewal. The answer counts only while this client still has the same lease. Throws `lease_lost`. */
  protected async sendRenewal(request: Pick<LeaseRequest, 'ttlMs'>, resend: boolean): Promise<Lease> {
    const lease = this.#lease;
    if (lease === null) throw new BinnacleError('lease_lost');
    try {
      const renewed = await this.send('renew', { lease: lease.lease, ...request }, resend);
      if (this.#lease?.lease === lease.lease) this.hold(renewed);
      return renewed;
    } catch (cause) {
      const error = BinnacleError.of(cause);
      if (this.#lease?.lease === lease.lease) this.renewalFailed(error);
      throw error;
    }
  }

  /** Sets the lease that this client holds from now on. */
  protected hold(lease: Lease): void {
    this.#lease = lease;
  }

  /** Forgets the lease, which this client no longer holds. */
  protected forget(): void {
    this.#lease = null;
  }
}
