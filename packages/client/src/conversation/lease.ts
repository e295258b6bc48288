// The write lease of one conversation, over HTTP. It is renewed only on request: nobody should hold it for a whole turn
// of an agent.

import { BinnacleError, type Lease, type LeaseAction, type LeaseInfo } from '@binnacle/protocol';
import type { LeaseRequest } from '../session/lease.ts';
import type { Http } from '../transport/http.ts';

/**
 * Write lease of one conversation, as `Conversation.lease`. This client does not renew it by itself.
 *
 * @example
 * ```ts
 * const { expiresInMs } = await conversation.lease.acquire({ holder: 'the release script', ttlMs: 10_000 });
 * await conversation.send('Tag the release.').receipt;
 * await conversation.lease.release();
 * console.log(expiresInMs);
 * ```
 */
export class ConversationLease {
  private readonly http: Http;
  private readonly path: string;
  private lease: Lease | null;

  /** `path`: of the conversation. */
  constructor(http: Http, path: string) {
    this.http = http;
    this.path = `${path}/lease`;
    this.lease = null;
  }

  /**
   * The lease that this client acquired, as far as it knows: it may have expired or been taken. Goes with each message
   * and note.
   */
  get current(): Lease | null {
    return this.lease;
  }

  /** Returns the holder; null if the lease is free. */
  async info(): Promise<LeaseInfo | null> {
    return (await this.http.json<{ lease: LeaseInfo | null }>({ path: this.path })).lease;
  }

  /** Acquires a free lease. Throws `lease_held` (`details.holder`) while another client has it. */
  async acquire(request: LeaseRequest = {}): Promise<Lease> {
    return await this.get('acquire', request);
  }

  /** Takes the lease from its holder, whose writes are refused from then on. */
  async take(request: LeaseRequest = {}): Promise<Lease> {
    return await this.get('take', request);
  }

  /** Renews the lease. Throws `lease_lost` if this client no longer holds it. */
  async renew(request: Pick<LeaseRequest, 'ttlMs'> = {}): Promise<Lease> {
    const { lease } = this;
    if (lease === null) throw new BinnacleError('lease_lost');
    try {
      return await this.get('renew', { ...request, lease: lease.lease });
    } catch (error) {
      if (isLost(error) && this.lease === lease) this.lease = null;
      throw error;
    }
  }

  /** Releases the lease. */
  async release(): Promise<void> {
    const { lease } = this;
    if (lease === null) return;
    this.lease = null;
    try {
      await this.send('release', { lease: lease.lease });
    } catch (error) {
      // A race: another client took the lease first, so that this one has nothing to release.
      if (!isLost(error)) throw error;
    }
  }

  private async get(action: LeaseAction, more: LeaseRequest & { readonly lease?: string }): Promise<Lease> {
    const lease = await this.send<Lease>(action, more);
    this.lease = lease;
    return lease;
  }

  private async send<T>(action: LeaseAction, more: LeaseRequest & { readonly lease?: string }): Promise<T> {
    return await this.http.json({ method: 'POST', path: this.path, body: { action, ...more } });
  }
}

const isLost = (error: unknown): boolean => error instanceof BinnacleError && error.code === 'lease_lost';
