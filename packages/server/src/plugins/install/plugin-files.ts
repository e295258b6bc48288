// The files of a plugin with their hashes, and the check whether other users could change them. Runs nothing, and
// writes only copies.
//
// The result of a check holds for that moment. Between check and load (TOCTOU), only root and programs of the same user
// could change the files, and those could change the config file as well. `copyChecked` closes even that gap: it hashes
// the bytes that it copies, so that what is loaded from the copy is what was checked.

import { createHash } from 'node:crypto';
import { constants, type Dirent, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, opendir, readdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { BinnacleError, defined } from '@binnacle/protocol';
import type { FolderScan } from './scan-limits.ts';

export interface PluginFile {
  /** Path below the folder, with `/`; a folder ends with `/`. '' is the folder itself. */
  readonly path: string;
  /** '' for a folder. */
  readonly sha256: string;
  readonly mode: number;
}

export interface FileBounds {
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  readonly maxBytes: number;
  readonly maxDepth: number;
}

export const FILE_BOUNDS: FileBounds = {
  maxFiles: 10_000,
  maxFileBytes: 32 * 1024 * 1024,
  maxBytes: 128 * 1024 * 1024,
  maxDepth: 32,
};

/** Bytes hashed in one event-loop turn, about ten milliseconds. */
const HASHED_AT_ONCE = 4 * 1024 * 1024;
const SET_ID = 0o6000;
const STICKY = 0o1000;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const ODD_NAME = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufffd\\]/u;

/**
 * Returns the real path of the folder, to use from here on. The folder and all folders above must belong to the
 * gateway's user or to root, and no other user may write to them; in a sticky folder above, such as /tmp, others cannot
 * move the plugin's folder. Throws `unsafe_plugin`.
 */
export async function checkPath(dir: string): Promise<string> {
  const requested = resolve(dir);
  const stat = await lstat(requested).catch((error: unknown) => refuse(requested, `cannot be read: ${codeOf(error)}`));
  if (stat.isSymbolicLink()) refuse(requested, 'is a link', 'Name the target folder of the link.');
  if (!stat.isDirectory()) refuse(requested, 'is not a folder');
  const real = await realpath(requested);
  checkOwner(real, await lstat(real), 0);
  for (let above = dirname(real), below = real; above !== below; below = above, above = dirname(above)) {
    checkOwner(above, await lstat(above), STICKY);
  }
  return real;
}

/** Lists the files by path. Throws `unsafe_plugin` for anything but own files and folders, and beyond the bounds. */
export async function readPluginFiles(dir: string, bounds: FileBounds = FILE_BOUNDS): Promise<PluginFile[]> {
  return await readEach(await checkPath(dir), bounds, () => undefined);
}

/**
 * Copies the files below `to`, a new folder that must not exist. Each file is read only once, so that the copied bytes
 * are the hashed bytes. `isGood` gets the list before anything can be loaded from the copy. Throws the errors of
 * `isGood`, and `unsafe_plugin`.
 */
export async function copyChecked(
  dir: string,
  to: string,
  isGood: (files: readonly PluginFile[]) => void,
  bounds: FileBounds = FILE_BOUNDS,
): Promise<void> {
  const from = await checkPath(dir);
  await mkdir(to, { mode: 0o700 });
  isGood(await readEach(from, bounds, writeBelow(to)));
}

/**
 * Copies the files of a folder in development. `leavesOut` decides by path what is not part of the plugin; such entries
 * are not read. Returns the files below `to`.
 */
export async function copySource(
  dir: string,
  to: string,
  source: { readonly leavesOut: (path: string) => boolean; readonly scan: FolderScan },
  bounds: FileBounds = FILE_BOUNDS,
): Promise<PluginFile[]> {
  const from = await checkPath(dir);
  await mkdir(to, { mode: 0o700 });
  return await readEach(from, bounds, writeBelow(to), source);
}

/** Lists a folder of untrusted content. */
export async function entriesIn(dir: string, scan: FolderScan): Promise<Dirent[]> {
  const found: Dirent[] = [];
  for await (const entry of await opendir(dir, { bufferSize: 256 })) {
    scan.spend('maxEntries');
    found.push(entry);
    if (found.length % 256 === 0) await scan.pause();
  }
  return found;
}

async function namesIn(dir: string, scan: FolderScan | undefined): Promise<string[]> {
  if (scan === undefined) return await readdir(dir);
  return (await entriesIn(dir, scan)).map(({ name }) => name);
}

type VisitFile = (path: string, bytes: Uint8Array | undefined) => Promise<void> | void;

