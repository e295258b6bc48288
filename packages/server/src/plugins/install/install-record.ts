// The record of an installation: the hash of every file, and the consent to the permissions that the manifest
// requested. Changed files are refused, and further permissions need consent again. Stores nothing itself.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError, defined } from '@binnacle/protocol';
import { z } from 'zod';
import { isPluginId } from '../../config/plugin-id.ts';
import { type Grant, type Grants, grantIn, readGrants, spellGrant, wider } from '../grant/grants.ts';
import { configKey, type PermissionName } from '../grant/permissions.ts';
import { MANIFEST_FILE, type Manifest, manifestBytes, readManifest, requestedGrants, spellGrants } from './manifest.ts';
import { checkPath, copyChecked, type FileBounds, type PluginFile, readPluginFiles } from './plugin-files.ts';
import type { FolderScan } from './scan-limits.ts';
import { loadedName } from './typescript.ts';

const MAX_NAMED = 20;
/** Scripts that npm would run and the gateway never does: a plugin that needs one would not work. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];
const MAX_PACKAGE_BYTES = 1024 * 1024;

/** The stored form, as JSON. */
export const InstallRecordShape = z.strictObject({
  id: z.string().refine(isPluginId),
  version: z.string(),
  /** Hash over all files below. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  files: z.array(z.strictObject({ path: z.string(), sha256: z.string(), mode: z.int() })),
  /** Permissions in the form of the config file. */
  consented: z.record(z.string(), z.unknown()),
  /** ms since 1970. */
  installedAt: z.int(),
  /** Real path of the folder that the plugin came from. Absent from older records. */
  origin: z.string().optional(),
});
export type InstallRecord = z.output<typeof InstallRecordShape>;

export interface Installation {
  readonly record: InstallRecord;
  readonly manifest: Manifest;
  /** Real path. */
  readonly dir: string;
}

/**
 * Records an installation. Call after a person has consented to the permissions in the manifest. `agreed`: the manifest
 * that the person saw; a different one in the folder is refused. Throws `unsafe_plugin`, `bad_manifest`,
 * `consent_needed`.
 */
export async function recordInstall(
  dir: string,
  agreed: Manifest,
  now: number,
  { bounds, scan, origin }: { readonly bounds?: FileBounds; readonly scan?: FolderScan; readonly origin?: string } = {},
): Promise<Installation> {
  const real = await checkPath(dir);
  const files = await readPluginFiles(real, bounds);
  const manifest = await readManifestOf(agreed.id, real, files);
  const more = needsConsent(requestedGrants(agreed), manifest);
  if (more.length > 0 || manifest.id !== agreed.id) throw consentNeeded(manifest, more);
  checkEntry(manifest, files);
  await checkNoScripts(real, files, scan);
  const { id, version } = manifest;
  const consented = spellGrants(requestedGrants(manifest));
  const originField = defined({ origin });
  const record = { id, version, hash: hashOf(files), files, consented, installedAt: now, ...originField };
  return { record, manifest, dir: real };
}

/**
 * Checks an installation; before each start. Throws `plugin_changed`, `unsafe_plugin`, `bad_manifest`,
 * `consent_needed`.
 */
export async function checkInstall(record: InstallRecord, dir: string, bounds?: FileBounds): Promise<Installation> {
  const real = await checkPath(dir);
  checkSame(record, await readPluginFiles(real, bounds));
  return { record, manifest: await readChecked(record, real), dir: real };
}

/**
 * Checks an installation and copies it into a new folder. Load from the copy: a later change in `dir` then has no
 * effect (TOCTOU). `to` must not exist; the caller removes it, also after an error.
 */
export async function copyInstall(
  record: InstallRecord,
  dir: string,
  to: string,
  bounds?: FileBounds,
): Promise<Installation> {
  await copyChecked(dir, to, (files) => checkSame(record, files), bounds);
  return { record, manifest: await readChecked(record, to), dir: to };
}

/** A permission in the manifest that exceeds the consent. */
export interface Widening {
  readonly permission: PermissionName;
  readonly key: string;
  /** The additional part, in the form of the config file. */
  readonly more: ReturnType<typeof spellGrant>;
}

/** Returns the permissions without consent; empty if no consent is needed. */
export function needsConsent(consented: Grants, manifest: Manifest): Widening[] {
  return Array.from(manifest.asks).flatMap(([name, { grant }]): Widening[] => {
    const more: Grant | undefined = wider(name, grantIn(consented, name), grant);
    if (more === undefined) return [];
    return [{ permission: name, key: configKey(manifest.id, name), more: spellGrant(name, more) }];
  });
}

/** Returns the permissions with consent. Unknown permissions, from another version, are ignored. */
export const consentedIn = (record: InstallRecord): Grants => readGrants(record.consented, () => undefined);

export function consentNeeded(manifest: Manifest, more: readonly Widening[]): BinnacleError {
  const names = more.map(({ permission }) => permission).join(', ');
  return new BinnacleError('consent_needed', {
    message: `The plugin "${manifest.id}" ${manifest.version} asks for more than was agreed to${names === '' ? '' : `: ${names}`}.`,
    details: { plugin: manifest.id, more },
  });
}

/**
 * Reads the manifest. Its bytes are those of the installation, but the version of the gateway may differ, so the
 * permissions are checked again.
 */
async function readChecked(record: InstallRecord, dir: string): Promise<Manifest> {
  const manifest = await readManifestOf(record.id, dir, record.files);
  if (manifest.id !== record.id || manifest.version !== record.version) {
    throw changed(record.id, [`${manifest.id} ${manifest.version} instead of ${record.id} ${record.version}`]);
  }
  const more = needsConsent(consentedIn(record), manifest);
  if (more.length > 0) throw consentNeeded(manifest, more);
  return manifest;
}

/** Reads the manifest whose hash is in the list, not one that appeared later. */
async function readManifestOf(plugin: string, dir: string, files: readonly PluginFile[]): Promise<Manifest> {
  const bytes = await manifestBytes(dir);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (files.some((file) => file.path === MANIFEST_FILE && file.sha256 === sha256)) return readManifest(bytes);
  throw changed(plugin, [`changed ${MANIFEST_FILE}`]);
}

function checkSame(record: InstallRecord, files: readonly PluginFile[]): void {
  // The hash proves that nothing has changed; the list in the record serves to report the changes.
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

/**
 * Hashes the list, sorted by path, so that the order on the disk does not matter. JSON prevents that a path imitates
 * the end of an entry.
 */
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

/** Refuses install scripts, including those of bundled packages. */
async function checkNoScripts(dir: string, files: readonly PluginFile[], scan?: FolderScan): Promise<void> {
  for (const { path } of files) {
    await scan?.pause();
    if (/(?:^|\/)binding\.gyp$/.test(path)) refuseScript(path, 'is compiled at install');
    if (!/(?:^|\/)package\.json$/.test(path)) continue;
    const text = await readFile(join(dir, path), 'utf8');
    scan?.spend('maxJsonBytes', text.length);
    const found = scriptsIn(text);
    if (found === undefined) refuseScript(path, 'cannot be read');
    const script = found.find((name) => INSTALL_SCRIPTS.includes(name));
    if (script !== undefined) refuseScript(path, `has the script "${script}"`);
  }
}

/** Returns the names of scripts; undefined if the file cannot be parsed. */
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
    hint: 'Install scripts are never run. Ship the plugin with their results.',
  });
}
