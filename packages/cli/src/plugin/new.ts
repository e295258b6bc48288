// `binnacle plugin new`: creates a folder with a working plugin. Needs no gateway.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shellWord } from '@binnacle/protocol';
import { isPluginId } from '@binnacle/server/plugin-manifest';
import type { Options } from '../declarations/commands.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { printable } from '../output/style.ts';
import { templateOf } from './templates.ts';

export function newPlugin(folder: string, { kind, ts = false }: Options<'plugin new'>): number {
  const dir = resolve(folder);
  const id = idFor(basename(dir));
  if (namesIn(dir).length > 0) throw new Failure(EXIT.failed, `${dir} is not empty.`, 'Name a new folder.');
  write(dir, templateOf(kind, id, ts ? apiTypes() : undefined));
  process.stderr.write(`Created the plugin ${id} in ${printable(dir)}. Next:
  binnacle plugin test ${shellWord(printable(folder))}
  binnacle plugin dev ${shellWord(printable(folder))}
`);
  return EXIT.ok;
}

/**
 * Reads the types: in dist/ of an installation; in a checkout from their source, relative to the bundle or to the
 * sources.
 */
function apiTypes(): string {
  const places = ['plugin.d.ts', '../../plugin/src/index.ts', '../../../plugin/src/index.ts'];
  const found = places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
  if (found === undefined)
    throw new Failure(EXIT.failed, 'The types for plugins are missing from the installation of Binnacle.');
  return readFileSync(found, 'utf8');
}

function idFor(name: string): string {
  const id = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[-0-9]+|-+$/g, '');
  if (isPluginId(id)) return id;
  throw usage(
    `"${name}" is not a valid plugin name.`,
    'Name the folder with a-z, 0-9 and single -, beginning with a letter.',
  );
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new Failure(EXIT.failed, `${dir} cannot be used: ${error instanceof Error ? error.message : ''}`);
  }
}

/** Writes files that only the owner may write, whatever the umask: others would be refused at the install. */
function write(dir: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(dir, path), text, { mode: 0o644, flag: 'wx' });
  }
}
