// The check of doc comments and their examples, run on small repositories.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/doc-rules.mjs', import.meta.url));
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
/** The entry points of a repository that exports nothing. */
const EMPTY = {
  'packages/client/src/index.ts': 'export {};\n',
  'packages/client/src/react/index.ts': 'export {};\n',
  'packages/client/src/react/terminal.ts': 'export {};\n',
  'packages/emit/src/index.ts': 'export {};\n',
  'packages/protocol/src/index.ts': 'export {};\n',
  'packages/protocol/src/codes.ts': 'const CODES = {\n  not_found: 1,\n} as const;\n',
};
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-docs-'));
  symlinkSync(MODULES, join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function check(files: Record<string, string>): { code: number | null; faults: string[] } {
  for (const [name, text] of Object.entries({ ...EMPTY, ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, folder], { encoding: 'utf8' });
  return { code: status, faults: stderr.split('\n').filter((line) => line !== '') };
}

it('an export and a member without a comment are named, wherever the export is declared', () => {
  const { code, faults } = check({
    'packages/emit/src/index.ts': "export { b as c } from './more.ts';\nexport * from './more.ts';\n",
    'packages/emit/src/more.ts': [
      'export const b = 1;',
      '/** A. */',
      'export class A {',
      '  private hidden = 1;',
      '  /** Known. */',
      '  known = this.hidden;',
      '  open = 2;',
      '  constructor() {}',
      '  #secret = 3;',
      '  get secret(): number {',
      '    return this.#secret;',
      '  }',
      '}',
      'export interface I {',
      '  readonly field: string;',
      '}',
      'interface Inner {',
      '  readonly field: string;',
      '}',
      '/** What it holds. */',
      'export type T = Inner;',
      '',
    ].join('\n'),
  });
  expect(code).toBe(1);
  expect(faults).toEqual([
    'packages/emit/src/more.ts:1 exports c without a doc comment.',
    'packages/emit/src/more.ts:1 exports b without a doc comment.',
    'packages/emit/src/more.ts:7 A.open has no doc comment.',
    'packages/emit/src/more.ts:10 A.secret has no doc comment.',
    'packages/emit/src/more.ts:14 exports I without a doc comment.',
    'packages/emit/src/more.ts:15 I.field has no doc comment.',
  ]);
});

it('a code that is not in the table, an example that does not compile and one that is no block are named', () => {
  const { code, faults } = check({
    'packages/client/src/index.ts': [
      '/**',
      ' * Returns a number. Throws `not_found`, `never_heard_of`.',
      ' *',
      ' * @example',
      ' * ```ts',
      " * const text: string = 'a';",
      ' * const number: number = text;',
      ' * ```',
      ' */',
      'export const one = (): number => 1;',
      '/**',
      ' * Returns a number.',
      ' *',
      ' * @example two() // 2',
      ' */',
      'export const two = (): number => 2;',
      '',
    ].join('\n'),
  });
  expect(code).toBe(1);
  expect(faults).toEqual([
    'packages/client/src/index.ts:1 says that never_heard_of is thrown, which is no code.',
    'packages/client/src/index.ts:14 has an example that is no block of ts or tsx.',
    "packages/client/src/index.ts:7, an example: error TS2322: Type 'string' is not assignable to type 'number'.",
  ]);
});

it('the code in the README of a package compiles, and is named with its line where it does not', () => {
  const { faults } = check({
    'packages/emit/README.md':
      '# Emit\n\n```js\nemitter.session({ command: process.env.BINNACLE_URL });\nconst twice = (text) => text + text;\n```\n\n```sh\nls\n```\n\n```ts\nemitter.begin(twice);\n```\n',
  });
  expect(faults).toEqual([
    "packages/emit/README.md:13, an example: error TS2339: Property 'begin' does not exist on type 'Emitter'.",
    "packages/emit/README.md:13, an example: error TS2304: Cannot find name 'twice'.",
  ]);
});

it('examples use the packages by their names, and a client, a session and an emitter that they need not make', () => {
  const { code, faults } = check({
    'packages/client/src/react/index.ts': [
      '/**',
      ' * A view.',
      ' *',
      ' * @example',
      ' * ```tsx',
      " * import { connect } from '@binnacle/client';",
      " * import { SessionLog } from '@binnacle/client/react';",
      " * import '@binnacle/client/react.css';",
      ' *',
      " * connect({ url: 'http://127.0.0.1:7117' });",
      ' * export const log = <SessionLog id={session.id} />;',
      ' * emitter.session({ id: binnacle.session(session.id).id });',
      ' * ```',
      ' */',
      'export const View = 1;',
      '',
    ].join('\n'),
  });
  expect({ code, faults }).toEqual({ code: 0, faults: [] });
});
