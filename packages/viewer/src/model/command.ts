// A command of the page, as the palette offers it.

import type { Route } from './route.ts';

export interface Command {
  readonly name: string;
  /** Other words that find the command. */
  readonly also?: string;
  /** The subject of the command, unless that is the page. */
  readonly of?: string;
  readonly act: CommandAction;
}

export type CommandAction = { readonly to: Route } | { readonly run: () => void };
