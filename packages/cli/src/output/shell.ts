// Text for a command that a message names, and that a person may copy into a shell.

import { printable } from './style.ts';

/** Quotes an item for a shell, because it may be `*` or contain shell syntax. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${printable(text).replaceAll("'", "'\\''")}'`;

/** Returns the `--data` of this command for another command: it must address the same gateway. */
export const dataFlag = (data: string | undefined): string => (data === undefined ? '' : ` --data ${quoted(data)}`);
