// DNS look-ups of names that untrusted users gave. Never by the system's resolver: it occupies a thread of the pool
// that files need as well, for as long as a slow DNS server of those users takes.

import { Resolver } from 'node:dns/promises';
import { BinnacleError } from '@binnacle/protocol';
import { withTimeout } from '../base/abort.ts';
import { ConcurrencyLimit } from '../base/concurrency-limit.ts';
import type { ResolvedAddress } from '../base/fixed-lookup.ts';

/**
 * Resolves a name, or rejects without a result. The query may continue after the signal; its result is then ignored.
 */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly ResolvedAddress[]>;

/** Maximum ms for one name, over all DNS servers and retries. */
export const LOOKUP_MS = 5000;
/** Maximum parallel look-ups for subscriptions, of one user and of all users. */
export const MAX_LOOKUPS_OF_USER = 2;
export const MAX_LOOKUPS = 16;

export const resolveName: Resolve = async (host, signal) => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    if (four.status === 'rejected' && six.status === 'rejected') throw four.reason;
    const found = (family: number, one: PromiseSettledResult<string[]>): ResolvedAddress[] =>
      one.status === 'rejected' ? [] : one.value.map((address) => ({ address, family }));
    return [...found(4, four), ...found(6, six)];
  } finally {
    signal.removeEventListener('abort', cancel);
  }
};

/** Resolves with a time limit: rejects on the signal and after `LOOKUP_MS`, even if `resolve` ignores both. */
export const resolveWithTimeout = (
  resolve: Resolve,
  host: string,
  signal?: AbortSignal,
): Promise<readonly ResolvedAddress[]> => withTimeout(LOOKUP_MS, signal, (either) => resolve(host, either));

/** The look-ups for new subscriptions. */
export class SubscriptionLookups {
  readonly #ofUser = new ConcurrencyLimit({ limit: MAX_LOOKUPS_OF_USER, refusal: tooManyLookups });
  #count = 0;

  /**
   * Runs `look` within the limits. Throws `rate_limited` if this user has the maximum of parallel look-ups. At the
   * limit of all users, skips the look-up instead of failing: others must not block a subscription, and the address is
   * checked again before each delivery.
   */
  async of(user: string, lookup: () => Promise<unknown>): Promise<void> {
    await this.#ofUser.run(user, async () => {
      if (this.#count >= MAX_LOOKUPS) return;
      this.#count += 1;
      try {
        await lookup();
      } finally {
        this.#count -= 1;
      }
    });
  }
}

const tooManyLookups = (limit: number): BinnacleError =>
  new BinnacleError('rate_limited', {
    message: 'Other subscriptions of yours are still looked at.',
    hint: 'Wait for their answers.',
    details: { retryAfterMs: 1000, limit },
  });
