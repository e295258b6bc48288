// All commands in one table, and the types of their functions.

import { ACCESS } from './access.ts';
import { AGENTS } from './agents.ts';
import type { ArgumentsOf, OptionsOf } from './command.ts';
import { INSTALLATION, SERVE } from './gateway.ts';
import { PLUGIN } from './plugin.ts';
import { SESSIONS } from './sessions.ts';

export const COMMANDS = { ...SERVE, ...SESSIONS, ...AGENTS, ...PLUGIN, ...ACCESS, ...INSTALLATION } as const;
type Commands = typeof COMMANDS;

/** Options of a command, e.g. `Options<'token create'>`. */
export type Options<Path extends keyof Commands> = OptionsOf<Commands[Path]>;

/** Functions that load the work of each command. Groups have none. Each resolves with the exit code. */
export type CommandLoaders = {
  readonly [Path in keyof Commands as keyof Commands[Path] extends 'about' | 'help' ? never : Path]: () => Promise<
    (...args: [...ArgumentsOf<Commands[Path]>, Options<Path>]) => number | Promise<number>
  >;
};
