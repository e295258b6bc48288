// What was installed and agreed to: the hash of every file, and what the manifest asked for then. What has changed since is
// refused, and whoever asks for more has to ask a person again. Keeps nothing itself.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import { isPluginId } from '../../config/plugin-id.ts';
import { type Grant, type Grants, grantIn, readGrants, spellGrant, wider } from '../grant/grants.ts';
import { configKey, type PermissionName } from '../grant/permissions.ts';
import { asked, MANIFEST_FILE, type Manifest, manifestBytes, readManifest, spellGrants } from './manifest.ts';
import { checkPath, copyChecked, type FileBounds, type PluginFile, readPluginFiles } from './plugin-files.ts';
import type { Look } from './scan-limits.ts';
import { loadedName } from './typescript.ts';

const MAX_NAMED = 20;
/** npm would run these; we never do, so that a plugin that needs one would not work. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];
const MAX_PACKAGE_BYTES = 1024 * 1024;

/** As it is kept, in JSON. */
export const InstallRecordShape = z.strictObject({
  id: z.string().refine(isPluginId),
  version: z.string(),
  /** Over all that is below. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  files: z.array(z.strictObject({ path: z.string(), sha256: z.string(), mode: z.int() })),
  /** As the config file would say it. */
  consented: z.record(z.string(), z.unknown()),
  /** ms since 1970. */
  installedAt: z.int(),
  /** Real path of the folder that the plugin came from. Absent from older records. */
  origin: z.string().optional(),
});
export type InstallRecord = z.output<typeof InstallRecordShape>;

export interface Installed {
  readonly record: InstallRecord;
  readonly manifest: Manifest;
  /** The real path. */
  readonly dir: string;
}

/**
 * To be called when a person has agreed to what the manifest asks for. `agreed`: the manifest that they were shown; another
 * one in the folder is refused. Throws `unsafe_plugin`, `bad_manifest`, `consent_needed`.
 */
export async function recordInstall(
  dir: string,
  agreed: Manifest,
  now: number,
  { bounds, look, origin }: { readonly bounds?: FileBounds; readonly look?: Look; readonly origin?: string } = {},
): Promise<Installed> {
  const real = await checkPath(dir);
  const files = await readPluginFiles(real, bounds);
  const manifest = await readManifestOf(agreed.id, real, files);
  const more = needsConsent(asked(agreed), manifest);
  if (more.length > 0 || manifest.id !== agreed.id) throw consentNeeded(manifest, more);
  checkEntry(manifest, files);
  await checkNoScripts(real, files, look);
  const { id, version } = manifest;
  const consented = spellGrants(asked(manifest));
  const came = origin === undefined ? {} : { origin };
  const record = { id, version, hash: hashOf(files), files, consented, installedAt: now, ...came };
  return { record, manifest, dir: real };
}

/** Before each start. Throws `plugin_changed`, `unsafe_plugin`, `bad_manifest`, `consent_needed`. */
export async function checkInstall(record: InstallRecord, dir: string, bounds?: FileBounds): Promise<Installed> {
  const real = await checkPath(dir);
  checkSame(record, await readPluginFiles(real, bounds));
  return { record, manifest: await readChecked(record, real), dir: real };
}

/**
 * The same, and a copy that nothing else was ever in: load from it, and no change in `dir` behind the check matters.
 * `to` must not be there; whoever made it takes it away, also after an error.
 */
export async function copyInstall(
  record: InstallRecord,
  dir: string,
  to: string,
  bounds?: FileBounds,
): Promise<Installed> {
  await copyChecked(dir, to, (files) => checkSame(record, files), bounds);
  return { record, manifest: await readChecked(record, to), dir: to };
}

/** One line of what a manifest asks for beyond what was agreed to. */
export interface Widening {
  readonly permission: PermissionName;
  readonly key: string;
  /** What is new of it, as the config file would say it. */
  readonly more: ReturnType<typeof spellGrant>;
}

/** Empty: nobody has to be asked. */
export function needsConsent(consented: Grants, manifest: Manifest): Widening[] {
  return Array.from(manifest.asks).flatMap(([name, { grant }]): Widening[] => {
    const more: Grant | undefined = wider(name, grantIn(consented, name), grant);
    if (more === undefined) return [];
    return [{ permission: name, key: configKey(manifest.id, name), more: spellGrant(name, more) }];
  });
}

/** What was agreed to. What is no permission any more was agreed to in vain. */
export const consentedIn = (record: InstallRecord): Grants => readGrants(record.consented, () => undefined);

