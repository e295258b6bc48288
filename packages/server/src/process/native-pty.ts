// The three native calls that Node lacks. Everything else about a PTY is done with plain descriptors.

import { createRequire } from 'node:module';

interface NativePty {
  /** openpty(3). Both descriptors come without CLOEXEC. */
  open(cols: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

export function loadNativePty(): NativePty {
  const here = createRequire(import.meta.url);
  // The binary is an optional dependency of the package, so it is looked up from there: hoisting is not promised.
  const there = createRequire(here.resolve('@lydell/node-pty/package.json'));
  return there(`@lydell/node-pty-${process.platform}-${process.arch}/pty.node`) as NativePty;
}
