// The native calls that Node lacks. All other operations on a PTY use plain descriptors.

import { createRequire } from 'node:module';
import { BinnacleError } from '@binnacle/protocol';

export interface NativePty {
  /** openpty(3). Both descriptors come without CLOEXEC. */
  open(cols: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

const PACKAGE = '@lydell/node-pty';
const BINARY = `${PACKAGE}-${process.platform}-${process.arch}`;
/** Maximum characters of a reason. A message of the loader has a line for each module that required the missing one. */
const MAX_REASON = 300;

/** Loads the native binary on demand: it is optional, and may be installed while programs run. */
export class PtyLoader {
  #native: NativePty | undefined;

  /** Returns the native calls. Throws `pty_unavailable`, with the reason and the remedy. */
  load(): NativePty {
    this.#native ??= loadNativePty();
    return this.#native;
  }

  /** The failure of `load`; undefined if a terminal can be opened. */
  get problem(): BinnacleError | undefined {
    try {
      this.load();
      return undefined;
    } catch (error) {
      if (error instanceof BinnacleError) return error;
      throw error;
    }
  }
}

function loadNativePty(): NativePty {
  const here = createRequire(import.meta.url);
  try {
    // The binary is an optional dependency of the package, so it is resolved from there: hoisting is not guaranteed.
    const there = createRequire(here.resolve(`${PACKAGE}/package.json`));
    return there(`${BINARY}/pty.node`) as NativePty;
  } catch (cause) {
    const [reason = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'MODULE_NOT_FOUND';
    throw new BinnacleError('pty_unavailable', {
      message: isMissing
        ? `No terminal can be opened: the package ${BINARY} is not installed.`
        : `No terminal can be opened: ${BINARY} does not load (${reason.slice(0, MAX_REASON)}).`,
      cause,
    });
  }
}
