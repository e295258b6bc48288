// Directory of the runners' sockets: paths to sockets must be short, and no other user may enter the directory.

import { lstatSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { markOf, readPrivateFile, writePrivateFile } from './data-dir.ts';

/** File in the data directory with the path of the socket directory that has a random name. */
const DIR_FILE = 'sockets';
/** Owner that a user namespace shows for an owner without an id in it: for root, who owns the machine's /tmp. */
const UNMAPPED = 65_534;
const STICKY = 0o1000;
const OTHERS = 0o077;
const WRITTEN_BY_OTHERS = 0o022;

export interface SocketPlaces {
  /** Default: $XDG_RUNTIME_DIR. Used if it is private to this user. */
  readonly runtime?: string | undefined;
  /** Default: the temporary directory. */
  readonly temporary?: string;
}

/**
 * Returns the parent of the socket directory: the runtime directory if it is private to this user (after sudo it may be
 * that of another user), otherwise the temporary directory.
 */
export function socketBase({ runtime = process.env.XDG_RUNTIME_DIR, temporary = tmpdir() }: SocketPlaces = {}): string {
  return runtime !== undefined && isOursAlone(runtime) ? runtime : temporary;
}

/**
 * Creates the directory for the sockets of a data directory's runners, mode 0700, or finds the existing one. In a
 * temporary directory any user can create files, so its name has a random part and is stored in the data directory: no
 * attacker can create it first, and if its place was taken since, it is left alone and another name is used. Throws
 * `bad_data_dir` if users who share the temporary directory could rename its content.
 *
 * @example makeSocketDir('/home/ann/.local/share/binnacle') // '/tmp/binnacle-1f0c9a2e-x7Qw0b'
 */
export function makeSocketDir(dataDir: string, places: SocketPlaces = {}): string {
  const base = socketBase(places);
  const name = `binnacle-${markOf(dataDir)}`;
  if (isOursAlone(base)) {
    const dir = join(base, name);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (isOursAlone(dir)) return dir;
    throw bad(dir, 'is not a directory that you alone can enter', `Remove it: rm -r '${dir}'`);
  }
  checkShared(base);
  const stored = readPrivateFile(join(dataDir, DIR_FILE));
  // A copy of the data directory contains the file, too, but has another mark.
  const isForHere = stored !== undefined && dirname(stored) === base && basename(stored).startsWith(`${name}-`);
  if (isForHere && isOursAlone(stored)) return stored;
  const dir = mkdtempSync(join(base, `${name}-`));
  writePrivateFile(join(dataDir, DIR_FILE), dir);
  return dir;
}

/** Removes the directory, unless it contains the sockets of living runners. */
export function removeSocketDir(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // The directory is not empty.
  }
}

/** Returns whether a path is a directory, not a link, of this user that no other user can enter. */
function isOursAlone(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & OTHERS) === 0;
}

/**
 * Refuses a base in which other users can rename files of this user: only the sticky bit prevents that, and never for
 * the owner of the base.
 */
function checkShared(base: string): void {
  const { uid, mode } = statSync(base);
  const isTrusted = [0, UNMAPPED, process.getuid?.()].includes(uid);
  if (isTrusted && ((mode & WRITTEN_BY_OTHERS) === 0 || (mode & STICKY) !== 0)) return;
  throw bad(base, 'is a temporary directory in which others can rename what is yours', HINT);
}

const HINT = 'Set XDG_RUNTIME_DIR, or TMPDIR, to a short path of a directory of yours with mode 0700.';

const bad = (path: string, what: string, hint: string): BinnacleError =>
  new BinnacleError('bad_data_dir', { message: `${path} ${what}.`, hint });
