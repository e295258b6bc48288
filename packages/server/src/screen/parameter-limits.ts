// Keeps the numbers in escape sequences to what makes a difference. Knows nothing else of an emulator.

import type { Terminal as Headless } from '@xterm/headless';

/** What of a terminal is not public: its handlers get the numbers of a sequence themselves, and can change them. */
interface Core {
  registerCsiHandler(id: { final: string }, handler: (numbers: { readonly params: Int32Array }) => boolean): unknown;
}

/**
 * The emulator does these as often as it is told to, up to 2^31 times, one by one. More often than there are rows or
 * columns makes no difference.
 */
export function limitCounts(terminal: Headless): void {
  const core = (terminal as unknown as { readonly _core: Core })._core;
  const limit = (finals: string, most: () => number): void => {
    for (const final of finals) {
      core.registerCsiHandler({ final }, ({ params }) => {
        if ((params[0] ?? 0) > most()) params[0] = most();
        return false;
      });
    }
  };
  limit('STLM', () => terminal.rows);
  limit('IZ', () => terminal.cols);
  limit('b', () => terminal.rows * terminal.cols);
}
