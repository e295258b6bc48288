// Asks where names lead that strangers gave us. Never by the system's own way: that takes a thread which files need as
// well, for as long as a slow server of theirs likes. Judges no address.

import { Resolver } from 'node:dns/promises';
import { BinnacleError } from '@binnacle/protocol';
import { AtOnce } from '../base/concurrency-limit.ts';
import type { Address } from '../base/fixed-lookup.ts';
import { within } from '../base/with-timeout.ts';

/** Rejects where nothing was found out. What is asked may go on when the signal ends it: nobody waits for it then. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly Address[]>;

/** Of one name, all of its servers and tries together. */
export const LOOKUP_MS = 5000;
/** Under way at once for subscriptions: of one user, and of all. */
export const MAX_LOOKUPS_OF_USER = 2;
export const MAX_LOOKUPS = 16;

export const resolveName: Resolve = async (host, signal) => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    if (four.status === 'rejected' && six.status === 'rejected') throw four.reason;
    const found = (family: number, one: PromiseSettledResult<string[]>): Address[] =>
      one.status === 'rejected' ? [] : one.value.map((address) => ({ address, family }));
    return [...found(4, four), ...found(6, six)];
  } finally {
    signal.removeEventListener('abort', cancel);
  }
};

/** Ends with the signal, and after `LOOKUP_MS`, whatever is asked. */
export const resolveWithin = (resolve: Resolve, host: string, signal?: AbortSignal): Promise<readonly Address[]> =>
  within(LOOKUP_MS, signal, (either) => resolve(host, either));

/** The look-ups that subscriptions ask for. */
export class SubscriptionLookups {
  readonly #ofUser = new AtOnce(MAX_LOOKUPS_OF_USER, stillLooking);
  #count = 0;

  /**
   * Throws `rate_limited` where this user has as many under way as one may. Where all together have, nothing is looked up:
   * nobody is kept from subscribing by others, and it is judged when something is sent.
   */
  async of(user: string, look: () => Promise<unknown>): Promise<void> {
    await this.#ofUser.during(user, async () => {
      if (this.#count >= MAX_LOOKUPS) return;
      this.#count += 1;
      try {
        await look();
      } finally {
        this.#count -= 1;
      }
    });
  }
}

const stillLooking = (limit: number): BinnacleError =>
  new BinnacleError('rate_limited', {
    message: 'Other subscriptions of yours are still looked at.',
    hint: 'Wait for their answers.',
    details: { retryAfterMs: 1000, limit },
  });
