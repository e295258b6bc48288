import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BinnacleError } from '@binnacle/protocol';
import { build } from 'rolldown';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { count, isAll, some } from '../../../../../test/support/count.ts';
import { Installations } from './installation.ts';

type Files = Readonly<Record<string, string>>;

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const protocol = fileURLToPath(import.meta.resolve('@binnacle/protocol'));

/** Installs two versions in turn, for ever, and says so each time. */
const CHILD = `
import { writeSync } from 'node:fs';
import { Installations } from ${JSON.stringify(here('./installation.ts'))};
const [dir, script, ...both] = process.argv.slice(2);
const installations = new Installations(dir, { script });
for (let n = 0; ; n += 1) {
  const [source, digest] = both[n % 2].split('#');
  await installations.install(source, digest, n);
  writeSync(1, n + '\\n');
}`;

const HELLO = 'export default (api) => { api.tool({ name: "hello", description: "d", run: () => "hi" }); };\n';

let built: string;
let script: string;
let root: string;
let data: string;

beforeAll(async () => {
  built = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-built-')));
  // Below the package, where a thread finds the packages that it loads.
  script = join(here('../../..'), 'dist', `test-types-${process.pid}.mjs`);
  mkdirSync(dirname(script), { recursive: true });
  const common = {
    platform: 'node' as const,
    resolve: { alias: { '@binnacle/protocol': protocol } },
    external: ['@swc/wasm-typescript', 'es-module-lexer'],
    logLevel: 'silent' as const,
  };
  const output = (file: string) => ({ file, format: 'esm' as const, codeSplitting: false });
  await build({ ...common, input: here('./type-worker.ts'), output: output(script) });
  writeFileSync(join(built, 'child.ts'), CHILD);
  await build({ ...common, external: [], input: join(built, 'child.ts'), output: output(join(built, 'child.mjs')) });
});
afterAll(() => {
  rmSync(built, { recursive: true });
  rmSync(script);
});

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-install-')));
  data = join(root, 'data', 'plugins');
  mkdirSync(join(root, 'data'), { mode: 0o700 });
});
afterEach(() => rmSync(root, { recursive: true }));

const manifest = (more: object = {}): string =>
  JSON.stringify({ id: 'hello', version: '1.0.0', entry: 'index.mjs', ...more });

function source(files: Files, name = 'source'): string {
  const dir = join(root, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

const typed = (files: Files, entry = 'index.ts'): string =>
  source({ 'binnacle.plugin.json': manifest({ entry }), ...files });
const plain = (more: object = {}, name = 'source'): string =>
  source({ 'binnacle.plugin.json': manifest(more), 'index.mjs': HELLO }, name);

const open = (timeoutMs?: number): Installations =>
  new Installations(data, { script, ...(timeoutMs === undefined ? {} : { timeoutMs }) });

async function install(dir: string, installations = open(), now = 1): Promise<Installations> {
  const { digest } = await installations.preview(dir);
  await installations.install(dir, digest, now);
  return installations;
}

/** What is loaded, by path. */
async function staged(installations: Installations, id = 'hello'): Promise<Record<string, string>> {
  const { dir, dispose } = await installations.stage(id);
  const names = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const texts = names.map((one): [string, string] => {
    const path = join(one.parentPath, one.name);
    return [path.slice(dir.length + 1), readFileSync(path, 'utf8')];
  });
  await dispose();
  return Object.fromEntries(texts.filter(([path]) => path !== 'binnacle.plugin.json').sort());
}

async function refusal(promise: Promise<unknown>): Promise<BinnacleError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof BinnacleError)) throw error ?? new Error('It was not refused.');
  return error;
}

const codeOf = async (promise: Promise<unknown>): Promise<string> => (await refusal(promise)).code;
const left = (): string[] => readdirSync(data).sort();

