// The addresses of this machine, as its interfaces have them now.

import { networkInterfaces } from 'node:os';
import { canonicalAddress } from './addresses.ts';

/** Lists this machine's addresses as `canonicalAddress` spells them. Reads them on each call: networks come and go. */
export function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  return new Set(all.flatMap(({ address }) => canonicalAddress(address) ?? []));
}
