// The three native calls that Node lacks. Everything else about a PTY is done with plain descriptors.

import { createRequire } from 'node:module';
import { BinnacleError } from '@binnacle/protocol';

export interface NativePty {
  /** openpty(3). Both descriptors come without CLOEXEC. */
  open(cols: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

const PACKAGE = '@lydell/node-pty';
const BINARY = `${PACKAGE}-${process.platform}-${process.arch}`;
/** A message of the loader has a line for each module that wanted the missing one. */
const MAX_REASON = 300;

/** Loads the native part once it is there: it is optional, and may be installed while programs run. */
export class PtyLoader {
  #native: NativePty | undefined;

  /** Throws `pty_unavailable`, which says why and what to do. */
  load(): NativePty {
    this.#native ??= loadNativePty();
    return this.#native;
  }

  /** Why no terminal can be opened here, as `load` throws it; undefined where one can. */
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
    // The binary is an optional dependency of the package, so it is looked up from there: hoisting is not promised.
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
