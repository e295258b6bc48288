// Limits the numbers in escape sequences to those that make a difference.

import type { Terminal as Headless } from '@xterm/headless';

/** Internals of a terminal: its handlers get the parameters of a sequence themselves, and can change them. */
interface ParserCore {
  registerCsiHandler(id: { final: string }, handler: (numbers: { readonly params: Int32Array }) => boolean): unknown;
}

/**
 * Limits repeat counts. The emulator executes these sequences one by one, up to 2^31 times. More than the number of
 * rows or columns makes no difference.
 */
export function limitCounts(terminal: Headless): void {
  const core = (terminal as unknown as { readonly _core: ParserCore })._core;
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
