// Changes one key of a config file: comments and formatting stay, an invalid change is refused before the write, and
// the file is replaced atomically.

import { randomBytes } from 'node:crypto';
import { constants, renameSync, statSync } from 'node:fs';
import { access, type FileHandle, lstat, open, readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { BinnacleError, isDiskFull } from '@binnacle/protocol';
import { applyEdits, type FormattingOptions, modify } from 'jsonc-parser';
import { readJsonc } from './jsonc.ts';
import { type ConfigProblem, NO_FILE, readConfig } from './parse.ts';

export type EditPath = readonly string[];

/** Maximum attempts. Another program may save the file during an edit; then it is read again. */
const TRIES = 5;

const BOM = '\uFEFF';

/** A file as it was read. */
interface ConfigSnapshot {
  /** The path after resolving links. */
  readonly file: string;
  /** Undefined without a file. */
  readonly text: string | undefined;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly stamp: string;
}

/**
 * Changes a key. Returns false if the file already had the value. Throws `bad_config` for a change that could not be in
 * force, `config_not_writable`, `disk_full`. Must not run concurrently.
 */
export async function editConfigFile(path: string, key: EditPath, value: unknown): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const found = await find(path);
    // The settings in force without a file stay in force.
    const text = found.text ?? `${JSON.stringify(JSON.parse(NO_FILE), null, 2)}\n`;
    const edited = editText(text, key, value);
    if (edited === text) return false;
    if (await replace(found, edited)) return true;
    if (tries === TRIES) throw notWritable(path, undefined, 'another program keeps writing it');
  }
}

/** Throws `bad_config`. */
export function editText(text: string, key: EditPath, value: unknown): string {
  const bom = text.startsWith(BOM) ? BOM : '';
  const plain = text.slice(bom.length);
  if (isDeepStrictEqual(valueIn(plain, key), value)) {
    // A file that is not JSON has no settings, and the earlier settings stay in force: nothing was removed.
    const read = readJsonc(plain);
    if ('wrong' in read) throw refused(key, `the file cannot be read (${read.wrong.what.replace(/\.$/, '')})`);
    return text;
  }
  let edited: string;
  try {
    edited = applyEdits(plain, modify(plain, [...key], value, { formattingOptions: styleOf(plain) }));
  } catch (cause) {
    // The parent of the key is no object, or the file is not JSON.
    throw refused(key, `it is not allowed there (${cause instanceof Error ? cause.message : 'unknown'})`, cause);
  }
  const had = problemsAt(readConfigOr(plain), key);
  const problem = problemsAt(readConfig(edited).problems, key).find(
    ({ message }) => !had.some((one) => one.message === message),
  );
  if (problem !== undefined) throw refused(key, problem.message);
  // A duplicate key is read at its last place, and changed at its first.
  if (!isDeepStrictEqual(valueIn(edited, key), value)) throw refused(key, 'it occurs in the file more than once');
  return bom + edited;
}

/** Returns undefined if there is no value. */
function valueIn(text: string, key: EditPath): unknown {
  const read = readJsonc(text);
  return 'wrong' in read ? undefined : valueAt(read.value, key);
}

/** Returns the value at a path; undefined if there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}

/** Returns no problems for a file that is not in force: there is nothing to compare with. */
function readConfigOr(text: string): readonly ConfigProblem[] {
  try {
    return readConfig(text).problems;
  } catch {
    return [];
  }
}

/** Returns the problems at or below a key. Paths have the form `bindings[3].match`. */
function problemsAt(problems: readonly ConfigProblem[], key: EditPath): readonly ConfigProblem[] {
  const path = key.join('.');
  return problems.filter(
    (one) => one.path === path || (one.path.startsWith(path) && /[.[]/.test(one.path[path.length] ?? '')),
  );
}

/** Returns the formatting of the rest of the file. */
function styleOf(text: string): FormattingOptions {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return { insertSpaces: !indent.startsWith('\t'), tabSize: indent.startsWith('\t') ? 1 : indent.length, eol };
}

async function find(path: string): Promise<ConfigSnapshot> {
  let file: string;
  try {
    file = await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw notWritable(path, error);
    // A dangling link is not replaced: its owner has a reason.
    if (await isThere(path)) throw notWritable(path, error, 'it is a link to a file that is not there');
    return { file: path, text: undefined, mode: 0o600, owner: undefined, stamp: '' };
  }
  try {
    const facts = await stat(file);
    if (!facts.isFile()) throw notWritable(file, undefined, 'it is not a file');
    // A replacement needs only write permission for the folder, but a read-only file shows that its owner forbids
    // changes.
    if ((facts.mode & 0o222) === 0) throw notWritable(file, undefined, 'it is read-only');
    await access(file, constants.W_OK);
    const { uid, gid, mode, dev, ino, size, mtimeMs } = facts;
    const stamp = `${dev}:${ino}:${size}:${mtimeMs}`;
    return { file, text: await readFile(file, 'utf8'), mode: mode & 0o7777, owner: { uid, gid }, stamp };
  } catch (error) {
    throw notWritable(file, error);
  }
}

/** Replaces the file. Returns false, and changes nothing, if the file has changed since it was read. */
async function replace({ file, mode, owner, stamp }: ConfigSnapshot, text: string): Promise<boolean> {
  const folder = dirname(file);
  const made = join(folder, `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(made, 'wx', 0o600);
    if (owner !== undefined) await giveTo(handle, owner);
    await handle.chmod(mode);
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    handle = undefined;
    // No code runs between these calls: a concurrent save is overwritten only within the time of two system calls.
    if (stampNow(file) !== stamp) return false;
    renameSync(made, file);
    await syncFolder(folder);
    return true;
  } catch (error) {
    throw notWritable(file, error);
  } finally {
    await handle?.close().catch(() => undefined);
    await rm(made, { force: true }).catch(() => undefined);
  }
}

/** Preserves the owner of the file, or fails. */
async function giveTo(handle: FileHandle, { uid, gid }: NonNullable<ConfigSnapshot['owner']>): Promise<void> {
  const made = await handle.stat();
  if (made.uid !== uid || made.gid !== gid) await handle.chown(uid, gid);
}

function stampNow(file: string): string {
  const facts = statSync(file, { throwIfNoEntry: false });
  return facts === undefined ? '' : `${facts.dev}:${facts.ino}:${facts.size}:${facts.mtimeMs}`;
}

/** Syncs the new name to the disk. Some file systems cannot; the file exists all the same. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

function notWritable(file: string, cause: unknown, why?: string): BinnacleError {
  if (cause instanceof BinnacleError) return cause;
  if (isDiskFull(cause)) return BinnacleError.of(cause);
  const reason = why ?? (codeOf(cause) || String(cause));
  return new BinnacleError('config_not_writable', {
    message: `${file} cannot be changed: ${reason}.`,
    details: { file, reason: codeOf(cause) },
    cause,
  });
}

const refused = (key: EditPath, why: string, cause?: unknown): BinnacleError =>
  new BinnacleError('bad_config', {
    message: `${key.join('.')} cannot be set like that: ${why}`,
    hint: 'Nothing was changed. Pass another value, or change the file by hand.',
    details: { key: key.join('.') },
    cause,
  });
