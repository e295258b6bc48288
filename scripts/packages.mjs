// Packs what is published, and lints the archives: publint for package.json and files, attw for what TypeScript finds.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { root } from './run.mjs';

/** Resolutions that the packages do not serve: they are ES modules, for Node 20 and bundlers, which read `exports`. */
const NOT_SERVED = new Set(['node10', 'node16-cjs']);

/** Folders of the packages that are published. */
export const publishedFolders = () =>
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    .workspaces.map((folder) => join(root, folder))
    .filter((folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).private !== true);

/** Packs what was built into a directory. Returns the name and the path of each archive. */
export function pack(directory) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', directory, ...publishedFolders()];
  const packed = execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  return JSON.parse(packed).map(({ name, filename }) => ({ name, path: join(directory, filename) }));
}

/** Says what is wrong with an archive, one sentence each. */
export async function lint({ name, path }) {
  const bytes = readFileSync(path);
  const { messages, pkg } = await publint({
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
    strict: true,
  });
  // A package that exports nothing is a command: there is nothing to resolve.
  const types =
    pkg.exports === undefined ? {} : await checkPackage(createPackageFromTarballData(new Uint8Array(bytes)));
  return [
    ...messages.map((message) => `${name}: ${formatMessage(message, pkg, { color: false })}`),
    ...(types.problems ?? [])
      .filter(({ resolutionKind, entrypoint }) => !NOT_SERVED.has(resolutionKind) && !entrypoint?.endsWith('.css'))
      .map((problem) => `${name}: ${JSON.stringify(problem)}`),
    ...(types.types === false ? [`${name}: no types`] : []),
  ];
}