describe('an installed plugin', () => {
  it('is a copy: what its author does to the folder afterwards is of no matter', async () => {
    const dir = plain();
    const installations = await install(dir);
    rmSync(dir, { recursive: true });
    const [found] = await installations.list();
    expect(found).toMatchObject({ id: 'hello', manifest: { version: '1.0.0' }, record: { installedAt: 1 } });
    expect(await staged(installations)).toEqual({ 'index.mjs': HELLO });
  });

  it('is there again for the next one that opens the folder, and nothing else is', async () => {
    await install(plain());
    mkdirSync(join(data, '.new-0123456789abcdef'));
    mkdirSync(join(data, '.run-hello-0123456789abcdef', 'deep'), { recursive: true });
    mkdirSync(join(data, 'hello', 'files-0123456789abcdef'));
    mkdirSync(join(data, 'begun', 'files-0123456789abcdef'), { recursive: true });
    writeFileSync(join(data, 'hello', 'record.json.0123456789abcdef'), '{');
    writeFileSync(join(data, 'hello', 'state.json'), '{}');
    expect((await open().list()).map(({ id, problem }) => [id, problem])).toEqual([['hello', undefined]]);
    expect(left()).toEqual(['hello']);
    expect(readdirSync(join(data, 'hello')).sort()).toEqual([
      expect.stringMatching(/^files-/),
      'record.json',
      'state.json',
    ]);
  });

  it('takes the place of the version before, of which nothing is left', async () => {
    const installations = await install(plain());
    await install(
      source({ 'binnacle.plugin.json': manifest({ version: '2.0.0', entry: 'other.mjs' }), 'other.mjs': '' }, 'second'),
      installations,
    );
    expect((await installations.list()).map((one) => one.problem ?? one.manifest.version)).toEqual(['2.0.0']);
    expect(await staged(installations)).toEqual({ 'other.mjs': '' });
    expect(readdirSync(join(data, 'hello'))).toHaveLength(2);
  });

  it('can be removed, once', async () => {
    const installations = await install(plain());
    await installations.remove('hello');
    expect([await installations.list(), left()]).toEqual([[], []]);
    expect(await codeOf(installations.remove('hello'))).toBe('plugin_not_found');
    for (const id of ['..', '.', '', 'a/b', '../data', '.run-hello']) {
      expect(await codeOf(installations.remove(id))).toBe('plugin_not_found');
      expect(await codeOf(installations.stage(id))).toBe('plugin_not_found');
    }
    expect(existsSync(data)).toBe(true);
  });

  it('is told of and not loaded when its files were changed, and so is one whose record is broken', async () => {
    const installations = await install(plain());
    await install(plain({ id: 'other' }, 'other'), installations);
    const [first] = await installations.list();
    if (first === undefined || first.problem !== undefined) throw new Error('It is not there.');
    chmodSync(join(first.dir, 'index.mjs'), 0o600);
    writeFileSync(join(first.dir, 'index.mjs'), 'evil()');
    chmodSync(join(first.dir, 'index.mjs'), 0o400);
    writeFileSync(join(data, 'other', 'record.json'), '{"files": "../../..", "record": {}}');
    expect((await open().list()).map(({ id, problem }) => [id, problem?.code])).toEqual([
      ['hello', 'plugin_changed'],
      ['other', 'plugin_changed'],
    ]);
    for (const id of ['hello', 'other']) expect(await codeOf(open().stage(id))).toBe('plugin_changed');
    expect(left()).toEqual(['hello', 'other']);
    await install(plain());
    expect(await staged(open())).toEqual({ 'index.mjs': HELLO });
  });

  it('is staged as often as it is asked for, each time apart, and only while it is needed', async () => {
    const installations = await install(plain());
    const [one, other] = await Promise.all([installations.stage('hello'), installations.stage('hello')]);
    expect([one.dir === other.dir, one.entry]).toEqual([false, 'index.mjs']);
    await one.dispose();
    expect([existsSync(one.dir), existsSync(other.dir)]).toEqual([false, true]);
    await other.dispose();
    expect(left()).toEqual(['hello']);
  });
});

