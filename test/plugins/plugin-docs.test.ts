// What docs/writing-a-plugin.md tells authors to write is loaded as it is written: behind the walls, checked by the
// compiler, and run by node. What operators type is in plugin-docs-gateway.test.ts.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PERMISSION_NAMES } from '../../packages/server/src/plugins/grant/permissions.ts';
import { PLUGIN_LIMITS } from '../../packages/server/src/plugins/host/limits.ts';
import { readManifestIn } from '../../packages/server/src/plugins/install/manifest.ts';
import { type Offer, OffersShape } from '../../packages/server/src/plugins/offers/offers.ts';
import { count } from '../support/count.ts';
import { PROBES } from './escapes.mjs';
import { Plugins, sandboxOf, treeOf } from './plugin.fixture.ts';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const DOCS = readFileSync(join(REPOSITORY, 'docs/writing-a-plugin.md'), 'utf8');

const plugins = new Plugins();
afterAll(() => plugins.close());

/** The fenced blocks of a language below a heading, and above the next one of its kind. */
function blocks(language: string, heading: string): readonly string[] {
  const section = DOCS.split(/^## /m).find((one) => one.startsWith(`${heading}\n`)) ?? '';
  expect(section, heading).not.toBe('');
  return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, kind, text]) =>
    kind === language && text !== undefined ? [text] : [],
  );
}

const [MANIFEST = ''] = blocks('json', 'The first one');
const [FIRST = ''] = blocks('js', 'The first one');
const [ENTRY = ''] = blocks('js', 'The entry');
const STATEMENTS = [...blocks('js', 'What it offers'), ...blocks('js', 'What it asks for')].join('\n');
const [TYPED = ''] = blocks('ts', 'TypeScript');
const [TESTED = ''] = blocks('js', 'Testing');

async function load(dir: string, answer: (method: string, params: unknown) => unknown = () => null) {
  let offers: readonly Offer[] = [];
  const { host, output } = await plugins.host({
    dir,
    entry: 'index.mjs',
    config: {},
    call: async (method, params) => answer(method, params),
    ready: (_, given) => {
      offers = OffersShape.parse(given);
    },
  });
  await host.start();
  return { offers, output, invoke: host.invoke.bind(host) };
}

