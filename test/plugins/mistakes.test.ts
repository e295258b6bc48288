// What the author of a plugin is told of a mistake: by `plugin test`, and in the log of a gateway that runs it.

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginLog, PluginPreview } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standIns } from '../../packages/cli/src/plugin/test-powers.ts';
import { METHODS } from '../../packages/server/src/plugins/powers/powers.ts';
import type { Result } from '../support/commands.ts';
import { isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { Folders, REPO } from './folders.fixture.ts';
import { ask, installPlugin, pluginFolder, pluginInfo } from './installed.fixture.ts';

const ALL = Object.fromEntries(
  ['tools', 'hooks', 'httpRoutes', 'commands', 'channels', 'schedule', 'agentDrivers'].map((name) => [
    name,
    { reason: 'For the test.' },
  ]),
);

let folders: Folders;
let count = 0;
beforeAll(() => {
  folders = new Folders();
});
afterAll(() => folders.close());

/** An entry that does this with `api`. */
const entry = (code: string): string => `export default async (api) => { ${code} };`;
async function tested(source: string, flags: readonly string[] = [], permissions: object = ALL): Promise<Result> {
  count += 1;
  return await folders.commands.run(['plugin', 'test', folders.probe({ permissions }, source, `p${count}`), ...flags]);
}

const OFFERS = [
  [
    "api.tool({ name: 'x', description: 'd', inputSchema: {}, run() {} })",
    'there is no `inputSchema`; did you mean `input`?',
  ],
  [
    "api.tool({ name: 'x', description: 'd', readonly: true, run() {} })",
    'there is no `readonly`; did you mean `readOnly`?',
  ],
  ["api.tool({ name: 'x', decription: 'd', run() {} })", 'there is no `decription`; did you mean `description`?'],
  ["api.tool({ name: 'x', description: 'd', colour: 'red', run() {} })", 'the tool "x": there is no `colour`.'],
  [
    "api.tool({ name: 'x', description: 'd', execute() {} })",
    '`run` is not a function. It has `execute`: did you mean `run`?',
  ],
  [
    "api.tool({ name: 'my tool', description: 'd', run() {} })",
    'the tool "my tool": `name`: a name is A-Z, a-z, 0-9, _ and -, beginning with a letter',
  ],
  [
    "api.tool({ name: 'x', description: 'd', run() {} }); api.schedule({ everyMs: 60000, run() {} })",
    'the job (2nd offer): `name` is missing.',
  ],
  ["for (const a of [1, 2]) api.tool({ name: 'x', description: 'd', run() {} })", 'There are two tools "x".'],
  ["api.hook('beforeRun', () => {}, { onfailure: 'closed' })", 'did you mean `onFailure`?'],
  ["api.hook('beforeRunn', () => {})", 'the hook "beforeRunn": `on`: there is no such hook; one of beforeRun,'],
  ["api.hook('beforeRun')", 'The hook "beforeRun": `handler` is not a function.'],
  ["api.route('GET', '/x', () => '', { isPublic: true })", 'did you mean `public`?'],
  ['api.tools({})', 'api.tools is not a function (index.mjs:1:'],
  ["throw new Error('on purpose')", 'on purpose (index.mjs:1:'],
];
const INSTEAD: [string, RegExp][] = [
  ["(await import('node:fs')).readFileSync('/etc/passwd')", /reads the files of its own folder/],
  ["(await import('node:fs')).writeFileSync('/tmp/x', '')", /api\.storage/],
  ["(await import('node:child_process')).execSync('ls')", /api\.runCommandWithTimeout/],
  ["await fetch('https://example.com')", /api\.fetch .* permission "net"/],
];

describe('plugin test', () => {
  it.each(some(OFFERS, 2))('of %s says what is wrong, and of what', async (code, words) => {
    const { code: exit, out } = await tested(entry(code));
    expect(out).toContain(words);
    expect(exit).toBe(1);
  });

  it('says in which file and line the syntax is wrong', async () => {
    const { out, err } = await tested('import "./a.js";\nexport default () => {\n  foo(;\n};\n');
    expect(out).toMatch(/Unexpected token ';' \(index\.mjs:3\)/);
    expect(err).toContain('foo(;');
    if (!isAll) return;
    const dir = folders.folder('common', {
      'binnacle.plugin.json': JSON.stringify({ id: 'common', version: '1.0.0', entry: 'lib/index.cjs' }),
      'lib/index.cjs': 'module.exports = () => {\n  }};\n',
    });
    expect((await folders.commands.run(['plugin', 'test', dir])).out).toMatch(/\(lib\/index\.cjs:2\)/);
  });

  const TOOL = (run: string): string => entry(`api.tool({ name: 'x', description: 'd', run: async () => { ${run} } })`);

  it.each(some(['return 42', 'return []', '', 'return null', 'return true'], 1))(
    'calls a tool as a gateway does, and does not take `%s` for an answer',
    async (run) => {
      const { code, out } = await tested(TOOL(run), ['--tool', 'x']);
      expect(out).toMatch(/The tool x failed: it answered (nothing|a \w+): return a text or an object\./);
      expect([code, out.includes('It works.')]).toEqual([1, false]);
    },
  );

  it.each(some(INSTEAD, 1))('says what to do instead of %s', async (run, words) => {
    const { out, err } = await tested(TOOL(run), ['--tool', 'x']);
    expect(out).toMatch(words);
    expect(err).toMatch(/tool:x threw: /);
  });

  it('says what to write into the manifest, and where the call was made', async () => {
    const { out, err } = await tested(TOOL("\nawait api.storage.get('a');\nreturn 'x'"), ['--tool', 'x']);
    expect(out).toContain('add "storage": {"reason": "…"} to permissions in binnacle.plugin.json');
    expect(err).toMatch(/at .*index\.mjs:2:/);
    if (!isAll) return;
    const none = await tested(TOOL("return 'x'"), [], {});
    expect(none.out).toContain('add "tools": {"reason": "…"} to permissions in binnacle.plugin.json');
  });

  it('calls whatever it offers', async () => {
    const source = entry(`
      api.hook('beforeInput', ({ text }) => (text === 'no' ? { veto: 'why not' } : undefined));
      api.hook('beforeRun', () => false);
      api.hook('sessionEnd', ({ name }) => console.log('end of ' + name));
      api.command({ name: 'watch', description: 'd', run: ({ args }) => 'watch ' + args });
      api.command({ name: 'bad', description: 'd', run: () => 7 });
      api.schedule({ name: 'tides', everyMs: 60000, run: () => console.log('tick') });
      api.route('POST', '/tides/:harbour', ({ params, query, body }) => params.harbour + query.day + Buffer.from(body));
      api.route('GET', '/odd', () => ({ statusCode: 404 }));
      api.route('GET', '/none', () => {});`);
    const works: [string[], unknown][] = [
      [['--hook', 'beforeInput', '--input', '{"text": "no"}'], { veto: 'why not' }],
      [['--hook', 'beforeInput', '--input', '{"text": "yes"}'], { veto: null }],
      [['--hook', 'sessionEnd', '--input', '{"name": "me"}'], 'done'],
      [['--command', 'watch', '--input', '"it"'], 'watch it'],
      [['--job', 'tides'], 'done'],
      [
        ['--route', 'POST /tides/dover?day=1', '--input', '{"body": " ding"}'],
        { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'dover1 ding' },
      ],
    ];
    for (const [flags, answer] of some(works, 1)) {
      const { out } = await tested(source, [...flags, '--json']);
      expect(JSON.parse(out)).toMatchObject({ answer, problems: [] });
    }
    const fails: [string[], RegExp][] = [
      [
        ['--hook', 'beforeRun'],
        /beforeRun answered `false`: return \{veto: 'why'\} or nothing\. It goes on, because onFailure is open\./,
      ],
      [['--command', 'bad'], /is no text/],
      [['--route', 'GET /odd'], /there is no `statusCode`/],
      [['--route', 'GET /none'], /this one answered undefined/],
    ];
    for (const [flags, words] of some(fails, 1)) {
      const { code, out } = await tested(source, flags);
      expect([code, out]).toEqual([1, expect.stringMatching(words)]);
    }
    const usages = [
      ['--hook', 'afterRun'],
      ['--job', 'x'],
      ['--route', 'GET /'],
      ['--job', 'tides', '--command', 'bad'],
    ];
    for (const flags of some(usages, 0)) {
      expect((await tested(source, flags)).code).toBe(2);
    }
  }, 60_000);

  it('has something in the place of all that a plugin can ask for', () => {
    expect(Object.keys(standIns([], () => undefined)).sort()).toEqual([...METHODS].sort());
    const runtime = readFileSync(join(REPO, 'packages/server/src/plugins/runtime/plugin-api.ts'), 'utf8');
    const asked = new Set([...runtime.matchAll(/\bask(?:<[^(]*>)?\(\s*'(\w+)'/g)].map(([, method]) => method));
    expect([...asked].sort()).toEqual([...METHODS].sort());
  });
});

describe('the log of a plugin', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await openGateway();
  });
  afterAll(() => gateway.close());

  const linesOf = async (id: string): Promise<string[]> =>
    (await ask<PluginLog>(gateway, 'GET', `/v1/plugins/${id}/logs`)).lines.map(({ text }) => text);
  const untilLogged = async (id: string, wanted: RegExp): Promise<void> =>
    until(`the log of ${id} says ${wanted}`, async () => (await linesOf(id)).some((line) => wanted.test(line)));

  it('says what handlers throw, with the line, and what is wrong with an answer', async () => {
    await installPlugin(gateway, {
      id: 'thrower',
      permissions: { httpRoutes: true, hooks: true },
      source: entry(`
        api.route('GET', '/throws', () => { null.route; }, { public: true });
        api.route('GET', '/header', () => ({ headers: { 'set-cookie': 'a' } }), { public: true });
        api.route('GET', '/text', () => 'plain', { public: true });
        api.hook('beforeInput', () => false);`),
    });
    for (let i = 0; i < 5; i++) expect((await gateway.fetch('/plugins/thrower/throws')).status).toBe(502);
    await untilLogged('thrower', /route:GET \/throws threw: TypeError: Cannot read properties of null/);
    await untilLogged('thrower', /^ +at .*index\.js:2:/);
    expect((await linesOf('thrower')).filter((line) => line.includes(' threw: '))).toHaveLength(1);
    expect((await gateway.fetch('/plugins/thrower/header')).status).toBe(502);
    await untilLogged('thrower', /GET \/header: .*the header "set-cookie"/);
    const text = await gateway.fetch('/plugins/thrower/text');
    expect([text.status, await text.text()]).toEqual([200, 'plain']);
    const { id } = await ask<{ id: string }>(gateway, 'POST', '/v1/sessions', { command: 'cat', mode: 'pipe' });
    await gateway.client.session(id).write('hello\n');
    await untilLogged('thrower', /beforeInput answered `false`: return \{veto: 'why'\} or nothing\. It goes on/);
  });

  it('says that what cannot get better is not tried again, and it is not', async () => {
    const dir = pluginFolder({ id: 'hopeless', source: 'export default (api) => { api.tool({ name: 1 }) };' });
    try {
      const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
      await ask(gateway, 'POST', '/v1/plugins', { path: dir, digest });
    } finally {
      rmSync(dir, { recursive: true });
    }
    await until('it is disabled', async () => (await pluginInfo(gateway, 'hopeless')).state === 'disabled');
    expect((await pluginInfo(gateway, 'hopeless')).restarts).toBe(0);
    await untilLogged('hopeless', /^It has ended: .*\. It is disabled until its files or its settings change/);
    await ask(gateway, 'POST', '/v1/plugins/hopeless/restart');
    await until(
      'it was tried once more',
      async () => (await linesOf('hopeless')).filter((line) => /^It has ended/.test(line)).length === 2,
    );
  });

  it('is in whole sentences', async () => {
    await installPlugin(gateway, { id: 'quiet', source: entry("api.onStop(() => console.log('bye'))") });
    await ask(gateway, 'POST', '/v1/plugins/quiet/restart');
    await untilLogged('quiet', /^It was stopped\.$/);
    const dir = pluginFolder({ id: 'loud', source: "export default () => { throw new Error('no full stop'); };" });
    try {
      const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
      await ask(gateway, 'POST', '/v1/plugins', { path: dir, digest });
    } finally {
      rmSync(dir, { recursive: true });
    }
    await untilLogged('loud', /^It has ended: no full stop \(index\.js:1:\d+\)\. It is started again\.$/);
  });
});