describe('an install', () => {
  it('is refused when the folder is another one than was agreed to', async () => {
    const installations = open();
    const changes: ((dir: string) => void)[] = [
      (dir) => writeFileSync(join(dir, 'index.mjs'), 'evil()'),
      (dir) => writeFileSync(join(dir, 'more.mjs'), ''),
      (dir) =>
        writeFileSync(
          join(dir, 'binnacle.plugin.json'),
          manifest({ permissions: { net: { reason: 'To call home.' } } }),
        ),
      (dir) => rmSync(join(dir, 'extra.txt')),
      (dir) => chmodSync(join(dir, 'index.mjs'), 0o755),
    ];
    for (const [n, change] of changes.entries()) {
      const dir = source({ 'binnacle.plugin.json': manifest(), 'index.mjs': HELLO, 'extra.txt': '' }, `source-${n}`);
      const { digest } = await installations.preview(dir);
      change(dir);
      expect(await codeOf(installations.install(dir, digest, 1))).toBe('plugin_changed');
    }
    expect(left()).toEqual([]);
  });

  it('holds what was hashed, whatever becomes of the folder meanwhile', async () => {
    const dir = plain();
    const installations = open();
    const { digest } = await installations.preview(dir);
    let ended = false;
    const racing = (async () => {
      for (let n = 0; !ended; n += 1) {
        const text = n % 2 === 0 ? manifest({ permissions: { net: { reason: 'More.' } } }) : manifest();
        writeFileSync(join(dir, 'binnacle.plugin.json'), text);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    let taken = 0;
    for (let n = 0; n < count({ quick: 10, all: 40 }); n += 1) {
      const done = await installations.install(dir, digest, n).catch((error: BinnacleError) => error.code);
      if (typeof done !== 'string') {
        taken += 1;
        expect([...done.manifest.asks.keys()]).toEqual([]);
      } else expect(['plugin_changed', 'unsafe_plugin', 'bad_manifest']).toContain(done);
    }
    ended = true;
    await racing;
    const [found] = await installations.list();
    expect(found === undefined ? taken : found.problem).toBe(found === undefined ? 0 : undefined);
  });

  it('is refused before anybody is asked, and leaves nothing', async () => {
    const bad: [string, string, (dir: string) => void][] = [
      ['link', 'unsafe_plugin', (dir) => symlinkSync('/etc/passwd', join(dir, 'data'))],
      ['folder', 'unsafe_plugin', (dir) => symlinkSync('/etc', join(dir, 'etc'))],
      ['hard', 'unsafe_plugin', (dir) => linkSync(join(dir, 'index.mjs'), join(root, 'elsewhere'))],
      ['open', 'unsafe_plugin', (dir) => chmodSync(join(dir, 'index.mjs'), 0o666)],
      ['wide', 'unsafe_plugin', (dir) => chmodSync(dir, 0o777)],
      ['gyp', 'unsafe_plugin', (dir) => writeFileSync(join(dir, 'binding.gyp'), '{}')],
      [
        'script',
        'unsafe_plugin',
        (dir) => writeFileSync(join(dir, 'package.json'), '{"scripts": {"postinstall": "evil"}}'),
      ],
      ['none', 'bad_manifest', (dir) => rmSync(join(dir, 'binnacle.plugin.json'))],
      ['entry', 'bad_manifest', (dir) => rmSync(join(dir, 'index.mjs'))],
    ];
    const installations = open();
    for (const [name, code, spoil] of bad) {
      const dir = plain({}, name);
      spoil(dir);
      expect([name, await codeOf(installations.preview(dir))]).toEqual([name, code]);
    }
    symlinkSync(plain(), join(root, 'to-source'));
    expect(await codeOf(installations.preview(join(root, 'to-source')))).toBe('unsafe_plugin');
    expect(await codeOf(installations.preview(join(root, 'nowhere')))).toBe('bad_manifest');
    expect(left()).toEqual([]);
  });

  it('leaves out what is of the author alone: dot files, declarations, packages for development', async () => {
    const dir = source({
      'binnacle.plugin.json': manifest(),
      'index.mjs': HELLO,
      '.env': 'SECRET=1',
      '.git/config': '',
      'types.d.ts': 'export {}',
      'package.json': '{"dependencies": {"needed": "1"}, "devDependencies": {"tool": "1"}}',
      'node_modules/needed/package.json': '{"dependencies": {"@deep/er": "1"}}',
      'node_modules/needed/index.js': '',
      'node_modules/needed/index.ts': 'enum A {}',
      'node_modules/@deep/er/index.js': '',
      'node_modules/@other/one/index.js': '',
      'node_modules/tool/index.js': '',
      'node_modules/tool/package.json': '{"scripts": {"install": "evil"}}',
    });
    symlinkSync('..', join(dir, 'node_modules', '.bin'));
    symlinkSync('/etc', join(dir, 'node_modules', 'linked'));
    mkdirSync(join(dir, 'node_modules', 'needed', 'node_modules', '.deep'), { recursive: true });
    for (let n = 0; n < 50; n += 1) {
      // Left out with its name, and would never end if it were followed.
      symlinkSync('../..', join(dir, 'node_modules', 'needed', 'node_modules', `.round-${n}`));
    }
    const files = await staged(await install(dir));
    expect(Object.keys(files)).toEqual([
      'index.mjs',
      'node_modules/@deep/er/index.js',
      'node_modules/needed/index.js',
      'node_modules/needed/package.json',
      'package.json',
    ]);
  });

  it('that is killed leaves the old version, the new one or nothing, never half of one', async ({ signal }) => {
    const home = data;
    const sources = ['1.0.0', '2.0.0'].map((version, n) =>
      source(
        {
          'binnacle.plugin.json': manifest({ version, entry: 'index.ts' }),
          'index.ts': `export const version: string = ${JSON.stringify(version)};\n`,
          ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`lib/${n}-${i}.mjs`, `export default ${i};\n`])),
        },
        version,
      ),
    );
    const both = await Promise.all(sources.map(async (dir) => `${dir}#${(await open().preview(dir)).digest}`));
    const seen = new Set<string>();
    for (const n of some([0, 1, 2, 3, 4, 5, 6, 7], 2)) {
      const child = spawn(process.execPath, [join(built, 'child.mjs'), home, script, ...both]);
      await killAt(child, n, signal);
      const installations = new Installations(home, { script });
      const list = await installations.list();
      expect(readdirSync(home).filter((name) => name.startsWith('.'))).toEqual([]);
      for (const one of list) {
        if (one.problem !== undefined) throw one.problem;
        seen.add(one.manifest.version);
        const files = await staged(installations);
        expect(files['index.js']).toContain(one.manifest.version);
        expect(Object.keys(files)).toHaveLength(21);
        expect(readdirSync(join(home, 'hello'))).toHaveLength(2);
      }
    }
    if (isAll) expect([...seen].sort()).toEqual(['1.0.0', '2.0.0']);
    else expect(seen.size).toBeGreaterThan(0);
  }, 60_000);
});

