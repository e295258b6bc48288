// The check of names, run on a repository with faults.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/name-rules.mjs', import.meta.url));

function check(files: Readonly<Record<string, string>>): { code: number | null; faults: string[] } {
  const repository = tempDir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(repository, path)), { recursive: true });
    writeFileSync(join(repository, path), text);
  }
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, repository], { encoding: 'utf8' });
  return { code: status, faults: stderr.split('\n').filter((line) => line !== '') };
}

it('a retired word in a variable, a parameter, a member, a type and the name of a file is found', () => {
  const { code, faults } = check({
    'packages/a/src/one.ts': `
      const lastTold = 1;
      function open(isHeld: boolean, { a: asked }: { a: number }) { return [lastTold, isHeld, asked]; }
      class Room { #helm = 1; seatOf() { return this.#helm; } }
      export interface HailRow { readonly row: number }`,
    'packages/a/src/desk.ts': 'export {};',
  });
  expect(code).toBe(1);
  expect(faults.map((fault) => fault.split(': "')[0]?.replace('packages/a/src/', ''))).toEqual([
    'desk.ts:1: desk',
    'one.ts:2: lastTold',
    'one.ts:3: isHeld',
    'one.ts:3: asked',
    'one.ts:4: helm',
    'one.ts:4: seatOf',
    'one.ts:5: HailRow',
  ]);
});

it('a name that repeats the key of a message, a test and a word that only contains a retired one are no fault', () => {
  const { code, faults } = check({
    'packages/a/src/one.ts':
      'export function read({ asked }: Record<string, number>) { const unfolded = asked; return unfolded; }',
    'packages/a/src/one.test.ts': 'const told = 1; export { told };',
  });
  expect({ code, faults }).toEqual({ code: 0, faults: [] });
});

it('a name that one package exports from two files is named with both, and two packages may share one', () => {
  const { code, faults } = check({
    'packages/a/src/one.ts': 'export type Page = number; export const size = 1;',
    'packages/a/src/two.ts': 'export interface Page { readonly at: number }',
    'packages/b/src/one.ts': 'export const size = 2;',
  });
  expect(code).toBe(1);
  expect(faults).toEqual(['Page is exported by packages/a/src/one.ts and packages/a/src/two.ts.']);
});
