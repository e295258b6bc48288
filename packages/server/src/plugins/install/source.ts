// Builds an installation from the folder that a person names: leaves out what is not part of the plugin, and strips
// types. Runs no code of the plugin.

import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { hashOf } from './install-record.ts';
import { findManifest, type Manifest, readManifestIn } from './manifest.ts';
import { copySource, entriesIn } from './plugin-files.ts';
import type { FolderScan } from './scan-limits.ts';

const MAX_PACKAGE_BYTES = 1024 * 1024;
const DECLARATIONS = /\.d\.[cm]?ts$/;
const TYPES_OF_A_PACKAGE = /(?:^|\/)node_modules\/.*\.[cm]?tsx?$/;
const SCOPE = /^@[^/]+/;
/** Path of a package, or of the folder of a scope. */
const PACKAGE = /^node_modules\/((?:@[^/]+\/)?[^/]+)/;

export interface BuiltPlugin {
  readonly manifest: Manifest;
  /** Hash over all files that were read. */
  readonly digest: string;
}

/** Strips the types from the files below `dir`. */
export type StripTypes = (dir: string, paths: readonly string[]) => Promise<void>;

/**
 * Builds into the new folder `to`; the caller removes it, also after an error. Throws `unsafe_plugin`, `bad_manifest`,
 * the errors of `strip`, and the error that aborts `scan`.
 */
export async function buildFrom(source: string, to: string, strip: StripTypes, scan: FolderScan): Promise<BuiltPlugin> {
  await findManifest(source);
  const packages = await packagesOf(source, scan);
  const files = await copySource(source, to, { leavesOut: (path) => isLeftOut(path, packages), scan });
  const paths = files.map(({ path }) => path);
  // The manifest comes before the types: a folder without one is not a plugin.
  const manifest = await readManifestIn(to);
  await strip(to, paths);
  return { manifest, digest: hashOf(files) };
}

/**
 * Returns true for files that are not installed. Names with a dot belong to tools and to the author: .git, .env,
 * .vscode.
 */
function isLeftOut(path: string, packages: ReadonlySet<string> | undefined): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.startsWith('.') || DECLARATIONS.test(name) || TYPES_OF_A_PACKAGE.test(path)) return true;
  if (path === 'node_modules') return packages?.size === 0;
  const inPackage = PACKAGE.exec(path)?.[1];
  return packages !== undefined && inPackage !== undefined && !packages.has(inPackage);
}

/**
 * Returns the packages of node_modules to install: the `dependencies` of package.json, their own dependencies, and the
 * folders of their scopes. All others are for development. Undefined without a package.json.
 */
async function packagesOf(source: string, scan: FolderScan): Promise<ReadonlySet<string> | undefined> {
  const first = await dependenciesIn(source, scan);
  if (first === undefined) return undefined;
  const needed = new Set<string>();
  const need = (names: readonly string[]): void => {
    for (const name of names) {
      if (needed.has(name)) continue;
      scan.spend('maxNames');
      needed.add(name);
    }
  };
  need(first);
  const modules = join(source, 'node_modules');
  const isThere = await isFolder(modules);
  // Iteration over a set includes items added meanwhile.
  for (const name of needed) {
    await scan.pause();
    if (!isThere || !(await isFolderIn(modules, name))) continue;
    // Includes the bundled packages.
    const folders = [join(modules, name)];
    for (const folder of folders) {
      await scan.pause();
      scan.spend('maxFolders');
      need((await dependenciesIn(folder, scan)) ?? []);
      folders.push(...(await packagesIn(join(folder, 'node_modules'), scan)));
    }
  }
  const scopes = Array.from(needed, (name) => SCOPE.exec(name)?.[0]).filter((scope) => scope !== undefined);
  return new Set([...needed, ...scopes]);
}

async function packagesIn(dir: string, scan: FolderScan): Promise<string[]> {
  const found: string[] = [];
  for (const name of await foldersIn(dir, scan)) {
    if (!name.startsWith('@')) found.push(join(dir, name));
    else for (const inner of await foldersIn(join(dir, name), scan)) found.push(join(dir, name, inner));
  }
  return found;
}

/**
 * Lists real folders. Links are excluded, because they could be circular or lead outside the plugin; hidden folders are
 * left out as well.
 */
async function foldersIn(dir: string, scan: FolderScan): Promise<string[]> {
  if (!(await isFolder(dir))) return [];
  const entries = await entriesIn(dir, scan);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
}

async function dependenciesIn(dir: string, scan: FolderScan): Promise<string[] | undefined> {
  const read = await jsonIn(join(dir, 'package.json'), scan);
  if (!isObject(read)) return undefined;
  const { dependencies, optionalDependencies, peerDependencies } = read;
  const names = [dependencies, optionalDependencies, peerDependencies].flatMap((one) =>
    isObject(one) ? Object.keys(one) : [],
  );
  return names.filter((name) => /^(?:@[\w.~-]+\/)?[\w.~-]+$/.test(name) && !name.includes('..'));
}

/** Parses JSON only to decide what to leave out. The installed files are checked when they are copied. */
async function jsonIn(path: string, scan: FolderScan): Promise<unknown> {
  // Opening a FIFO of that name would otherwise block until a writer comes.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.nlink > 1 || stat.size > MAX_PACKAGE_BYTES) return undefined;
    scan.spend('maxJsonBytes', stat.size);
    const buffer = Buffer.alloc(stat.size);
    const { bytesRead } = await file.read(buffer, 0, stat.size, 0);
    return JSON.parse(buffer.toString('utf8', 0, bytesRead).replace(/^\uFEFF/, ''));
  } catch (error) {
    if (error instanceof BinnacleError) throw error;
    return undefined;
  } finally {
    await file.close();
  }
}

async function isFolderIn(modules: string, name: string): Promise<boolean> {
  const scope = SCOPE.exec(name)?.[0];
  return (scope === undefined || (await isFolder(join(modules, scope)))) && (await isFolder(join(modules, name)));
}

const isFolder = (dir: string): Promise<boolean> =>
  lstat(dir).then(
    (stat) => stat.isDirectory(),
    () => false,
  );

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