/** Later each time, and each time in the middle of something. With a test that is over, it is over, too. */
async function killAt(child: ChildProcess, n: number, signal: AbortSignal): Promise<void> {
  const exited = once(child, 'exit');
  const end = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  if (child.stdout === null) throw new Error('It has no stdout.');
  let output = 0;
  for await (const bytes of child.stdout) {
    output += String(bytes).split('\n').length - 1;
    if (output > n % 2) break;
  }
  for (let turns = 0; turns < n * 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  end();
  await exited;
  signal.removeEventListener('abort', end);
  signal.throwIfAborted();
}

describe('a plugin in TypeScript', () => {
  it('is loaded as JavaScript, line by line the same', async () => {
    const installations = await install(
      typed({
        'index.ts': `import type { Api } from './api.ts';\nimport { greet } from './lib/greet.mts';\n\nexport default (api: Api): void => {\n  api.tool({ run: () => greet('you') as string });\n};\n`,
        'lib/greet.mts': `export const greet = <T extends string>(who: T): string => \`hello \${who}\`;\n`,
        'api.ts': 'export interface Api { tool(one: object): void }\n',
        'more.d.ts': 'declare const nothing: never;\n',
      }),
    );
    const files = await staged(installations);
    expect(Object.keys(files)).toEqual(['api.js', 'index.js', 'lib/greet.mjs']);
    expect(files['index.js']?.split('\n')).toEqual([
      expect.stringMatching(/^ +$/),
      "import { greet } from './lib/greet.mjs';",
      '',
      'export default (api     )       => {',
      expect.stringMatching(/run: \(\) => greet\('you'\) +\}/),
      '};',
      '',
    ]);
    const { entry, dispose } = await installations.stage('hello');
    expect(entry).toBe('index.js');
    await dispose();
  });

  it('has its imports found, and nothing that only looks like one', async () => {
    const tricky = [
      `import { a } from './a.ts'; // import './no.ts'`,
      `const text = "import './no.ts'"; const quoted = 'import("./no.ts")';`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is looked at
      'const template = `import "./no.ts" ${await import(\'./in.ts\')} ${`${await import("./deep.ts")}`}`;',
      `const pattern = /import '.\\/no.ts'/; const ratio = 4 / 2; import('./after.ts') / 2;`,
      `/* import './no.ts' */ import(/* './no.ts' */ './comment.ts');`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is looked at
      'import(`./template.ts`); import(`./${template}.ts`); import("./" + text + ".ts");',
      `export * from "./all.mts"; export { default as z } from './z.ts';`,
      `import './query.ts?x=./no.ts'; import './hash.ts#a'; import './plain.js'; import 'package.ts'; import './data.json' with { type: 'json' };`,
      `import './\\x65scaped.ts'; import "./it's.ts"; import './say"s.ts'; import '../up.ts';`,
      `const o = { import: './no.ts', from: './no.ts' }; o.import; import.meta.url; import.meta.resolve('./no.ts');`,
    ].join('\n');
    const files = await staged(await install(typed({ 'index.ts': 'export {};', 'tricky.mjs': tricky })));
    expect(files['tricky.mjs']?.split('\n')).toEqual([
      `import { a } from './a.js'; // import './no.ts'`,
      `const text = "import './no.ts'"; const quoted = 'import("./no.ts")';`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is looked at
      'const template = `import "./no.ts" ${await import("./in.js")} ${`${await import("./deep.js")}`}`;',
      `const pattern = /import '.\\/no.ts'/; const ratio = 4 / 2; import("./after.js") / 2;`,
      `/* import './no.ts' */ import(/* './no.ts' */ "./comment.js");`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is looked at
      'import("./template.js"); import(`./${template}.ts`); import("./" + text + ".ts");',
      `export * from "./all.mjs"; export { default as z } from './z.js';`,
      `import './query.js?x=./no.ts'; import './hash.js#a'; import './plain.js'; import 'package.ts'; import './data.json' with { type: 'json' };`,
      `import './escaped.js'; import "./it\\'s.js"; import './say\\"s.js'; import '../up.js';`,
      `const o = { import: './no.ts', from: './no.ts' }; o.import; import.meta.url; import.meta.resolve('./no.ts');`,
    ]);
  });

  it('is refused with its file and line where types are not all that has to go', async () => {
    const cases: [string, RegExp][] = [
      ['\nenum Colour { Red }', /^src\/index\.ts:2: .*enum/],
      ['namespace A { export const b = 1; }', /^src\/index\.ts:1: .*namespace/],
      ['class A {\n  constructor(\n    private readonly b: number) {}\n}', /^src\/index\.ts:3: .*parameter property/],
      ['import a = require("x");', /^src\/index\.ts:1: .*import equals/],
      ['const a = <any>1;', /^src\/index\.ts:1: .*angle-bracket/],
      ['const a: = 1;', /^src\/index\.ts:1: /],
      ['const a = `', /^src\/index\.ts:1: /],
    ];
    for (const [text, message] of some(cases, 3)) {
      const error = await refusal(open().preview(typed({ 'src/index.ts': text }, 'src/index.ts')));
      expect([error.code, error.message]).toEqual(['bad_typescript', expect.stringMatching(message)]);
      expect(error.hint).toContain('nothing is compiled');
      rmSync(join(root, 'source'), { recursive: true });
    }
  });

  it('is refused where it is JSX, CommonJS, or there twice', async () => {
    for (const name of ['view.tsx', 'view.jsx', 'old.cts', 'index.js']) {
      const error = await refusal(open().preview(typed({ 'index.ts': 'export {};', [name]: '' })));
      expect([error.code, error.message.split(':')[0]]).toEqual([
        'bad_typescript',
        name === 'index.js' ? 'index.ts' : name,
      ]);
      rmSync(join(root, 'source'), { recursive: true });
    }
    const large = await refusal(open().preview(typed({ 'index.ts': ' '.repeat(1024 * 1024 + 1) })));
    expect(large).toMatchObject({ code: 'bad_typescript', message: expect.stringContaining('1048576 are taken') });
    writeFileSync(join(typed({}), 'index.ts'), Buffer.from([0xff, 0xfe, 0x41]));
    expect(await codeOf(open().preview(join(root, 'source')))).toBe('bad_typescript');
  });

  it('may have JavaScript beside it of any size, and up to 4 MiB where that imports TypeScript', async () => {
    const large = `export const text = '${'x'.repeat(4 * 1024 * 1024)}';\n`;
    const dir = typed({ 'index.ts': 'export {};', 'large.js': large });
    expect((await staged(await install(dir)))['large.js']).toBe(large);
    writeFileSync(join(dir, 'large.js'), "import './index.ts';\n".repeat(250_000));
    expect((await refusal(open().preview(dir))).message).toBe(
      'large.js: it may import TypeScript and has more than 4194304 bytes.',
    );
  });

  it('may be written to make a parser hang: it is given up, and the thread of the gateway never waits', async () => {
    const hostile = [
      `${'('.repeat(200_000)}`,
      `${'a<'.repeat(50_000)}`,
      `${'{'.repeat(300_000)}`,
      `const a = ${'((b: '.repeat(60)}`,
    ];
    let longest = 0;
    let at = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - at);
      at = performance.now();
    }, 5);
    for (const [n, text] of some(hostile, 2).entries()) {
      const dir = source({ 'binnacle.plugin.json': manifest({ entry: 'index.ts' }), 'index.ts': text }, `hostile-${n}`);
      expect(await codeOf(open(3000).preview(dir))).toBe('bad_typescript');
    }
    // A parser takes twice as long for each of these: forty are years.
    const slow = typed({ 'index.ts': 'a?(b):c=>'.repeat(40) });
    expect((await refusal(open(1000).preview(slow))).message).toBe('It takes too long to be read.');
    clearInterval(timer);
    expect(longest).toBeLessThan(500);
    expect(left()).toEqual([]);
    rmSync(slow, { recursive: true });
    await install(typed({ 'index.ts': 'export const still: string = "well";' }));
  }, 30_000);
});
