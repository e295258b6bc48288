// Resolved addresses of a name, and a lookup that sends a request to exactly these.

import type { LookupFunction } from 'node:net';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Maximum addresses per name. No known name has more, and each address is checked. */
export const MAX_ADDRESSES = 64;

/** Returns a lookup for a request that must not resolve the name again: a second answer could be another address. */
export const fixedLookup =
  (addresses: readonly ResolvedAddress[]): LookupFunction =>
  (_host, { all }, done) =>
    process.nextTick(() => {
      if (all === true) done(null, [...addresses]);
      else done(null, addresses[0]?.address ?? '', addresses[0]?.family);
    });
