// Installs the dependencies when they are missing or older than the lockfile.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { main, must, root } from './run.mjs';

const changed = (path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;

export async function install() {
  // npm writes this file last, so that it also shows an interrupted installation.
  if (changed('node_modules/.package-lock.json') >= changed('package-lock.json')) return;
  console.error('Installing dependencies …');
  await must('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
}

await main(import.meta, install);
