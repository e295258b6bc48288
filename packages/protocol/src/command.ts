// Defaults of a session: its size, and its name from what it runs. Pure.

import type { SessionInfo } from './session.ts';

/** Default size of a terminal in columns and rows. */
export const DEFAULT_SIZE = { cols: 80, rows: 24 } as const;

/** Maximum UTF-16 units of a command that become the name of its session. */
const NAME_LENGTH = 60;

/**
 * Returns the default name of a session: the first line of its command, cut to 60 characters. Empty without a command.
 */
export const nameOfCommand = (command: string | undefined): string =>
  command?.trim().split('\n', 1)[0]?.slice(0, NAME_LENGTH) ?? '';

const SHELL = /(?:^|\/)(?:ba|da|z|k|fi)?sh$/;

/** Returns whether a path names a shell. */
export const isShell = (program: string): boolean => SHELL.test(program);

/**
 * Returns the text that a shell is given to run (`bash -c TEXT`, `/bin/sh -lc TEXT`); undefined for any other command,
 * because other programs have an option `-c` as well.
 */
export function shellText([program = '', option = '', text, ...rest]: readonly string[]): string | undefined {
  return isShell(program) && /^-[il]*c$/.test(option) && rest.length === 0 ? text : undefined;
}

/** Returns the command as a person would type it; for `sh -c TEXT`, the text. */
export function commandOf({ argv, foreign }: Pick<SessionInfo, 'argv' | 'foreign'>): string {
  if (foreign !== null) return argv.join(' ');
  return shellText(argv) ?? argv.map(shellWord).join(' ');
}

/** Quotes a word for a shell if it has a character with a meaning there. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
