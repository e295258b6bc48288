// A command of the page, as the palette offers it.

import type { Choice } from './route.ts';

export interface Command {
  readonly name: string;
  /** Other words for it. */
  readonly also?: string;
  /** What it belongs to, where that is not the page. */
  readonly of?: string;
  readonly act: Act;
}

export type Act = { readonly to: Choice } | { readonly run: () => void };
