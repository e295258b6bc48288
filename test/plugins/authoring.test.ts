// `binnacle plugin new` and `test`, as an author uses them: the real binary, real walls, no gateway.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Result } from '../support/commands.ts';
import { inAll, isAll, some } from '../support/count.ts';
import { ECHO, Folders, manifest, REPO, TOOL } from './folders.fixture.ts';

const KINDS = ['tool', 'channel', 'notification', 'hook'];
/** Each kind in both languages. */
const TEMPLATES = KINDS.flatMap((kind) => [[], ['--ts']].map((flags) => ({ kind, flags })));

let folders: Folders;
beforeEach(() => {
  folders = new Folders();
});
afterEach(() => folders.close());

describe('binnacle plugin new', () => {
  it('begins with a plugin that works, of each kind and in both languages, in 20 lines', async () => {
    for (const { kind, flags } of some(TEMPLATES, 1)) {
      const dir = join(folders.root, `${kind}${flags.join('')}`);
      expect(await folders.commands.run(['plugin', 'new', dir, '--kind', kind, ...flags])).toMatchObject({
        code: 0,
        out: '',
      });
      const entry = readFileSync(join(dir, flags.length > 0 ? 'index.ts' : 'index.mjs'), 'utf8');
      expect(entry.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
      const { code, out, err } = await folders.commands.run(['plugin', 'test', dir]);
      expect([code, out.trim().split('\n').at(-1), err]).toEqual([0, 'It works.', '']);
    }
  }, 60_000);

  inAll(
    'in TypeScript passes the compiler with the settings that come with it',
    async () => {
      for (const kind of some(KINDS, 1)) {
        const dir = join(folders.root, kind);
        await folders.commands.run(['plugin', 'new', dir, '--kind', kind, '--ts']);
        // The state after `npm install`: a compiler, and nothing of Binnacle.
        mkdirSync(join(dir, 'node_modules/.bin'), { recursive: true });
        symlinkSync(join(REPO, 'node_modules/typescript'), join(dir, 'node_modules/typescript'));
        symlinkSync('../typescript/bin/tsc', join(dir, 'node_modules/.bin/tsc'));
        execFileSync('npm', ['run', 'check', '--offline'], { cwd: dir, stdio: 'pipe' });
        const { dependencies, devDependencies } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
        expect([dependencies, Object.keys(devDependencies)]).toEqual([undefined, ['typescript']]);
      }
      const entry = join(folders.root, 'tool/index.ts');
      writeFileSync(entry, readFileSync(entry, 'utf8').replace("name: 'now'", 'name: 7'));
      expect(() => execFileSync('npm', ['run', 'check'], { cwd: join(folders.root, 'tool'), stdio: 'pipe' })).toThrow();
      writeFileSync(entry, readFileSync(entry, 'utf8').replace('name: 7', "name: 'now'"));
      // Files that only the compiler needed are no part of it.
      expect((await folders.commands.run(['plugin', 'test', join(folders.root, 'tool')])).code).toBe(0);
    },
    30_000,
  );

  it('writes over nothing, and makes an id of the name of the folder', async () => {
    const dir = folders.probe();
    expect(await folders.commands.run(['plugin', 'new', dir])).toMatchObject({
      code: 1,
      err: expect.stringContaining('not empty'),
    });
    expect(readdirSync(dir)).toHaveLength(2);
    const unknown = [
      [join(folders.root, '7'), '--kind', 'tool'],
      [join(folders.root, 'x'), '--kind', 'other'],
    ];
    for (const words of some(unknown, 1))
      expect((await folders.commands.run(['plugin', 'new', ...words])).code).toBe(2);
    const { err } = await folders.commands.run(['plugin', 'new', join(folders.root, '2 My_Plugin!')]);
    expect(err).toContain(`binnacle plugin test '${join(folders.root, '2 My_Plugin!')}'\n`);
    expect(JSON.parse(readFileSync(join(folders.root, '2 My_Plugin!', 'binnacle.plugin.json'), 'utf8')).id).toBe(
      'my-plugin',
    );
  });
});

describe('binnacle plugin test', () => {
  const test = (dir: string, ...flags: string[]): Promise<Result> =>
    folders.commands.run(['plugin', 'test', dir, ...flags]);

  it('says what a plugin is and offers, calls a tool of it, and leaves nothing behind', async () => {
    const { code, out, err } = await test(folders.probe(), '--tool', 'echo', '--input', '{"text": "hello"}', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      id: 'probe',
      version: '1.0.0',
      level: expect.stringMatching(/^(sealed|restricted)$/),
      startMs: expect.any(Number),
      memoryBytes: expect.any(Number),
      offers: [{ method: 'tool:echo', permission: 'tools', inForce: true }],
      denied: [],
      hints: [],
      answer: 'you said hello',
      problems: [],
    });
    expect(err).toContain('stdout: loaded ·[31mred·[0m ·');
    if (isAll) expect((await test(folders.probe(), '--tool', 'echo')).out).toContain('\nyou said \nIt works.\n');
  });

  it('loads TypeScript of several files, whichever way they are imported', async () => {
    const dir = folders.folder('typed', {
      'binnacle.plugin.json': manifest({ entry: 'src/index.ts', permissions: TOOL }),
      'src/index.ts': `import type { Api } from './types.ts';
import { shout, type Loud } from './lib/shout.mts';
export { shout } from './lib/shout.mts';
const plain = await import('./plain.mjs');
const whisper: (text: string) => string = (await import(\`./whisper.ts\`)).default;
const name: string = './whisper' + '.js';
export default async (api: Api): Promise<void> => {
  const again = (await import(name)).default as typeof whisper;
  api.tool({ name: 'echo', description: 'd', run: ({ text }: { text: Loud }) => [shout(text), whisper(text), again(text), plain.text].join(' ') });
};\n`,
      'src/types.ts': 'export interface Api { tool(one: object): void }\n',
      'src/lib/shout.mts':
        'export type Loud = string;\nexport const shout = (text: Loud): string => text.toUpperCase();\n',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
      'src/whisper.ts': 'export default (text: string): string => `(${text.toLowerCase()})`;\n',
      'src/plain.mjs': 'import whisper from "./whisper.ts"; export const text = whisper("PLAIN import \'./no.ts\'");\n',
    });
    const { out } = await test(dir, '--tool', 'echo', '--input', '{"text": "Ahoy"}', '--json');
    expect(JSON.parse(out)).toMatchObject({ answer: "AHOY (ahoy) (ahoy) (plain import './no.ts')", problems: [] });
  });

  it('ends with 1 and the reason where anything is wrong', async () => {
    const wrong: [string, RegExp][] = [
      [folders.folder('empty', { 'a.txt': '' }), /binnacle\.plugin\.json/],
      [folders.probe({ permissions: { fly: { reason: 'To fly.' } } }, ECHO, 'unknown'), /there is no such permission/],
      [folders.probe({ entry: 'other.mjs' }, ECHO, 'entry'), /there is no file other\.mjs/],
      [folders.probe({}, ECHO, 'unasked'), /tool:echo is not covered by what the manifest asks for: tools/],
      [folders.probe({}, 'export default () => { throw new Error("I will not"); };', 'throws'), /I will not/],
      [folders.probe({}, 'export default 7;', 'nothing'), /function|export/i],
      [folders.probe({}, 'syntax error', 'syntax'), /./],
      [folders.probe({}, 'for (;;) {}', 'loop'), /./],
      [
        folders.probe(
          { config: { type: 'object', properties: { key: { type: 'string' } }, required: ['key'] } },
          ECHO,
          'config',
        ),
        /config/,
      ],
      [
        folders.folder('enum', {
          'binnacle.plugin.json': manifest({ entry: 'index.ts' }),
          'index.ts': 'const a: number = 1;\nenum B {}',
        }),
        /index\.ts:2: .*enum/,
      ],
    ];
    for (const [dir, reason] of some(wrong, 2)) {
      const { code, out, err } = await test(dir);
      expect([dir, code, out + err]).toEqual([dir, 1, expect.stringMatching(reason)]);
    }
  }, 30_000);

  it('says what was denied, and does nothing that reaches beyond it', async () => {
    const mark = join(folders.root, 'done');
    const entry = `export default async (api) => {
  for (const act of [() => api.runCommandWithTimeout(['touch', ${JSON.stringify(mark)}]), () => api.fetch('https://example.com/')]) {
    await act().catch((error) => console.log(error.code));
  }
  await api.storage.set('a', { b: 1 });
  console.log(JSON.stringify([await api.storage.get('a'), await api.storage.keys()]));
};`;
    const permissions = {
      runCommandWithTimeout: { reason: 'To touch.', commands: ['touch'] },
      storage: { reason: 'To keep.' },
    };
    const { code, out, err } = await test(folders.probe({ permissions }, entry), '--json');
    expect([code, JSON.parse(out).denied]).toEqual([0, ['denied: net GET https://example.com']]);
    expect(err).toContain('plugin_refused');
    expect(err).toContain('permission_denied');
    expect(err).toContain('[{"b":1},["a"]]');
    expect(existsSync(mark)).toBe(false);
    await test(join(folders.root, 'probe'), '--real', 'runCommandWithTimeout');
    expect(existsSync(mark)).toBe(true);
  });

  it('is used as it says', async () => {
    const dir = folders.probe();
    const wrong = [
      ['--tool', 'nope'],
      ['--input', '{}'],
      ['--tool', 'echo', '--input', '{'],
      ['--real', 'storage'],
    ];
    for (const flags of some(wrong, 2)) {
      expect([flags, (await test(dir, ...flags)).code]).toEqual([flags, 2]);
    }
  });
});
