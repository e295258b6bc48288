// Changes one key of a config file: comments and formatting stay, what would not be in force is refused before it is
// written, and the file is replaced whole or not at all. Knows no setting.

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

/** Somebody may save the file while it is edited here; then it is read again. */
const TRIES = 5;

const BOM = '\uFEFF';

/** A file as it was read. */
interface Found {
  /** Where links lead. */
  readonly file: string;
  /** Undefined: there is none. */
  readonly text: string | undefined;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly stamp: string;
}

/**
 * The file says it when this settles; false where it did before. Throws `bad_config` for what would not be in force,
 * `config_not_writable`, `disk_full`. One at a time.
 */
export async function editConfigFile(path: string, key: EditPath, value: unknown): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const found = await find(path);
    // What is in force without a file goes on to be.
    const text = found.text ?? `${JSON.stringify(JSON.parse(NO_FILE), null, 2)}\n`;
    const edited = editText(text, key, value);
    if (edited === text) return false;
    if (await replace(found, edited)) return true;
    if (tries === TRIES) throw notWritable(path, undefined, 'another program goes on writing it');
  }
}

/** Throws `bad_config`. */
export function editText(text: string, key: EditPath, value: unknown): string {
  const bom = text.startsWith(BOM) ? BOM : '';
  const plain = text.slice(bom.length);
  if (isDeepStrictEqual(valueAt(plain, key), value)) {
    // A file that is no JSON says nothing, and the settings before it stay in force: nothing was taken away.
    const read = readJsonc(plain);
    if ('wrong' in read) throw refused(key, `the file cannot be read (${read.wrong.what.replace(/\.$/, '')})`);
    return text;
  }
  let edited: string;
  try {
    edited = applyEdits(plain, modify(plain, [...key], value, { formattingOptions: styleOf(plain) }));
  } catch (cause) {
    // What is above it is no object, or the file is no JSON.
    throw refused(key, `it has no place there (${cause instanceof Error ? cause.message : 'unknown'})`, cause);
  }
  const had = problemsAt(readConfigOr(plain), key);
  const problem = problemsAt(readConfig(edited).problems, key).find(
    ({ message }) => !had.some((one) => one.message === message),
  );
  if (problem !== undefined) throw refused(key, problem.message);
  // A key that is there twice is read where it stands last, and changed where it stands first.
  if (!isDeepStrictEqual(valueAt(edited, key), value)) throw refused(key, 'it stands in the file more than once');
  return bom + edited;
}

/** Undefined where nothing stands. */
function valueAt(text: string, key: EditPath): unknown {
  const read = readJsonc(text);
  if ('wrong' in read) return undefined;
  let at = read.value;
  for (const name of key) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}

/** Of a file that is not in force there is nothing to compare with. */
function readConfigOr(text: string): readonly ConfigProblem[] {
  try {
    return readConfig(text).problems;
  } catch {
    return [];
  }
}

/** Paths are spelled `bindings[3].match`. */
function problemsAt(problems: readonly ConfigProblem[], key: EditPath): readonly ConfigProblem[] {
  const path = key.join('.');
  return problems.filter(
    (one) => one.path === path || (one.path.startsWith(path) && /[.[]/.test(one.path[path.length] ?? '')),
  );
}

/** As the rest of the file is. */
function styleOf(text: string): FormattingOptions {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return { insertSpaces: !indent.startsWith('\t'), tabSize: indent.startsWith('\t') ? 1 : indent.length, eol };
}

async function find(path: string): Promise<Found> {
  let file: string;
  try {
    file = await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw notWritable(path, error);
    // A link that leads nowhere is not taken away: whoever made it has a reason.
    if (await isThere(path)) throw notWritable(path, error, 'it is a link to a file that is not there');
    return { file: path, text: undefined, mode: 0o600, owner: undefined, stamp: '' };
  }
  try {
    const facts = await stat(file);
    if (!facts.isFile()) throw notWritable(file, undefined, 'it is no file');
    // To replace it, leave to write its folder would do: whoever closed the file means it.
    if ((facts.mode & 0o222) === 0) throw notWritable(file, undefined, 'it is read-only');
    await access(file, constants.W_OK);
    const { uid, gid, mode, dev, ino, size, mtimeMs } = facts;
    const stamp = `${dev}:${ino}:${size}:${mtimeMs}`;
    return { file, text: await readFile(file, 'utf8'), mode: mode & 0o7777, owner: { uid, gid }, stamp };
  } catch (error) {
    throw notWritable(file, error);
  }
}

/** False where the file is another by now: nothing was changed then. */
async function replace({ file, mode, owner, stamp }: Found, text: string): Promise<boolean> {
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
    // Nothing of ours comes between: an editor that saves just then is overwritten only in the time of two system calls.
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

/** A file of somebody else's stays theirs, or as it is. */
async function giveTo(handle: FileHandle, { uid, gid }: NonNullable<Found['owner']>): Promise<void> {
  const made = await handle.stat();
  if (made.uid !== uid || made.gid !== gid) await handle.chown(uid, gid);
}

function stampNow(file: string): string {
  const facts = statSync(file, { throwIfNoEntry: false });
  return facts === undefined ? '' : `${facts.dev}:${facts.ino}:${facts.size}:${facts.mtimeMs}`;
}

/** The new name is on the disk, too. Some file systems cannot, and the file is there all the same. */
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