describe('what docs/writing-a-plugin.md says', () => {
  it('of the first plugin has 20 lines at most, and rings', async () => {
    expect(FIRST.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
    const dir = plugins.folder('ship-bell', { 'binnacle.plugin.json': MANIFEST, 'index.mjs': FIRST });
    expect(await readManifestIn(dir)).toMatchObject({ id: 'ship-bell', entry: 'index.mjs' });
    const { invoke, offers } = await load(dir);
    expect(offers).toMatchObject([{ kind: 'tool', name: 'ring', readOnly: true }]);
    expect(await invoke('tool:ring', { input: { times: 2 }, caller: 'a', via: 'mcp' }, 5000)).toBe('ding ding');
  });

  it('of the entry is loaded, and remembers', async () => {
    const kept = new Map<string, unknown>();
    const answer = (_: string, params: unknown): unknown => {
      const { op, key, value } = params as { op: string; key: string; value: unknown };
      if (op === 'set') kept.set(key, value);
      return kept.get(key) ?? null;
    };
    const dir = plugins.folder('entry', { 'index.mjs': ENTRY });
    await load(dir, answer);
    const { invoke } = await load(dir, answer);
    expect(await invoke('tool:seen', { input: {}, caller: 'a', via: 'mcp' }, 5000)).toBe('1 times');
  });

  it('of what a plugin can offer is taken, all of it together', async () => {
    const source = `export default (api) => {\n${STATEMENTS}\n};`;
    const { offers, invoke } = await load(plugins.folder('all', { 'index.mjs': source }), (method) =>
      method === 'channels'
        ? { conversation: 'agent:main:main', run: 'r1' }
        : method === 'runCommandWithTimeout'
          ? { exitCode: 0, stdout: 'main\n' }
          : { items: [{}, {}] },
    );
    expect(new Set(offers.map(({ kind }) => kind))).toEqual(
      new Set(['tool', 'hook', 'route', 'command', 'channel', 'driver', 'job']),
    );
    const call = { caller: 'a', via: 'mcp' };
    expect(await invoke('tool:tide', { input: { harbour: 'Kiel' }, ...call }, 5000)).toEqual({
      harbour: 'Kiel',
      metres: 3.2,
    });
    expect(await invoke('tool:report', { input: {}, ...call }, 5000)).toBe('main, and 2 sessions');
    const typed = (text: string) => invoke('hook:beforeInput', { session: 's', text, by: 'ada' }, 5000);
    expect(await typed('rm -rf / ')).toEqual({ veto: 'ada would delete everything.' });
    expect((await typed('rm -rf ./dist')) ?? null).toBeNull();
    const heard = Buffer.from('{"id":"1","text":"x","callsign":"DG1"}').toString('base64');
    expect(await invoke('route:POST /heard', { headers: {}, body: heard }, 5000)).toMatchObject({ status: 200 });
    const watch = { args: '', conversation: 'agent:main:main', by: 'ada' };
    expect(await invoke('command:watch', watch, 5000)).toBe('ada has the watch in agent:main:main.');
    const turn = { turn: 't', text: 'a b', history: [], by: 'ada', agent: { id: 'polly' } };
    expect(await invoke('driver:parrot', turn, 5000)).toBeNull();
  });

  it('is what the types say', async () => {
    const dir = plugins.folder('typed', {
      'all.ts': `import type { PluginApi } from '@binnacle/plugin';
export default (api: PluginApi) => {
${STATEMENTS}
};`,
      'typed.ts': TYPED,
      'package.json': '{"type": "module"}',
      'first.js': FIRST,
      'tsconfig.json': JSON.stringify({
        extends: join(REPOSITORY, 'tsconfig.base.json'),
        compilerOptions: {
          composite: false,
          noEmit: true,
          allowJs: true,
          checkJs: true,
          useUnknownInCatchVariables: false,
          types: ['node'],
          typeRoots: [join(REPOSITORY, 'node_modules/@types')],
        },
        include: ['*.ts', '*.js'],
      }),
    });
    mkdirSync(join(dir, 'node_modules/@binnacle'), { recursive: true });
    symlinkSync(join(REPOSITORY, 'packages/plugin'), join(dir, 'node_modules/@binnacle/plugin'));
    expect(await run(join(REPOSITORY, 'node_modules/.bin/tsc'), ['-p', dir])).toEqual({ code: 0, out: '' });
  });

  it('of testing passes', async () => {
    const dir = plugins.folder('tested', { 'index.mjs': FIRST, 'index.test.mjs': TESTED });
    // As after `npm init -y`.
    writeFileSync(join(dir, 'package.json'), '{"type": "commonjs"}');
    expect(await run(process.execPath, ['--test'], dir)).toMatchObject({ code: 0 });
  });

  it('of limits and permissions is what is in force', () => {
    const row = (name: string): string => new RegExp(`^\\| ${name}[^|]* \\| ([^|]+) \\|$`, 'm').exec(DOCS)?.[1] ?? '';
    const MIB = 1024 * 1024;
    expect({
      memoryBytes: Number.parseInt(row('memory'), 10) * MIB,
      startMs: Number.parseInt(row('until the entry'), 10) * 1000,
      silentMs: Number.parseInt(row('without a sign of life'), 10) * 1000,
      callMs: Number.parseInt(row('one call'), 10) * 1000,
      maxInFlight: Number.parseInt(row('calls on their way'), 10),
      callsPerSecond: Number.parseInt(row('calls, in the long run'), 10),
      outputBytesPerSecond: Number.parseInt(row('printed'), 10) * 1024,
      graceMs: Number.parseInt(row('after `onStop`'), 10) * 1000,
      restarts: Number.parseInt(row('restarts'), 10),
    }).toEqual({
      memoryBytes: PLUGIN_LIMITS.memoryBytes,
      startMs: PLUGIN_LIMITS.startMs,
      silentMs: PLUGIN_LIMITS.silentMs,
      callMs: PLUGIN_LIMITS.callMs,
      maxInFlight: PLUGIN_LIMITS.maxInFlight,
      callsPerSecond: PLUGIN_LIMITS.callsPerSecond,
      outputBytesPerSecond: PLUGIN_LIMITS.outputBytesPerSecond,
      graceMs: PLUGIN_LIMITS.graceMs,
      restarts: PLUGIN_LIMITS.restarts,
    });
    expect(PERMISSION_NAMES.filter((name) => !DOCS.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('docs/plugin-escapes.md', () => {
  const text = readFileSync(join(REPOSITORY, 'docs/plugin-escapes.md'), 'utf8');
  const [, table = ''] = /<!-- escapes: [^\n]*\n(.*?)<!-- escapes: end -->/s.exec(text) ?? [];
  const [, , ...rows] = table.trim().split('\n');

  it('has a row for each probe, with what the escape suite expects', () => {
    const majors = [20, 22, 24, 26];
    const cell = (results: readonly string[]): string =>
      new Set(results).size === 1 ? (results[0] ?? '') : results.join('/');
    const expected = PROBES.map(({ name, row, open, since = 0, blank }) => {
      const restricted = majors.map((major) =>
        open === 'all' || (open === 'network' && major < 25) ? 'open' : 'denied',
      );
      const trusted = majors.map((major) => (blank === true || since > major ? '–' : 'open'));
      return `| ${row} | ${name} | denied | ${cell(restricted)} | ${cell(trusted)} |`;
    });
    expect(rows).toEqual(expected);
  });

  it('counts right', () => {
    const open = (from: readonly (typeof PROBES)[number][]): string =>
      `${PROBES.length - from.length} denied, ${from.length} open`;
    for (const major of [20, 22, 24, 26]) {
      const restricted = PROBES.filter((one) => one.open === 'all' || (one.open === 'network' && major < 25));
      const trusted = PROBES.filter(({ blank, since = 0 }) => blank !== true && since <= major);
      const row = new RegExp(`^\\| Node ${major}\\.\\S+ \\| (.*) \\| (.*) \\| (.*) \\|$`, 'm').exec(text)?.slice(1);
      expect(row).toEqual([open([]), open(restricted), open(trusted)]);
    }
  });
});

function run(
  file: string,
  args: readonly string[],
  cwd = REPOSITORY,
): Promise<{ readonly code: number | string; readonly out: string }> {
  return new Promise((done) => {
    execFile(file, args, { cwd }, (error, out, err) =>
      done({ code: error?.code ?? 0, out: out + err.replaceAll(/^npm .*\n/gm, '') }),
    );
  });
}

describe('what docs/plugins.md says of walls', () => {
  it.each(['sealed', 'restricted'] as const)('holds for code from strings, and for threads: %s', async (level) => {
    const dir = plugins.folder(`strings-${level}`, {
      'index.mjs': `import { runInThisContext } from 'node:vm';
import { pbkdf2 } from 'node:crypto';
const tried = (run) => { try { return run(); } catch (error) { return error.constructor.name; } };
export default (api) => {
  api.handle('strings', async () => ({
    eval: tried(() => eval('1 + 1')),
    function: tried(() => new Function('return 1 + 1')()),
    vm: tried(() => runInThisContext('1 + 1')),
    data: (await import('data:text/javascript,export default 1 + 1')).default,
  }));
  api.handle('hash', () => Promise.all([1, 2, 3, 4].map(() => new Promise((done) => pbkdf2('a', 'b', ${count({ quick: 150_000, all: 400_000 })}, 64, 'sha512', () => done(1))))));
};
`,
    });
    const sandbox = await sandboxOf();
    const walls =
      level === 'sealed' ? sandbox : { ...sandbox, bwrap: { works: false as const, why: 'not in this test' } };
    const { host } = await plugins.host({ id: `strings-${level}`, dir, entry: 'index.mjs', sandbox: walls });
    await host.start();
    expect(host.facts.level).toBe(level);
    expect(await host.invoke('strings', null, 5000)).toEqual({
      eval: 'EvalError',
      function: 'EvalError',
      vm: 2,
      data: 2,
    });
    const before = processorTimes(treeOf(host.facts.pid ?? 0));
    await host.invoke('hash', null, 10_000);
    const after = processorTimes(treeOf(host.facts.pid ?? 0));
    const busy = [...after].filter(([thread, ms]) => ms - (before.get(thread) ?? 0) >= 10);
    expect(busy.length).toBeGreaterThanOrEqual(4);
  });
});

/** Processor time of each thread of the processes, in ms: by the scheduler's clock, which has no ticks. */
function processorTimes(pids: readonly number[]): ReadonlyMap<string, number> {
  const threads = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/schedstat`),
  );
  return new Map(threads.map((file) => [file, Number(readFileSync(file, 'utf8').split(' ')[0]) / 1e6]));
}
