// From the folder that a person names to the files that would be installed: what is no part of a plugin is left out, and
// types are taken away. Runs nothing of it.

import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashOf } from './install-record.ts';
import { type Manifest, readManifestIn } from './manifest.ts';
import { copySource } from './plugin-files.ts';
import { type TypeScripts, withoutTypes } from './type-stripping.ts';

const MAX_PACKAGE_BYTES = 1024 * 1024;
const MAX_PACKAGES = 10_000;
const DECLARATIONS = /\.d\.[cm]?ts$/;
const TYPES_OF_A_PACKAGE = /(?:^|\/)node_modules\/.*\.[cm]?tsx?$/;
const PACKAGE = /^node_modules\/((?:@[^/]+\/)?[^/]+)/;

export interface Built {
  readonly manifest: Manifest;
  /** Over all that was read. */
  readonly digest: string;
}

/** `to` is made; whoever named it takes it away, also after an error. Throws `unsafe_plugin`, `bad_manifest`, `bad_typescript`. */
export async function buildFrom(source: string, to: string, thread: TypeScripts): Promise<Built> {
  const packages = await packagesOf(source);
  const files = await copySource(source, to, (path) => isLeftOut(path, packages));
  const paths = files.map(({ path }) => path);
  // Before the types: who has no manifest has not named a plugin.
  const manifest = await readManifestIn(to);
  await withoutTypes(to, paths, thread);
  return { manifest, digest: hashOf(files) };
}

/** What begins with a dot is of tools and of the author: .git, .env, .vscode. */
function isLeftOut(path: string, packages: ReadonlySet<string> | undefined): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.startsWith('.') || DECLARATIONS.test(name) || TYPES_OF_A_PACKAGE.test(path)) return true;
  if (path === 'node_modules') return packages?.size === 0;
  const inPackage = PACKAGE.exec(path)?.[1];
  if (packages === undefined || inPackage === undefined) return false;
  // A folder of a scope is there with what is in it.
  return inPackage.startsWith('@') && !inPackage.includes('/')
    ? ![...packages].some((one) => one.startsWith(`${inPackage}/`))
    : !packages.has(inPackage);
}

/**
 * Of node_modules what package.json names as `dependencies`, and what those need: the others are for the author. Undefined
 * where there is no package.json to say so.
 */
async function packagesOf(source: string): Promise<ReadonlySet<string> | undefined> {
  const first = await dependenciesIn(source);
  if (first === undefined) return undefined;
  const needed = new Set<string>();
  const open = [...first];
  const left = { folders: MAX_PACKAGES };
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    open.push(...(await dependenciesBelow(join(source, 'node_modules', name), left)));
  }
  return needed;
}

/** Also those of the packages that it brings along. What is beyond the bounds is not taken along. */
async function dependenciesBelow(dir: string, left: { folders: number }): Promise<string[]> {
  left.folders -= 1;
  if (left.folders < 0) return [];
  const found = (await dependenciesIn(dir)) ?? [];
  for (const inner of await packagesIn(join(dir, 'node_modules'))) {
    found.push(...(await dependenciesBelow(inner, left)));
  }
  return found;
}

/** No links: they could lead in a circle. */
async function packagesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const found = folders.map((name) => (name.startsWith('@') ? packagesIn(join(dir, name)) : [join(dir, name)]));
  return (await Promise.all(found)).flat();
}

async function dependenciesIn(dir: string): Promise<string[] | undefined> {
  const read = await jsonIn(join(dir, 'package.json'));
  if (!isObject(read)) return undefined;
  const { dependencies, optionalDependencies, peerDependencies } = read;
  const names = [dependencies, optionalDependencies, peerDependencies].flatMap((one) =>
    isObject(one) ? Object.keys(one) : [],
  );
  return names.filter((name) => /^(?:@[\w.~-]+\/)?[\w.~-]+$/.test(name) && !name.includes('..'));
}

/** Only to know what to leave out: what is installed is looked at when it is copied. */
async function jsonIn(path: string): Promise<unknown> {
  // A pipe of that name would make us wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > MAX_PACKAGE_BYTES) return undefined;
    return JSON.parse(await file.readFile('utf8'));
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
