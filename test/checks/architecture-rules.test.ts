// The check of the layers that ARCHITECTURE.md shows, run on documents with a fault.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const right = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');

function check(text: string): { code: number | null; faults: string[] } {
  const document = join(tempDir(), 'ARCHITECTURE.md');
  writeFileSync(document, text);
  const args = [join(ROOT, 'scripts/architecture-rules.mjs'), document];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const faults = stderr.split('\n').filter((line) => line !== '');
  return { code: status, faults: faults.map((line) => line.replace(`${document}: `, '')) };
}

it('the document as it is agrees with the layers', () => {
  expect(check(right)).toEqual({ code: 0, faults: [] });
});

it('a folder that is missing, unknown or in a row of higher layers is named', () => {
  expect(right).toContain('| `transport`, `feed` |');
  expect(check(right.replace('| `transport`, `feed` |', '| `feed`, `gone` |'))).toEqual({
    code: 1,
    faults: [
      'packages/client: transport is in scripts/layers.mjs and not in the table.',
      'packages/client: gone is in the table and not in scripts/layers.mjs.',
    ],
  });
  const moved = right
    .replace('| `transport`, `feed` |', '| `transport` |')
    .replace('| `client.ts`, `index.ts` |', '| `client.ts`, `index.ts`, `feed` |');
  expect(check(moved).faults).toEqual(['packages/client: feed is of a lower layer than a folder in a row above.']);
});

it('a package without a table is named', () => {
  expect(check(right.replace('### packages/viewer', '### the page')).faults).toContain('packages/viewer has no table.');
});
