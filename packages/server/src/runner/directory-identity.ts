// Tells a data directory from its copies. A copy has all of its bytes, the tokens of its runners too, but not its inode.

import { statSync } from 'node:fs';
import { join } from 'node:path';

/** From this version on a runner lives in its data directory and says in its hello which one that is. */
const LIVES_IN_IT = 2;

/**
 * Names a directory as the kernel does: its device and inode. Moving it on its file system changes neither, copying it
 * gives another inode. Only good for a directory that somebody holds: else the number may be somebody else's by now.
 * Undefined when it cannot be looked at.
 *
 * @example identityOf('/home/ann/.local/share/binnacle') // '65024:1310834'
 */
export function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // It is gone, or somebody else's.
  }
}

/**
 * Whether a living runner was started in another data directory than `root`, which holds a copy of its files: told
 * from what the process has open, without asking it. False where that cannot be seen.
 */
export function isOfAnother(
  runner: { readonly pid: number; readonly protocol: number },
  root: string,
  dir: string,
): boolean {
  const [held, here] =
    runner.protocol >= LIVES_IN_IT
      ? [`/proc/${runner.pid}/cwd`, root]
      : // An older one lives in /; what it writes to is the file of the directory that started it.
        [`/proc/${runner.pid}/fd/1`, join(dir, 'output.log')];
  const [itsOwn, ours] = [identityOf(held), identityOf(here)];
  return itsOwn !== undefined && ours !== undefined && itsOwn !== ours;
}
