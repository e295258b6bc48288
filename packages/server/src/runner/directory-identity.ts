// Tells a data directory from its copies. A copy has all of its bytes, the tokens of its runners too, but not its inode.

import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootId } from '../process/session-processes.ts';

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

/** In the data directory: what it was when a gateway had it last, in which run of the machine. */
const KEPT = 'directory';

/**
 * Whether a gateway had this directory as another one since the machine was started: it is a copy, or has come from another
 * file system. What bears the marks of its sessions may be the original's. False where nobody wrote that down.
 */
export function wasAnother(root: string): boolean {
  const [boot, identity] = keptIn(root)?.split(' ') ?? [];
  const here = identityOf(root);
  return boot === bootId() && here !== undefined && identity !== here;
}

/** From now on it is the one that it is. */
export function keepIdentity(root: string): void {
  const here = identityOf(root);
  const text = `${bootId()} ${here}`;
  if (here === undefined || keptIn(root) === text) return;
  const path = join(root, KEPT);
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // A full disk is no reason not to start; the next start tries again.
  }
}

function keptIn(root: string): string | undefined {
  try {
    return readFileSync(join(root, KEPT), 'utf8');
  } catch {
    return undefined; // Nobody wrote it yet.
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
