// What a name leads to, and how a request goes to exactly that. Asks nobody.

import type { LookupFunction } from 'node:net';

export interface Address {
  readonly address: string;
  readonly family: number;
}

/** No name that we were given has more; each is judged. */
export const MAX_ADDRESSES = 64;

/** For a request that must not ask for the name again: the second answer could be another one. */
export const always =
  (addresses: readonly Address[]): LookupFunction =>
  (_host, { all }, done) =>
    process.nextTick(() => {
      if (all === true) done(null, [...addresses]);
      else done(null, addresses[0]?.address ?? '', addresses[0]?.family);
    });