const writeBelow =
  (to: string): VisitFile =>
  async (path, bytes) => {
    if (bytes === undefined) await mkdir(join(to, path), { mode: 0o700 });
    else await writeFile(join(to, path), bytes, { mode: 0o400, flag: 'wx' });
  };

async function readEach(
  root: string,
  bounds: FileBounds,
  each: VisitFile,
  {
    leavesOut = () => false,
    scan,
  }: { readonly leavesOut?: (path: string) => boolean; readonly scan?: FolderScan } = {},
): Promise<PluginFile[]> {
  const found: PluginFile[] = [];
  let bytesLeft = bounds.maxBytes;
  const add = (path: string, sha256: string, stat: Stats): void => {
    if (found.length >= bounds.maxFiles) refuse(root, `has more than ${bounds.maxFiles} files`);
    found.push({ path, sha256, mode: stat.mode & 0o7777 });
  };
  const visit = async (below: string, depth: number): Promise<void> => {
    if (depth > bounds.maxDepth) refuse(join(root, below), `is deeper than ${bounds.maxDepth} folders`);
    const names = await namesIn(join(root, below), scan);
    for (const name of names.sort()) {
      await scan?.pause();
      const path = below + name;
      if (leavesOut(path)) continue;
      const full = join(root, path);
      if (ODD_NAME.test(name)) refuse(spelled(full), 'has an ambiguous name');
      const stat = await lstat(full);
      checkKind(full, stat);
      checkOwner(full, stat, 0, `chmod -R go-w ${root}`);
      if (stat.isDirectory()) {
        add(`${path}/`, '', stat);
        await each(path, undefined);
        await visit(`${path}/`, depth + 1);
        continue;
      }
      const bytes = await readExactly(full, stat, Math.min(bounds.maxFileBytes, bytesLeft));
      bytesLeft -= bytes.length;
      add(path, await sha256Of(bytes), stat);
      await each(path, bytes);
    }
  };
  add('', '', await lstat(root));
  await visit('', 1);
  return found;
}

/** Reads the file that was checked, not one that has replaced it (TOCTOU). */
async function readExactly(full: string, seen: Stats, maxBytes: number): Promise<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(full, flags).catch((error: unknown) => refuse(full, `cannot be read: ${codeOf(error)}`));
  try {
    const stat = await file.stat();
    if (stat.dev !== seen.dev || stat.ino !== seen.ino || !stat.isFile()) refuse(full, 'was changed while it was read');
    if (stat.size > maxBytes) refuse(full, `has ${stat.size} bytes; ${maxBytes} are taken`);
    return await readSize(full, file, stat.size);
  } finally {
    await file.close();
  }
}

/** Reads exactly the checked size. One more byte means that the file has changed. */
async function readSize(full: string, file: FileHandle, size: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(size + 1);
  let length = 0;
  while (length <= size) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  if (length !== size) refuse(full, 'was changed while it was read');
  return buffer.subarray(0, size);
}

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASHED_AT_ONCE) {
    if (at > 0) await yieldToEventLoop();
    hash.update(bytes.subarray(at, at + HASHED_AT_ONCE));
  }
  return hash.digest('hex');
}

function checkKind(full: string, stat: Stats): void {
  if (stat.isSymbolicLink()) refuse(full, 'is a link', 'Remove the link: links lead out of the folder of the plugin.');
  if (stat.isDirectory()) return;
  if (!stat.isFile()) refuse(full, 'is neither a file nor a folder');
  if (stat.nlink > 1)
    refuse(full, 'has another name elsewhere', 'Copy the file: a hard link may be the file of another user.');
  if ((stat.mode & SET_ID) !== 0) refuse(full, 'runs as somebody else (setuid or setgid)');
}

function checkOwner(full: string, stat: Stats, pardons: number, hint = `chmod go-w ${full}`): void {
  // Windows has no such owners and modes.
  if (process.getuid === undefined) return;
  if (stat.uid !== 0 && stat.uid !== process.getuid()) refuse(full, `belongs to user ${stat.uid}`);
  // A private group, which most systems create for each user, with a umask that lets the group write.
  const isOwnGroup = stat.gid === stat.uid;
  const others = OTHERS_WRITE | (isOwnGroup ? 0 : GROUP_WRITES);
  if ((stat.mode & others) !== 0 && (stat.mode & pardons) === 0) {
    refuse(full, `has mode 0${(stat.mode & 0o777).toString(8)}, so others can write there`, hint);
  }
}

/** Escapes a path, so that no character of it can reverse or hide the rest of a message. */
const spelled = (path: string): string =>
  JSON.stringify(path).replace(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);

function refuse(path: string, what: string, hint?: string): never {
  throw new BinnacleError('unsafe_plugin', { message: `${path} ${what}.`, ...defined({ hint }) });
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
