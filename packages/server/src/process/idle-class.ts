// The scheduler's idle class for one thread: it runs while a processor has nothing else to do. A program that wakes up
// takes such a processor at once, which niceness alone does not give (measured: docs/decisions/063-blocks-in-idle-time.md).

import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

const LOWEST_NICENESS = 19;

/** Puts the calling thread into the idle class, and on a machine without `chrt` at the lowest niceness. */
export function enterIdleClass(): void {
  let thread: string | undefined;
  try {
    // PID/task/TID
    thread = readlinkSync('/proc/thread-self').split('/').at(-1);
    if (thread !== undefined) setPriority(Number(thread), LOWEST_NICENESS);
  } catch {
    return; // without /proc, as on macOS: the thread keeps the niceness of its process
  }
  if (thread === undefined) return;
  const changing = spawn('chrt', ['-i', '-p', '0', thread], { stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } });
  changing.on('error', () => undefined);
  changing.unref();
}
