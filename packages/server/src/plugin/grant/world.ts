// What a gate looks up of this machine: where its programs are, and its own addresses.

import { networkInterfaces } from 'node:os';
import { canonicalAddress } from '../../net/addresses.ts';
import type { World } from './calls.ts';
import { programFinder } from './programs.ts';

/** `path`: the PATH that programs are started with. Addresses are looked up anew each time: networks come and go. */
export const thisMachine = (path: string): World => ({ find: programFinder(path), own: ownAddresses });

function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  return new Set(all.flatMap(({ address }) => canonicalAddress(address) ?? []));
}
