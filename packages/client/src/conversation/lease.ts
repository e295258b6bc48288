// The write lease of one conversation, over HTTP. It is renewed only on request: nobody should hold it for a whole turn
// of an agent.

import type { BinnacleError, Lease, LeaseAction, LeaseInfo } from '@binnacle/protocol';
import { ClientLease, type LeaseFields, type LeaseRequest } from '../session/client-lease.ts';
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
export class ConversationLease extends ClientLease {
  readonly #http: Http;
  readonly #path: string;

  /** `path`: of the conversation. */
  constructor(http: Http, path: string) {
    super();
    this.#http = http;
    this.#path = `${path}/lease`;
  }

  /** Returns the holder; null if the lease is free. */
  async info(): Promise<LeaseInfo | null> {
    return (await this.#http.json<{ lease: LeaseInfo | null }>({ path: this.#path })).lease;
  }

  /** Renews the lease. Throws `lease_lost` if this client no longer holds it. */
  renew(request: Pick<LeaseRequest, 'ttlMs'> = {}): Promise<Lease> {
    return this.sendRenewal(request, false);
  }

  protected override send(action: LeaseAction, fields: LeaseFields): Promise<Lease> {
    return this.#http.json({ method: 'POST', path: this.#path, body: { action, ...fields } });
  }

  protected override renewalFailed(error: BinnacleError): void {
    if (error.code === 'lease_lost') this.forget();
  }
}
