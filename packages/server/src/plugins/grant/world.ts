// The facts about this machine that a gate needs: the location of programs, and its own addresses.

import { ownAddresses } from '../../base/addresses.ts';
import type { MachineFacts } from './calls.ts';
import { programFinder } from './programs.ts';

/** Returns the facts. `path`: the PATH for starting programs. The addresses are read anew each time. */
export const thisMachine = (path: string): MachineFacts => ({ find: programFinder(path), own: ownAddresses });
