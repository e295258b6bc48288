// The write lease of one conversation, over HTTP. Renewed only when it is asked to be: nobody should hold it for a turn.

import { BinnacleError, type Lease, type LeaseAction, type LeaseInfo } from '@binnacle/protocol';
import type { LeaseRequest } from '../session/lease.ts';
import type { Http } from '../transport/http.ts';

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

  /** What we hold, as far as we know: it may have run out or been taken. Goes with each message and note. */
  get held(): Lease | null {
    return this.lease;
  }

  /** Who holds it; null: nobody. */
  async info(): Promise<LeaseInfo | null> {
    return (await this.http.json<{ lease: LeaseInfo | null }>({ path: this.path })).lease;
  }

  /** Throws `lease_held` (details: the holder) while somebody else has it. */
  async acquire(request: LeaseRequest = {}): Promise<Lease> {
    return await this.get('acquire', request);
  }

  /** Takes it from whoever has it; what they write with theirs is refused from then on. */
  async take(request: LeaseRequest = {}): Promise<Lease> {
    return await this.get('take', request);
  }

  /** Throws `lease_lost` when it is not ours any more. */
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

  async release(): Promise<void> {
    const { lease } = this;
    if (lease === null) return;
    this.lease = null;
    try {
      await this.send('release', { lease: lease.lease });
    } catch (error) {
      // Somebody was quicker: it is not ours any more, which is what was asked for.
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