export function consentNeeded(manifest: Manifest, more: readonly Widening[]): BinnacleError {
  const names = more.map(({ permission }) => permission).join(', ');
  return new BinnacleError('consent_needed', {
    message: `The plugin "${manifest.id}" ${manifest.version} asks for more than was agreed to${names === '' ? '' : `: ${names}`}.`,
    details: { plugin: manifest.id, more },
  });
}

/** The same manifest as when the hash was made, but maybe not of the same version of ours: what it asks for is seen anew. */
async function readChecked(record: InstallRecord, dir: string): Promise<Manifest> {
  const manifest = await readManifestOf(record.id, dir, record.files);
  if (manifest.id !== record.id || manifest.version !== record.version) {
    throw changed(record.id, [`${manifest.id} ${manifest.version} instead of ${record.id} ${record.version}`]);
  }
  const more = needsConsent(consentedIn(record), manifest);
  if (more.length > 0) throw consentNeeded(manifest, more);
  return manifest;
}

/** That of the list, and not one that came into the folder since. */
async function readManifestOf(plugin: string, dir: string, files: readonly PluginFile[]): Promise<Manifest> {
  const bytes = await manifestBytes(dir);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (files.some((file) => file.path === MANIFEST_FILE && file.sha256 === sha256)) return readManifest(bytes);
  throw changed(plugin, [`changed ${MANIFEST_FILE}`]);
}

function checkSame(record: InstallRecord, files: readonly PluginFile[]): void {
  // The list in the record is there to say what has changed; that nothing has, the hash says.
  if (hashOf(files) === record.hash && hashOf(record.files) === record.hash) return;
  const before = new Map(record.files.map((file) => [file.path, file]));
  const now = new Map(files.map((file) => [file.path, file]));
  const what = [
    ...files.filter(({ path }) => !before.has(path)).map(({ path }) => `added ${path}`),
    ...record.files.filter(({ path }) => !now.has(path)).map(({ path }) => `removed ${path}`),
    ...files.flatMap(({ path, sha256, mode }) => {
      const was = before.get(path);
      if (was === undefined) return [];
      if (was.sha256 !== sha256) return [`changed ${path}`];
      return was.mode === mode ? [] : [`mode of ${path === '' ? 'the folder' : path}`];
    }),
  ];
  throw changed(record.id, what);
}

function changed(plugin: string, what: readonly string[]): BinnacleError {
  const named = what.slice(0, MAX_NAMED);
  const others = what.length > named.length ? `, and ${what.length - named.length} more` : '';
  return new BinnacleError('plugin_changed', {
    message: `The files of the plugin "${plugin}" are not those that were installed: ${named.join(', ') || 'the record'}${others}.`,
    details: { plugin, changes: named },
  });
}

/** By path, so that the order of a disk is of no matter. Nothing in a path can look like the end of it. */
export function hashOf(files: readonly PluginFile[]): string {
  const list = files.map(({ path, sha256, mode }) => [path, sha256, mode] as const);
  list.sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(list)).digest('hex');
}

function checkEntry({ entry }: Manifest, files: readonly PluginFile[]): void {
  if (files.some(({ path }) => path === loadedName(entry))) return;
  throw new BinnacleError('bad_manifest', {
    message: `${MANIFEST_FILE}, entry: there is no file ${entry}.`,
    details: { field: 'entry' },
  });
}

/** Also in the packages that it brings along. */
async function checkNoScripts(dir: string, files: readonly PluginFile[], look?: Look): Promise<void> {
  for (const { path } of files) {
    await look?.pause();
    if (/(?:^|\/)binding\.gyp$/.test(path)) refuseScript(path, 'is compiled at install');
    if (!/(?:^|\/)package\.json$/.test(path)) continue;
    const text = await readFile(join(dir, path), 'utf8');
    look?.spend('maxJsonBytes', text.length);
    const found = scriptsIn(text);
    if (found === undefined) refuseScript(path, 'cannot be read');
    const script = found.find((name) => INSTALL_SCRIPTS.includes(name));
    if (script !== undefined) refuseScript(path, `has the script "${script}"`);
  }
}

/** Undefined where that cannot be said. */
function scriptsIn(text: string): readonly string[] | undefined {
  if (text.length > MAX_PACKAGE_BYTES) return undefined;
  try {
    const read: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (typeof read !== 'object' || read === null) return undefined;
    const scripts = 'scripts' in read ? read.scripts : {};
    return typeof scripts === 'object' && scripts !== null ? Object.keys(scripts) : [];
  } catch {
    return undefined;
  }
}

function refuseScript(path: string, what: string): never {
  throw new BinnacleError('unsafe_plugin', {
    message: `${path} ${what}.`,
    hint: 'Install scripts are never run. Ship the plugin as it is after them.',
  });
}
