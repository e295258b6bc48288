// The data directory and its private files.

import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';

/** Returns $XDG_DATA_HOME/binnacle, or ~/.local/share/binnacle. */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_DATA_HOME;
  // The XDG specification requires that relative paths in it are ignored.
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.local', 'share'), 'binnacle');
}

/**
 * Creates the directory (mode 0700), or checks that it is a directory of this user that no other user can enter.
 * Returns its absolute path. Throws `bad_data_dir`.
 */
export function prepareDataDir(dir: string): string {
  const path = resolve(dir);
  try {
    makeDirs(path);
  } catch (error) {
    // EEXIST: the path exists already, perhaps as a link or a file. The checks below decide.
    if (!isErrno(error, 'EEXIST')) throw bad(path, `cannot be made (${errnoOf(error)})`, 'Pass another --data.', error);
  }
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) throw bad(path, 'is a symbolic link', 'Pass the directory that it points to as --data.');
  if (!stat.isDirectory()) throw bad(path, 'is not a directory', 'Pass another --data.');
  checkOwner(path, stat, `chmod 700 ${path}`);
  return path;
}

/** Creates a directory and its missing parents. The `recursive` option of Node 20 never returns below /proc. */
function makeDirs(path: string): void {
  const parent = dirname(path);
  try {
    if (!existsSync(parent)) makeDirs(parent);
  } catch (error) {
    // The parent is a link to nothing, or another process has just created it. The next line decides.
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  mkdirSync(path, { mode: 0o700 });
}

/** Returns the mark in the names that belong to this data directory. */
export const markOf = (dir: string): string => createHash('sha256').update(dir).digest('hex').slice(0, 8);

/**
 * Creates an empty file of mode 0600 if there is none; an existing file must be private to this user. Throws
 * `bad_data_dir`.
 */
export function createPrivateFile(path: string): void {
  try {
    // O_EXCL never opens a file that exists, nor follows a link.
    closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw bad(path, `cannot be made (${errnoOf(error)})`, 'Check the disk.', error);
    // By path, not by descriptor: see DataDirLock.take about closing descriptors of a locked file.
    checkFile(path, lstatSync(path));
  }
}

/**
 * Reads a private file. Returns undefined if there is none; throws `bad_data_dir` if other users could have written it.
 */
export function readPrivateFile(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw bad(path, 'is a symbolic link', 'Remove it.', error);
    throw bad(path, `cannot be read (${errnoOf(error)})`, 'Check its owner and mode.', error);
  }
  try {
    checkFile(path, fstatSync(fd));
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Writes a temporary file and renames it: a crash between creation and write would leave an empty file behind. */
export function writePrivateFile(path: string, text: string): void {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  const fd = openSync(aside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(aside, path);
}

function checkFile(path: string, stat: Stats): void {
  if (!stat.isFile()) throw bad(path, 'is not a regular file', 'Remove it.');
  checkOwner(path, stat, `chmod 600 ${path}`);
}

function checkOwner(path: string, stat: Stats, hint: string): void {
  // getuid does not exist on Windows, which has no such owners and modes.
  if (process.getuid === undefined) return;
  if (stat.uid !== process.getuid()) {
    throw bad(path, `belongs to user ${stat.uid}, not to user ${process.getuid()}`, 'Pass another --data.');
  }
  const mode = stat.mode & 0o777;
  if ((mode & 0o077) !== 0) throw bad(path, `has mode 0${mode.toString(8)}, so others can get at it`, hint);
}

const bad = (path: string, what: string, hint: string, cause?: unknown): BinnacleError =>
  new BinnacleError('bad_data_dir', { message: `${path} ${what}.`, hint, cause });

const isErrno = (error: unknown, code: string): boolean => errnoOf(error) === code;

const errnoOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
