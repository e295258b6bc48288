// Words of commands: for a shell, and in messages that name the next command.

import { shellWord } from '@binnacle/protocol';
import { printable } from './style.ts';

/** Returns the `--data` of this command for another command: it must address the same gateway. */
export const dataFlag = (data: string | undefined): string =>
  data === undefined ? '' : ` --data ${shellWord(printable(data))}`;
