// The scheduler's idle class for one thread: it runs while a processor has nothing else to do. A program that wakes up
// takes such a processor at once, which niceness alone does not give (measured: docs/decisions/063-blocks-in-idle-time.md).

import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

const LOWEST_NICENESS = 19;
/** Directories of `chrt` on common systems: the thread has no environment. */
const PATH = '/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin';

/** Puts the calling thread into the idle class, and on a machine without `chrt` at the lowest niceness. */
export function enterIdleClass(): void {
  const thread = threadNumber();
  if (thread === undefined) return;
  try {
    setPriority(thread, LOWEST_NICENESS);
  } catch {
    // Not permitted: the idle class may be.
  }
  const changing = spawn('chrt', ['-i', '-p', '0', String(thread)], { stdio: 'ignore', env: { PATH } });
  changing.on('error', () => undefined);
  changing.unref();
}

/** Returns the kernel's number of the calling thread; undefined without /proc, or with that of another namespace. */
function threadNumber(): number | undefined {
  try {
    // PID/task/TID
    const [pid, , thread] = readlinkSync('/proc/thread-self').split('/');
    return Number(pid) === process.pid ? Number(thread) : undefined;
  } catch {
    return undefined;
  }
}
