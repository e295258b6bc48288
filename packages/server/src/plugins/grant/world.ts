// What a gate looks up of this machine: where its programs are, and its own addresses.

import { ownAddresses } from '../../base/own-addresses.ts';
import type { World } from './calls.ts';
import { programFinder } from './programs.ts';

/** `path`: the PATH that programs are started with. Its addresses are looked up anew each time. */
export const thisMachine = (path: string): World => ({ find: programFinder(path), own: ownAddresses });
