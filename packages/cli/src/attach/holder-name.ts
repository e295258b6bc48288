// The name of this terminal as a holder of control.

import { readlinkSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Returns the name that other clients see for the lease holder: two terminals of one user have different names. */
export const holderName = (): string => `${userInfo().username}@${terminalName()}`;

/** Returns the name of this terminal, such as `pts/3`. */
function terminalName(): string {
  try {
    const path = readlinkSync('/proc/self/fd/0');
    return path.startsWith('/dev/pts/') || path.startsWith('/dev/tty') ? path.slice('/dev/'.length) : 'terminal';
  } catch {
    return 'terminal';
  }
}
