// Plugins: what a call costs, how long one takes to start, and what 20 that do nothing cost.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PluginHost } from '../../packages/server/src/plugins/host/host.ts';
import { PLUGIN_LIMITS } from '../../packages/server/src/plugins/host/limits.ts';
import { probeSandbox, type Sandbox } from '../../packages/server/src/plugins/host/sandbox.ts';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { childrenOf, cpuMs, end, pssKb, sleep } from '../processes.ts';
import { median, percentile, type Row, ranged, ratios } from '../table.ts';

const IDLE = 20;
const SETTLE_MS = 2000;
/** One call after the other, so that no rate is reached. */
const CALLS_PER_SECOND = 1_000_000;

const ENTRY = `export default (api) => {
  api.handle('echo', (value) => value);
  api.handle('ask', (value) => api.call('echo', value));
};`;

export async function plugins(bench: Bench): Promise<readonly Row[]> {
  const sandbox = await probeSandbox();
  const level = sandbox.bwrap.works ? 'sealed' : 'restricted';
  const dir = join(bench.scratch, 'plugin');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'plugin.mjs'), ENTRY);
  writeFileSync(join(dir, 'bare.mjs'), "process.stdout.write('ready'); setInterval(() => {}, 1000);");
  const runtimeScript = resolve(process.env.BINNACLE_ROOT ?? '.', 'packages/server/dist/plugin-runtime.mjs');
  const launch = async (id: string, on: Sandbox = sandbox): Promise<PluginHost> => {
    const host = new PluginHost({
      id,
      dir,
      entry: 'plugin.mjs',
      runtimeScript,
      sandbox: on,
      policy: { mayUseAnyHost: false, allowRestricted: true, trusted: false },
      limits: { callsPerSecond: CALLS_PER_SECOND, bytesPerSecond: PLUGIN_LIMITS.bytesPerSecond * 100 },
      call: async (_, params) => params,
      stopped: (reason, next) => {
        if (next !== 'stopped') bench.note(`${id}: ${reason.message}`);
      },
    });
    await host.start();
    return host;
  };
  return [
    ...(await calls(bench, launch, level)),
    ...(await starts(bench, launch, sandbox, dir, level)),
    ...(await idle(bench, launch, level)),
    ...(await hostile(bench, level)),
  ];
}

type Launch = (id: string, on?: Sandbox) => Promise<PluginHost>;

const us = (value: number): string => `${(value * 1000).toFixed(0)} us`;
const ms = (value: number): string => `${value.toFixed(0)} ms`;
const both = (values: readonly number[], unit: (value: number) => string): string => {
  const sorted = [...values].sort((a, b) => a - b);
  return `p50 ${unit(percentile(sorted, 0.5))}, p99 ${unit(percentile(sorted, 0.99))} (n = ${values.length})`;
};

async function calls(bench: Bench, launch: Launch, level: string): Promise<readonly Row[]> {
  const count = bench.quick ? 2000 : 20_000;
  const host = await launch('calls');
  const durations: Record<'echo' | 'ask', number[]> = { echo: [], ask: [] };
  for (const method of ['echo', 'ask'] as const) {
    for (let i = -1000; i < count; i++) {
      const startedAt = performance.now();
      await host.invoke(
        method,
        { n: i, text: 'a hundred bytes or so, as in most calls that a plugin makes or gets' },
        10_000,
      );
      if (i >= 0) durations[method].push(performance.now() - startedAt);
    }
  }
  await host.stop();
  bench.note(`plugins: echo ${both(durations.echo, us)}, ask ${both(durations.ask, us)}`);
  const row = { goal: 'plugins', other: '', ratio: '' };
  const p50 = percentile(
    [...durations.echo].sort((a, b) => a - b),
    0.5,
  );
  return [
    {
      ...row,
      what: `${level}: a call to the plugin and its answer`,
      ours: both(durations.echo, us),
      aim: 'p50 <= 200 us',
      holds: p50 <= 0.2,
    },
    { ...row, what: `${level}: one in which it asks us something`, ours: both(durations.ask, us), aim: '' },
  ];
}

