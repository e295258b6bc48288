// The check of sizes, run on a repository with faults.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/size-rules.mjs', import.meta.url));

function check(files: Readonly<Record<string, string>>): { code: number | null; faults: string[] } {
  const repository = tempDir();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(repository, path)), { recursive: true });
    writeFileSync(join(repository, path), text);
  }
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, repository], { encoding: 'utf8' });
  return { code: status, faults: stderr.split('\n').filter((line) => line !== '') };
}

/** A body of as many lines, between the lines of its braces. */
const body = (lines: number): string => `{\n${'  run();\n'.repeat(lines)}}`;

it('a function above 120 lines is named by its declaration, its variable or its method', () => {
  const { code, faults } = check({
    'packages/a/src/one.ts': `function open() ${body(119)}\nconst close = () => ${body(119)};`,
    'packages/a/src/two.ts': `class Page {\n  read() ${body(119)}\n}\nfunction short() ${body(118)}`,
    'packages/a/src/three.test.ts': `function open() ${body(119)}`,
  });
  expect(code).toBe(1);
  expect(faults).toEqual([
    'packages/a/src/one.ts:1: open has 121 lines; at most 120.',
    'packages/a/src/one.ts:122: close has 121 lines; at most 120.',
    'packages/a/src/two.ts:2: read has 121 lines; at most 120.',
  ]);
});

it('a file above 450 lines and a folder above 25 source files are named, but no test and no suite for tests', () => {
  const line = 'run();\n';
  const { code, faults } = check({
    'packages/a/src/one.ts': line.repeat(451),
    'packages/a/src/two.ts': line.repeat(450),
    'packages/a/src/one.test.ts': line.repeat(900),
    'packages/a/src/suite.ts': `import { it } from 'vitest';\n${line.repeat(900)}`,
    'scripts/run.mjs': line.repeat(451),
    ...Object.fromEntries(Array.from({ length: 24 }, (_, at) => [`packages/a/src/part-${at}.ts`, line])),
  });
  expect(code).toBe(1);
  expect(faults).toEqual([
    'packages/a/src/one.ts has 451 lines; at most 450.',
    'scripts/run.mjs has 451 lines; at most 450.',
    'packages/a/src has 26 source files; at most 25.',
  ]);
});
