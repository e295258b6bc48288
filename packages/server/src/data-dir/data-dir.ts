// The data directory and the files in it that only we may read. Knows nothing of what they hold.

import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
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
import { isAbsolute, join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';

/** $XDG_DATA_HOME/binnacle, else ~/.local/share/binnacle. */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_DATA_HOME;
  // The XDG specification says that relative paths in it are to be ignored.
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.local', 'share'), 'binnacle');
}

/**
 * Makes the directory (mode 0700) or checks that it is a directory of ours that nobody else can enter.
 * Returns its absolute path. Throws `bad_data_dir`.
 */
export function prepareDataDir(dir: string): string {
  const path = resolve(dir);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    // EEXIST: something is there already, a link or a file perhaps. What it is decides below.
    if (!isErrno(error, 'EEXIST')) throw bad(path, `cannot be made (${errnoOf(error)})`, 'Pass another --data.', error);
  }
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) throw bad(path, 'is a symbolic link', 'Pass the directory that it points to as --data.');
  if (!stat.isDirectory()) throw bad(path, 'is not a directory', 'Pass another --data.');
  checkOwner(path, stat, `chmod 700 ${path}`);
  return path;
}

/** Tells what belongs to this data directory from what belongs to another. */
export const markOf = (dir: string): string => createHash('sha256').update(dir).digest('hex').slice(0, 8);

/** Makes an empty file of mode 0600 if there is none; a file that is there must be ours alone. Throws `bad_data_dir`. */
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

/** Reads a file of ours. Undefined when there is none; throws `bad_data_dir` when others could have written it. */
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

/** Written aside and renamed: a crash between making and writing would leave an empty file behind. */
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
  // getuid is missing on Windows, which has no such owners and modes to check.
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
