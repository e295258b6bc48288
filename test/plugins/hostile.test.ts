// T54: what a hostile or broken plugin does to the gateway that it lives beside. Nothing is simulated but the plugin.

import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { BinnacleError } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PluginHost } from '../../packages/server/src/plugins/host/host.ts';
import { count, some } from '../support/count.ts';
import { until } from '../support/until.ts';
import { type Attack, BY_PROCESS, BY_RPC, RAW } from './attacks.fixture.ts';
import { codeOf, isAlive, Plugins, treeOf } from './plugin.fixture.ts';

const MIB = 1024 * 1024;
const MAX_MS = 3000;
const MAX_GROWTH = 50 * MIB;

/** What else would be waited for. */
const SHORT: Readonly<Record<string, { startMs?: number; silentMs?: number }>> = {
  start_timeout: { startMs: 500 },
  silent: { silentMs: count({ quick: 700, all: 2000 }) },
};

const attacker = (attack: string): string =>
  `${RAW}export default (api) => { api.handle('attack', async () => { ${attack} }); };`;

describe('a hostile plugin', () => {
  const plugins = new Plugins();
  let bystander: PluginHost;
  let bystanderPid: number | null;
  const worst = { tookMs: 0, growth: 0, lagMs: 0 };

  beforeAll(async () => {
    const source = 'export default (api) => { api.handle("echo", (text) => api.call("echo", text)); };';
    bystander = (await plugins.host({ id: 'bystander', source })).host;
    await bystander.start();
    bystanderPid = bystander.facts.pid;
  });
  afterAll(async () => {
    await plugins.close();
    if (process.env.BINNACLE_PLUGIN_NUMBERS !== undefined) {
      const { tookMs, growth, lagMs } = worst;
      const numbers = `ended within ${tookMs.toFixed(0)} ms, memory + ${(growth / MIB).toFixed(1)} MiB, lag ${lagMs.toFixed(0)} ms`;
      console.log(`T54, each at most: ${numbers}`);
    }
  });

  /** Launches one for each, lets all attack at once, and sees them all ended. */
  async function endure(attacks: readonly Attack[], silentMs = 2000): Promise<void> {
    const made = await Promise.all(
      attacks.map(async ({ attack, ends }) => {
        const made = await plugins.host({
          source: attacker(attack),
          limits: { restarts: 0, silentMs },
          call: async (method) => {
            if (method === 'never') return await new Promise(() => undefined);
            return method === 'big' ? 'x'.repeat(1_000_000) : null;
          },
        });
        await made.host.start();
        return { ...made, ends, pids: treeOf(made.host.facts.pid ?? 0) };
      }),
    );
    const before = process.memoryUsage().rss;
    const lag = monitorEventLoopDelay({ resolution: 5 });
    lag.enable();
    const startedAt = performance.now();
    const invoked = Promise.all(made.map(({ host }) => codeOf(host.invoke('attack', null, 10_000))));
    let peak = before;
    let echoes = 0;
    while (made.some(({ stops }) => stops.length === 0) && performance.now() - startedAt < 10_000) {
      expect(await bystander.invoke('echo', echoes, 2000)).toEqual({ method: 'echo', params: echoes });
      echoes += 1;
      peak = Math.max(peak, process.memoryUsage().rss);
      await new Promise((done) => setTimeout(done, 10));
    }
    lag.disable();
    for (const { host, stops, ends, pids } of made) {
      const [stop] = stops;
      expect(ends, JSON.stringify([host.facts.id, stop?.reason])).toContain(stop?.reason.code);
      const tookMs = (stop?.at ?? Number.POSITIVE_INFINITY) - startedAt;
      expect(tookMs).toBeLessThan(MAX_MS);
      worst.tookMs = Math.max(worst.tookMs, tookMs);
      expect([stop?.next, host.facts.state]).toEqual(['disabled', 'disabled']);
      await until('its process is gone', () => !pids.some(isAlive));
    }
    expect(peak - before).toBeLessThan(MAX_GROWTH);
    worst.growth = Math.max(worst.growth, peak - before);
    worst.lagMs = Math.max(worst.lagMs, lag.max / 1e6);
    // What it had been asked is settled, one way or another.
    for (const code of await invoked) expect(['no error', 'plugin_stopped', 'plugin_failed']).toContain(code);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(bystander.facts.pid).toBe(bystanderPid);
    expect(await bystander.invoke('echo', 'still', 1000)).toEqual({ method: 'echo', params: 'still' });
  }

  const attacks = [...BY_RPC, ...BY_PROCESS];
  const isStuck = ({ ends }: Attack): boolean => ends[0] === 'silent';

  it.each(
    some(
      attacks.filter((attack) => !isStuck(attack)),
      7,
    ),
  )('that $what is ended, and nobody else is', async (attack) => {
    await endure([attack]);
  });

  // Each loop takes a core from the tests beside it.
  const atOnce = count({ quick: 3, all: 3, soak: 6 });
  const stuck = some(attacks.filter(isStuck), 3);
  for (let at = 0; at < stuck.length; at += atOnce) {
    const group = stuck.slice(at, at + atOnce);
    it(`is ended by its silence: one that ${group.map(({ what }) => what).join(', ')}`, async () => {
      await endure(group, count({ quick: 700, all: 2000 }));
    });
  }

  const AT_LOAD: readonly [string, string, string, RegExp][] = [
    ['throws', 'throw new Error("at load");', 'load_failed', /at load/],
    ['rejects, unhandled', 'void Promise.reject(new Error("at load"));', 'exited', /exit code 1/],
    ['loops', 'for (;;);', 'silent', /no sign of life/],
    ['exits', 'process.exit(3);', 'exited', /exit code 3/],
    ['has no syntax', 'export default {{', 'load_failed', /Unexpected token/],
    ['has no register', 'export const nothing = 1;', 'load_failed', /no default export/],
    ['never finishes', 'await new Promise(() => setInterval(() => {}, 1000));', 'start_timeout', /not ready within/],
  ];
  it.each(some(AT_LOAD, 4))('that %s while it is loaded is ended, with the reason', async (_, source, code, text) => {
    const limits = { restarts: 0, ...SHORT[code] };
    const { host, stops } = await plugins.host({
      source: source.startsWith('export') ? source : `${source}\nexport default () => {};`,
      limits,
    });
    const startedAt = performance.now();
    const failure = await host.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BinnacleError);
    expect((failure as BinnacleError).code).toBe('plugin_stopped');
    expect(stops[0]?.reason).toMatchObject({ code, message: expect.stringMatching(text) });
    expect((stops[0]?.at ?? 0) - startedAt).toBeLessThan(MAX_MS);
    expect(await codeOf(host.invoke('x', null, 1000))).toBe('plugin_stopped');
  });

  it('that makes all the calls it may, as fast as it may, is slowed down and not ended', async () => {
    let calls = 0;
    const source = `export default (api) => { api.handle('attack', () => {
      const go = async () => { for (;;) await api.call('count'); };
      for (let i = 0; i < 200; i++) void go();
    }); };`;
    const limits = { callsPerSecond: 500, restarts: 0 };
    const { host, stops } = await plugins.host({ source, limits, call: async () => (calls += 1) });
    await host.start();
    await host.invoke('attack', null, 1000);
    await until('its burst is spent', () => calls >= 1000);
    const [from, at] = [calls, performance.now()];
    const more = count({ quick: 250, all: 500 });
    await until('it has made more', () => calls >= from + more);
    // Slower is fine on a busy machine; faster is not.
    expect(((calls - from) / (performance.now() - at)) * 1000).toBeLessThan(700);
    expect(host.facts.inFlight.received).toBeLessThanOrEqual(64);
    expect(stops).toEqual([]);
    expect(await bystander.invoke('echo', 1, 1000)).toEqual({ method: 'echo', params: 1 });
  });

  it('that writes without end to stdout costs what it costs itself', async () => {
    const source = `export default (api) => { api.handle('attack', () => {
      const line = 'x'.repeat(65535) + '\\n';
      for (let i = 0; i < 800; i++) process.stdout.write(line);
      setTimeout(() => console.log('the last line'), ${count({ quick: 1200, all: 3000 })});
    }); };`;
    const before = process.memoryUsage().rss;
    const { host, output, stops } = await plugins.host({ source, limits: { restarts: 0 } });
    await host.start();
    await host.invoke('attack', null, 10_000);
    await until('it is heard again', () => output.at(-1) === 'stdout: the last line');
    expect(output.join('\n')).toMatch(/\[\d{8} bytes were dropped/);
    expect(output.join('').length).toBeLessThan(MIB);
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH);
    expect(stops).toEqual([]);
  });

  it('that says again and again that it cannot be loaded is ended after the first time', async () => {
    const dir = plugins.folder('again', {
      'again.mjs': `${RAW} frame({ t: 'hello', protocol: 1 }); setInterval(() => frame({ t: 'failed', message: 'no' }), 20);`,
    });
    const { host, stops } = await plugins.host({ runtimeScript: join(dir, 'again.mjs'), limits: { restarts: 0 } });
    const startedAt = performance.now();
    expect(await codeOf(host.start())).toBe('plugin_stopped');
    expect(stops[0]?.reason).toEqual({ code: 'load_failed', message: 'no' });
    expect((stops[0]?.at ?? 0) - startedAt).toBeLessThan(MAX_MS);
  });

  it('that is from another version says so and does not run', async () => {
    const dir = plugins.folder('guests', {
      'other.mjs': `${RAW} frame({ t: 'hello', protocol: 99 }); setInterval(() => {}, 1000);`,
      'rude.mjs': `${RAW} call(1); setInterval(() => {}, 1000);`,
    });
    for (const [name, text] of [
      ['other.mjs', 'It speaks version 99.'],
      ['rude.mjs', 'It did not greet first.'],
    ] as const) {
      const { host, stops } = await plugins.host({ runtimeScript: join(dir, name), limits: { restarts: 0 } });
      expect(await codeOf(host.start())).toBe('plugin_stopped');
      expect(stops[0]?.reason).toEqual({ code: 'protocol', message: text });
    }
  });
});
