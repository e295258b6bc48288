// Command lines that start a program in a clean environment: its own session, no leaked descriptors, default signals.

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';

/**
 * Shell text that closes leaked descriptors, then becomes the program. It runs in bash because POSIX sh cannot name
 * descriptors above 9. openpty() of the native binding does not set CLOEXEC on the master, and a descriptor of the
 * gateway's parent may be open too. `-p` keeps bash from reading BASH_ENV and from importing functions. libuv has
 * already reset the signals.
 */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash.
const CLOSE_AND_EXEC = 'for f in /proc/self/fd/*; do f=${f##*/}; (( f > 2 )) && eval "exec $f>&-"; done; exec "$@"';
/**
 * IUTF8 makes the kernel erase whole characters in line editing; openpty() leaves it off. In the background: a shell that
 * waits for a command in the foreground ignores an interrupt that the command has survived.
 */
const UTF8_TERMINAL = 'exec 4<&0; stty iutf8 <&4 2>/dev/null & wait $!; ';

export const BASH = '/bin/bash';

/**
 * Returns the command line that makes the given terminal the controlling one, then becomes the program (same pid
 * throughout). Its stderr must lead to /dev/null at first: bash complains there of a locale that this machine lacks.
 */
export const ptyCommand = (argv: readonly string[]): readonly [string, ...string[]] => [
  'setsid',
  '--ctty',
  BASH,
  '-p',
  '-c',
  `exec 2>&1; ${UTF8_TERMINAL}${CLOSE_AND_EXEC}`,
  'binnacle-launch',
  ...argv,
];

/** Returns the command line for a program on pipes, like `ptyCommand`; the program's stderr comes as descriptor 3. */
export const pipeCommand = (argv: readonly string[]): readonly [string, ...string[]] => [
  BASH,
  '-p',
  '-c',
  `exec 2>&3; ${CLOSE_AND_EXEC}`,
  'binnacle-launch',
  ...argv,
];

/** Finds a program as execvp does, so that "not found" is an error and not an exit code. Throws `command_not_found`. */
export function findExecutable(name: string, path: string, cwd: string): string {
  if (name.includes('\0'))
    throw new BinnacleError('bad_request', { message: 'A program name cannot hold a NUL byte.' });
  const candidates = name.includes('/')
    ? [isAbsolute(name) ? name : resolve(cwd, name)]
    : path.split(delimiter).map((folder) => join(folder === '' ? cwd : resolve(cwd, folder), name));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Absent or not executable by this user: the next folder of PATH decides.
    }
  }
  throw new BinnacleError('command_not_found', { message: `The program "${name}" was not found.`, details: { path } });
}

/** Throws `bad_cwd` unless the path is a directory that this user can enter. */
export function checkProgramCwd(cwd: string): void {
  try {
    accessSync(cwd, constants.X_OK);
    if (statSync(cwd).isDirectory()) return;
  } catch (cause) {
    throw new BinnacleError('bad_cwd', { message: `The working directory "${cwd}" cannot be entered.`, cause });
  }
  throw new BinnacleError('bad_cwd', { message: `"${cwd}" is not a directory.` });
}
