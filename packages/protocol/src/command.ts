// What stands for a session where nobody said more: its size, and the words for what it runs. Pure.

/** Of a terminal that nobody gave a size: columns and rows. */
export const DEFAULT_SIZE = { cols: 80, rows: 24 } as const;

/** UTF-16 units of a command that become the name of its session. */
const NAME_LENGTH = 60;

/** The name of a session whose command nobody named: its first line, cut. Empty where there is none. */
export const nameOfCommand = (command: string | undefined): string =>
  command?.trim().split('\n', 1)[0]?.slice(0, NAME_LENGTH) ?? '';

const SHELL = /(?:^|\/)(?:ba|da|z|k|fi)?sh$/;

/** Whether it names a shell, by any path. */
export const isShell = (program: string): boolean => SHELL.test(program);

/**
 * The text that a shell is given to run (`bash -c TEXT`, `/bin/sh -lc TEXT`); undefined for any other command. Programs
 * that are no shells have an option `-c` as well.
 */
export function shellText([program = '', option = '', text, ...rest]: readonly string[]): string | undefined {
  return isShell(program) && /^-[il]*c$/.test(option) && rest.length === 0 ? text : undefined;
}
