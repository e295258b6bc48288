// Directory of the runners' sockets: paths to sockets must be short, and nobody else may enter the directory.

import { lstatSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { markOf, readPrivateFile, writePrivateFile } from './data-dir.ts';

/** File in the data directory with the path of the socket directory that has a random name. */
const KEPT = 'sockets';
/** Owner that a user namespace shows for an owner without an id in it: for root, who owns the machine's /tmp. */
const UNMAPPED = 65_534;
const STICKY = 0o1000;
const OTHERS = 0o077;
const WRITTEN_BY_OTHERS = 0o022;

export interface SocketPlaces {
  /** Default: $XDG_RUNTIME_DIR. Taken where it is ours alone. */
  readonly runtime?: string | undefined;
  /** Default: the temporary directory. */
  readonly temporary?: string;
}

/**
 * The folder that the socket directory is made in: the runtime directory where it is ours alone (it may be that of
 * another user, after sudo), else the temporary one.
 */
export function socketBase({ runtime = process.env.XDG_RUNTIME_DIR, temporary = tmpdir() }: SocketPlaces = {}): string {
  return runtime !== undefined && isOursAlone(runtime) ? runtime : temporary;
}

/**
 * Makes the directory for the sockets of a data directory's runners, mode 0700, or finds the one that is there.
 * In a temporary directory anybody can make files, so its name has a random part, and is kept in the data directory:
 * nobody can be there first, and what somebody has put there since is left alone and another name is taken. Throws
 * `bad_data_dir` where whoever shares the temporary directory could rename what we make in it.
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
  const kept = readPrivateFile(join(dataDir, KEPT));
  // A copy of the data directory has the file, too, but another mark.
  const isForHere = kept !== undefined && dirname(kept) === base && basename(kept).startsWith(`${name}-`);
  if (isForHere && isOursAlone(kept)) return kept;
  const dir = mkdtempSync(join(base, `${name}-`));
  writePrivateFile(join(dataDir, KEPT), dir);
  return dir;
}

/** Unless runners that go on have their sockets in it. */
export function removeSocketDir(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // The directory is not empty.
  }
}

/** A directory, no link to one, of ours, that nobody else can enter. */
function isOursAlone(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & OTHERS) === 0;
}

/** Refuses a base where others can rename what is ours: only the sticky bit prevents that, and never for its owner. */
function checkShared(base: string): void {
  const { uid, mode } = statSync(base);
  const isTrusted = [0, UNMAPPED, process.getuid?.()].includes(uid);
  if (isTrusted && ((mode & WRITTEN_BY_OTHERS) === 0 || (mode & STICKY) !== 0)) return;
  throw bad(base, 'is a temporary directory in which others can rename what is yours', HINT);
}

const HINT = 'Set XDG_RUNTIME_DIR, or TMPDIR, to a short path of a directory of yours with mode 0700.';

const bad = (path: string, what: string, hint: string): BinnacleError =>
  new BinnacleError('bad_data_dir', { message: `${path} ${what}.`, hint });
