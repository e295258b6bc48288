// The check of dead links and paths, run on small repositories.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/link-rules.mjs', import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-links-'));
  spawnSync('git', ['init', '--quiet'], { cwd: folder });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function check(files: Record<string, string>): { code: number | null; faults: string[] } {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, folder], { encoding: 'utf8' });
  return { code: status, faults: stderr.split('\n').filter((line) => line !== '') };
}

it('a link to a file that is not there is named with its line', () => {
  const { code, faults } = check({ 'README.md': '# A\n\nSee [the docs](docs/gone.md) and ![a picture](b.png).\n' });
  expect(code).toBe(1);
  expect(faults).toEqual([
    'README.md:3 links to docs/gone.md, which is not there.',
    'README.md:3 links to b.png, which is not there.',
    'README.md:3 names docs/gone.md, which is not there.',
  ]);
});

it('a link to a heading that is not there is named, in the same document and in another', () => {
  const { faults } = check({
    'docs/a.md': '# One `two`, three\n\n[here](#one-two-three) [gone](#four) [there](b.md#x) [gone](b.md#y)\n',
    'docs/b.md': '# X\n\n# X\n\n```\n# Y\n```\n\n[second](#x-1) [third](#x-2)\n',
  });
  expect(faults).toEqual([
    'docs/a.md:3 links to #four, which has no heading #four.',
    'docs/a.md:3 links to b.md#y, which has no heading #y.',
    'docs/b.md:9 links to #x-2, which has no heading #x-2.',
  ]);
});

it('a dead path in a comment, a script or a setting is named, and one in a string of a source is not', () => {
  const dead = 'docs/w.md'; // The check reads this test, too: a comment here may not have it.
  const { faults } = check({
    'packages/a/src/x.ts': `// Like packages/a/src/y.ts.\nconst path = 'packages/a/src/z.ts'; // and ${dead}\n`,
    'packages/a/src/v.ts': '/**\n * See test/u.test.ts.\n */\nexport {};\n',
    'scripts/s.mjs': "run('packages/a/src/t.ts');\n",
    'tsconfig.json': '{ "files": ["packages/a/src/x.ts", "test/r.ts"] }\n',
  });
  expect(faults).toEqual([
    'packages/a/src/v.ts:2 names test/u.test.ts, which is not there.',
    'packages/a/src/x.ts:1 names packages/a/src/y.ts, which is not there.',
    'packages/a/src/x.ts:2 names docs/w.md, which is not there.',
    'scripts/s.mjs:1 names packages/a/src/t.ts, which is not there.',
    'tsconfig.json:1 names test/r.ts, which is not there.',
  ]);
});

it('what exists, what a build makes, patterns, other sites and code in a document are left alone', () => {
  const { code, faults } = check({
    'docs/decisions/007-x.md': '# Seven\n',
    'packages/a/src/x.ts': '// Of packages/a, packages/a/src/x.ts:7 and packages/*/src, see docs/decisions/007.\n',
    'README.md':
      '[site](https://example.com/docs/a.md) `[a](b.md)` packages/a/dist/x.mjs, packages/<name>/src\n```\n[c](d.md)\n```\n',
  });
  expect({ code, faults }).toEqual({ code: 0, faults: [] });
});

it('a name of a source file is the end of the path of some file, with its last folders or without', () => {
  const [dead, alsoDead] = ['writer.ts', 'page/log.ts'];
  const { faults } = check({
    'packages/a/src/log/page.ts': `// Beside reader.ts and log/page.ts, not ${dead}; a plugin has an index.ts.\n`,
    'packages/a/src/log/reader.ts': `import './${dead}';\n/* As ${alsoDead} says. */\n`,
    'docs/a.md': `Read \`page.ts\`, then \`${dead}\`.\n\n\`\`\`js\n// mine.mjs\n\`\`\`\n`,
  });
  expect(faults).toEqual([
    `docs/a.md:1 names ${dead}, and no file's path ends so.`,
    `packages/a/src/log/page.ts:1 names ${dead}, and no file's path ends so.`,
    `packages/a/src/log/reader.ts:2 names ${alsoDead}, and no file's path ends so.`,
  ]);
});
