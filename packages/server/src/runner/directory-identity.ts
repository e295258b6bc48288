// Distinguishes a data directory from its copies. A copy has all of its bytes, including the tokens of its runners, but
// another inode.

import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootId } from '../process/session-processes.ts';

/**
 * First protocol version in which a runner has its working directory in the data directory and names it in the hello.
 */
const LIVES_IN_IT = 2;

/**
 * Names a directory as the kernel does: by device and inode. A move on its file system changes neither, a copy gets
 * another inode. Valid only for a directory that some process has open: after a removal the number may be reused.
 * Returns undefined if the directory cannot be accessed.
 *
 * @example identityOf('/home/ann/.local/share/binnacle') // '65024:1310834'
 */
export function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // The directory is gone, or belongs to another user.
  }
}

/** File in the data directory: its identity when a gateway last used it, and the boot in which that was. */
const IDENTITY_FILE = 'directory';

/**
 * Returns whether this directory had another identity when a gateway last used it in this boot: it is a copy, or was
 * moved from another file system. Processes with the marks of its sessions may belong to the original. Returns false
 * without a record.
 */
export function wasAnother(root: string): boolean {
  const [boot, identity] = storedIn(root)?.split(' ') ?? [];
  const here = identityOf(root);
  return boot === bootId() && here !== undefined && identity !== here;
}

/** Records the current identity of the directory. */
export function keepIdentity(root: string): void {
  const here = identityOf(root);
  const text = `${bootId()} ${here}`;
  if (here === undefined || storedIn(root) === text) return;
  const path = join(root, IDENTITY_FILE);
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // A full disk must not prevent the start; the next start tries again.
  }
}

function storedIn(root: string): string | undefined {
  try {
    return readFileSync(join(root, IDENTITY_FILE), 'utf8');
  } catch {
    return undefined; // No record yet.
  }
}

/**
 * Returns whether a living runner was started in another data directory than `root`, which contains a copy of its
 * files. Determined from the open files of the process, without a request to it. Returns false if they cannot be read.
 */
export function isOfAnother(
  runner: { readonly pid: number; readonly protocol: number },
  root: string,
  dir: string,
): boolean {
  const [opened, here] =
    runner.protocol >= LIVES_IN_IT
      ? [`/proc/${runner.pid}/cwd`, root]
      : // An older runner has / as working directory; its output goes to a file in the directory that started it.
        [`/proc/${runner.pid}/fd/1`, join(dir, 'output.log')];
  const [itsOwn, ours] = [identityOf(opened), identityOf(here)];
  return itsOwn !== undefined && ours !== undefined && itsOwn !== ours;
}
