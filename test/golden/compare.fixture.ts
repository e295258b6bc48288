// Compares a transcript with the one that is kept, byte for byte. `UPDATE_GOLDEN=1` writes it anew and prints what changed.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** `name`: of a file in this directory. */
export function compareWithGolden(name: string, text: string): void {
  const path = join(import.meta.dirname, name);
  const kept = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (process.env.UPDATE_GOLDEN !== '1') {
    expect(text, `${name} is not as it was. If it is meant to change: UPDATE_GOLDEN=1 npm test -- test/golden`).toBe(
      kept,
    );
    return;
  }
  if (text === kept) return;
  const { stdout } = spawnSync('diff', ['-u', '--label', `${name} (was)`, '--label', `${name} (is)`, path, '-'], {
    input: text,
    encoding: 'utf8',
  });
  process.stdout.write(kept === '' ? `${name} is new.\n` : (stdout ?? `${name} has changed.\n`));
  writeFileSync(path, text);
}
