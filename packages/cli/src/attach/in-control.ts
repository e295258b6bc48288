// Control of a session for the time of a command, and the name of this terminal as its holder.

import { readlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { Session } from '@binnacle/client';

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

/** Executes `act`, with `take` in control of the session, which is given back afterwards. */
export async function inControl<T>(
  session: Session,
  { take }: { readonly take?: boolean | undefined },
  act: (session: Session) => Promise<T>,
): Promise<T> {
  if (take !== true) return await act(session);
  await session.lease.take({ holder: holderName() });
  try {
    return await act(session);
  } finally {
    await session.lease.release();
  }
}
