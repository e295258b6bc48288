// Temporary directories that go with the test or the file that made them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './teardown.ts';

/** Makes an empty directory and removes it at the end. `name` shows in its path. */
export function tempDir(name = 'test'): string {
  const dir = mkdtempSync(join(tmpdir(), `binnacle-${name}-`));
  atEnd(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
