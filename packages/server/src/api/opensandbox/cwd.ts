// The working directory in requests of the sandbox daemon's clients, converted to an absolute path.

import { statSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)/g;

/**
 * Expands `~`, `$NAME` and `${NAME}` from `envs`, else HOME, USER and TMPDIR. Never from the gateway's environment,
 * which contains its secrets. Returns undefined for undefined and empty. A relative path begins at the home directory.
 * Throws `bad_cwd`.
 */
export function expandCwd(
  cwd: string | null | undefined,
  envs: Readonly<Record<string, string>> = {},
): string | undefined {
  if (cwd === undefined || cwd === null || cwd === '') return undefined;
  const known: Record<string, string> = { HOME: homedir(), USER: userInfo().username, TMPDIR: tmpdir(), ...envs };
  const filled = cwd.replaceAll(VARIABLE, (_all, braced: string | undefined, bare: string | undefined) => {
    const name = braced ?? bare ?? '';
    if (Object.hasOwn(known, name)) return known[name] ?? '';
    throw new BinnacleError('bad_cwd', {
      message: `The working directory names the variable ${name}, which is not in envs.`,
    });
  });
  if (filled === '~' || filled.startsWith('~/')) return join(homedir(), filled.slice(2));
  return resolve(homedir(), filled);
}

/** Checks the directory now, because the program starts later. Throws `bad_cwd`. */
export function requireDirectory(cwd: string): void {
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new BinnacleError('bad_cwd', { message: `"${cwd}" is not a directory.` });
}
