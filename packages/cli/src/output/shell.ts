// Words of commands: for a shell, and in messages that name the next command.

import { printable } from './style.ts';

/** Quotes a word for a shell if it has a character with a meaning there. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** Returns the `--data` of this command for another command: it must address the same gateway. */
export const dataFlag = (data: string | undefined): string =>
  data === undefined ? '' : ` --data ${quoted(printable(data))}`;