/** To the loaded entry, beside a `node` that says one word; the two in turns. */
async function starts(
  bench: Bench,
  launch: Launch,
  sandbox: Sandbox,
  dir: string,
  level: string,
): Promise<readonly Row[]> {
  const times = bench.quick ? 5 : 30;
  const restricted: Sandbox = { ...sandbox, bwrap: { works: false, why: 'the bench' } };
  const durations = { ours: [] as number[], restricted: [] as number[], bare: [] as number[] };
  for (let i = 0; i < times; i++) {
    for (const [kind, on] of [
      ['ours', sandbox],
      ['restricted', restricted],
    ] as const) {
      const startedAt = performance.now();
      const host = await launch(`start-${kind}`, on);
      durations[kind].push(performance.now() - startedAt);
      await host.stop();
    }
    const startedAt = performance.now();
    const bare = spawn(process.execPath, [join(dir, 'bare.mjs')], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(bare.stdout, 'data');
    durations.bare.push(performance.now() - startedAt);
    await end(bare, 'SIGKILL');
  }
  bench.note(
    `plugins: start ${both(durations.ours, ms)}, restricted ${both(durations.restricted, ms)}, bare ${both(durations.bare, ms)}`,
  );
  const ratio = ratios(durations.ours, durations.bare);
  const other = `node ${both(durations.bare, ms)}`;
  return [
    {
      goal: 'plugins',
      what: `${level}: launch to the loaded entry`,
      ours: both(durations.ours, ms),
      other,
      ratio: ranged(ratio),
      aim: '<= 2.5',
      holds: median(ratio) <= 2.5,
    },
    {
      goal: 'plugins',
      what: 'restricted: the same',
      ours: both(durations.restricted, ms),
      other,
      ratio: ranged(ratios(durations.restricted, durations.bare)),
      aim: '',
    },
  ];
}

async function idle(bench: Bench, launch: Launch, level: string): Promise<readonly Row[]> {
  const hosts: PluginHost[] = [];
  for (let i = 0; i < IDLE; i++) hosts.push(await launch(`idle-${i}`));
  await sleep(SETTLE_MS);
  const pids = hosts.flatMap(({ facts }) => (facts.pid === null ? [] : treeOf(facts.pid)));
  const each = pids.map(pssKb).reduce((a, b) => a + b, 0) / 1024 / IDLE;
  const before = cpuMs([process.pid, ...pids]);
  const seconds = bench.quick ? 2 : 10;
  await sleep(seconds * 1000);
  const cpu = (cpuMs([process.pid, ...pids]) - before) / (seconds * 10);
  await Promise.all(hosts.map((host) => host.stop()));
  bench.note(`plugins: ${IDLE} idle, ${each.toFixed(1)} MiB each, ${cpu.toFixed(1)} % of a core in all`);
  return [
    {
      goal: 'plugins',
      what: `${level}: one of ${IDLE} idle plugins, its share of memory`,
      ours: `${each.toFixed(1)} MiB`,
      other: '',
      ratio: '',
      aim: '<= 12 MiB',
      holds: each <= 12,
    },
    {
      goal: 'plugins',
      what: `${level}: ${IDLE} idle plugins and their watching, of one core`,
      ours: `${cpu.toFixed(1)} %`,
      other: '',
      ratio: '',
      aim: '',
    },
  ];
}

/** What this machine is late by anyhow. */
const PEACE = 'nothing';
/** What plugins do that mean harm, as fast as they can, to a gateway: how late its event loop is, by its own clock. */
const HOSTILE: Readonly<Record<string, string>> = {
  [PEACE]: '',
  'frames that are none': 'const bytes = Buffer.alloc(65536, 255); for (;;) writeSync(3, bytes);',
  'a million calls':
    'for (let id = 1; id <= 1e6; id++) { const json = Buffer.from(JSON.stringify({ t: "call", id, method: "x" })); const head = Buffer.alloc(4); head.writeUInt32BE(json.length); writeSync(3, Buffer.concat([head, json])); }',
  'an endless loop': 'for (;;);',
  '2 GiB of memory': 'const all = []; for (let i = 0; i < 256; i++) all.push(Buffer.alloc(8388608, 1)); for (;;);',
  'calls that it may not make, without a pause':
    'for (let i = 0; i < 64; i++) void (async () => { for (;;) await api.conversations.list().catch(() => undefined); })();',
  'output without end': "setInterval(() => console.log('x'.repeat(1000000)), 1);",
};
const HOSTILE_MS = 3000;
const MAX_LAG_MS = 50;

async function hostile(bench: Bench, level: string): Promise<readonly Row[]> {
  const gateway = await Gateway.start(bench.scratch);
  const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = { 'content-type': 'application/json' };
    const response = await gateway.fetch(
      path,
      body === undefined ? { method } : { method, headers, body: JSON.stringify(body) },
    );
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  };
  const lagMs = async (): Promise<number> => {
    const text = await (await gateway.fetch('/metrics', { headers: { accept: 'text/plain' } })).text();
    return Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1]) * 1000;
  };
  const found = new Map<string, number>();
  let peaceKb = 0;
  // Peace twice: at first, a gateway loads what it has not needed before.
  for (const [i, [what, attack]] of [[PEACE, ''] as const, ...Object.entries(HOSTILE)].entries()) {
    const dir = join(bench.scratch, `hostile-${i}`);
    mkdirSync(dir, { mode: 0o755 });
    const manifest = { id: 'hostile', version: '1.0.0', entry: 'index.mjs' };
    writeFileSync(join(dir, 'binnacle.plugin.json'), JSON.stringify(manifest), { mode: 0o644 });
    const entry = `import { writeSync } from 'node:fs';
export default (api) => { setTimeout(() => { ${attack} }, 500); };`;
    writeFileSync(join(dir, 'index.mjs'), entry, { mode: 0o644 });
    const { digest } = await ask('POST', '/v1/plugins/preview', { path: dir });
    await ask('POST', '/v1/plugins', { path: dir, digest });
    await lagMs();
    await sleep(500 + HOSTILE_MS);
    found.set(what, await lagMs());
    if (what === PEACE) peaceKb = pssKb(gateway.pid);
    else bench.note(`plugins: ${what}: memory + ${((pssKb(gateway.pid) - peaceKb) / 1024).toFixed(1)} MiB`);
    await ask('DELETE', '/v1/plugins/hostile');
  }
  const grown = (pssKb(gateway.pid) - peaceKb) / 1024;
  await gateway.close();
  const peace = found.get(PEACE) ?? 0;
  found.delete(PEACE);
  const [worst = '', ms = 0] = [...found].sort(([, a], [, b]) => b - a)[0] ?? [];
  for (const [what, lag] of found) bench.note(`plugins: ${what}: event loop late by ${lag.toFixed(0)} ms at most`);
  return [
    {
      goal: 'plugins',
      what: `${level}: ${found.size} hostile ones, one after the other: the gateway's event loop is late by`,
      ours: `${ms.toFixed(0)} ms at most (${worst})`,
      other: `with one that does nothing ${peace.toFixed(0)} ms`,
      ratio: '',
      aim: `<= ${MAX_LAG_MS} ms`,
      holds: ms <= MAX_LAG_MS,
    },
    {
      goal: 'plugins',
      what: 'and its memory has grown by',
      ours: `${grown.toFixed(1)} MiB`,
      other: '',
      ratio: '',
      aim: '<= 50 MiB',
      holds: grown <= 50,
    },
  ];
}

const treeOf = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(treeOf)];
