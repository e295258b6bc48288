// What a plugin host does when all goes well, and how often it tries again when it does not.

import { readFileSync } from 'node:fs';
import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseLevel } from '../../packages/server/src/plugins/host/isolation-level.ts';
import { PLUGIN_LIMITS } from '../../packages/server/src/plugins/host/limits.ts';
import { nodeFlags } from '../../packages/server/src/plugins/host/sandbox.ts';
import { Heartbeat, REAL_CLOCK, RestartBudget } from '../../packages/server/src/plugins/host/supervision.ts';
import { count } from '../support/count.ts';
import { until } from '../support/until.ts';
import { codeOf, isAlive, Plugins, sandboxOf } from './plugin.fixture.ts';

/** Time that passes when it is told to. */
class TestClock {
  #now = 0;
  #timers: { readonly at: number; readonly call: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  pass(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = until;
  }
}

describe('a plugin host', () => {
  let plugins: Plugins;
  beforeEach(() => {
    plugins = new Plugins();
  });
  afterEach(() => plugins.close());

  it('carries calls both ways, with what the plugin is configured with', async () => {
    const source = `export default (api) => {
      api.handle('sum', async ({ of }) => ({ sum: await api.call('add', of), id: api.id, config: api.config }));
      api.handle('nothing', () => undefined);
    };`;
    const { host } = await plugins.host({
      id: 'sums',
      source,
      config: { a: 1 },
      call: async (method, params) => (method === 'add' ? (params as number[]).reduce((a, b) => a + b) : null),
    });
    await host.start();
    expect(await host.invoke('sum', { of: [1, 2, 3] }, 1000)).toEqual({ sum: 6, id: 'sums', config: { a: 1 } });
    expect(await host.invoke('nothing', null, 1000)).toBeUndefined();
    expect(host.facts).toMatchObject({
      id: 'sums',
      state: 'running',
      methods: ['sum', 'nothing'],
      restarts: 0,
      lastStop: null,
    });
  });

  it('tells the plugin why a call was refused, and nothing of our own faults', async () => {
    const source = `export default (api) => { api.handle('ask', async (method) => {
      try { return await api.call(method); } catch ({ code, message, hint, details }) { return { code, message, hint, details }; }
    }); };`;
    const { host, broke } = await plugins.host({
      source,
      call: async (method) => {
        if (method === 'denied') throw new BinnacleError('forbidden', { hint: 'Grant it.', details: { key: 'a.b' } });
        if (method === 'huge') return 'x'.repeat(2_000_000);
        throw new Error('password: 1234');
      },
    });
    await host.start();
    expect(await host.invoke('ask', 'denied', 1000)).toMatchObject({
      code: 'forbidden',
      hint: 'Grant it.',
      details: { key: 'a.b' },
    });
    expect(await host.invoke('ask', 'huge', 1000)).toMatchObject({ code: 'message_too_large' });
    const ours = await host.invoke('ask', 'broken', 1000);
    expect(ours).toMatchObject({ code: 'internal' });
    expect(JSON.stringify(ours)).not.toContain('1234');
    expect(broke).toHaveLength(1);
  });

  it('rejects what the plugin throws, what it has not, what is too large and what comes too late', async () => {
    const source = `export default (api) => {
      api.handle('throw', () => { throw new Error('no luck'); });
      api.handle('slow', () => new Promise((done) => setTimeout(done, 300)));
      api.handle('big', () => 'x'.repeat(2e6));
      api.handle('polluting', () => JSON.parse('{"__proto__": 1}'));
    };`;
    const { host, stops } = await plugins.host({ id: 'odd', source });
    await host.start();
    await expect(host.invoke('throw', null, 1000)).rejects.toMatchObject({
      code: 'plugin_failed',
      message: 'odd: no luck',
    });
    await expect(host.invoke('novel', null, 1000)).rejects.toMatchObject({
      code: 'plugin_failed',
      details: { code: 'not_found' },
    });
    expect(await codeOf(host.invoke('big', null, 1000))).toBe('plugin_failed');
    expect(await codeOf(host.invoke('polluting', null, 1000))).toBe('plugin_failed');
    expect(await codeOf(host.invoke('slow', 'x'.repeat(2_000_000), 1000))).toBe('message_too_large');
    const startedAt = performance.now();
    expect(await codeOf(host.invoke('slow', null, 50))).toBe('plugin_timeout');
    expect(performance.now() - startedAt).toBeLessThan(250);
    // Its late answer is known for one.
    expect(await host.invoke('slow', null, 5000)).toBeUndefined();
    expect(stops).toEqual([]);
  });

  it('refuses the 65th call that waits, and takes it when one is answered', async () => {
    const source = `let go; const gate = new Promise((open) => { go = open; });
      export default (api) => { api.handle('wait', () => gate); api.handle('go', () => { setTimeout(go, 20); }); };`;
    const { host } = await plugins.host({ source });
    await host.start();
    const waiting = Array.from({ length: 63 }, () => host.invoke('wait', null, 10_000));
    const last = host.invoke('go', null, 10_000);
    expect(await codeOf(host.invoke('wait', null, 10_000))).toBe('plugin_busy');
    await Promise.all([...waiting, last]);
    expect(await host.invoke('wait', null, 10_000)).toBeUndefined();
  });

  it('gives a call of the plugin up after its deadline, and says so at both ends', async () => {
    let signalled: AbortSignal | undefined;
    const source = `export default (api) => { api.handle('ask', () => api.call('never').catch(({ code }) => code)); };`;
    const { host } = await plugins.host({
      source,
      limits: { callMs: 100 },
      call: (_method, _params, signal) => {
        signalled = signal;
        return new Promise(() => undefined);
      },
    });
    await host.start();
    expect(await host.invoke('ask', null, 5000)).toBe('plugin_timeout');
    expect(signalled?.aborted).toBe(true);
  });

  it('stops a plugin that says goodbye, and one that will not', async () => {
    const polite = await plugins.host({ source: `export default (api) => api.onStop(() => console.log('goodbye'));` });
    const deaf = await plugins.host({
      source: `export default (api) => api.onStop(() => new Promise(() => {}));`,
      limits: { graceMs: 100 },
    });
    for (const { host, stops } of [polite, deaf]) {
      await host.start();
      const { pid } = host.facts;
      await host.stop();
      expect(stops).toMatchObject([{ reason: { code: 'stopped' }, next: 'stopped' }]);
      expect(isAlive(pid ?? 0)).toBe(false);
      expect(await codeOf(host.invoke('x', null, 1000))).toBe('plugin_stopped');
    }
    expect(polite.output).toEqual(['stdout: goodbye']);
  });

  it('keeps a slow plugin that still answers', async () => {
    const source = `export default (api) => { api.handle('work', () => { const end = Date.now() + 1200; while (Date.now() < end); return 'done'; }); };`;
    const { host, stops } = await plugins.host({ source });
    await host.start();
    expect(await host.invoke('work', null, 10_000)).toBe('done');
    expect(stops).toEqual([]);
  });

  it('launches a plugin that ends again as often as it may, which is five times in ten minutes, and then no more', async () => {
    // Ten times as fast as the machine: the pauses before a restart. What else has a time has ten times as much.
    const clock = {
      now: () => REAL_CLOCK.now() * 10,
      after: (ms: number, call: () => void) => REAL_CLOCK.after(ms / 10, call),
    };
    const { pingMs, silentMs, startMs, graceMs } = PLUGIN_LIMITS;
    expect(PLUGIN_LIMITS).toMatchObject({ restarts: 5, restartWindowMs: 600_000 });
    const restarts = count({ quick: 2, all: PLUGIN_LIMITS.restarts });
    const { host, stops } = await plugins.host({
      clock,
      limits: { restarts, pingMs: pingMs * 10, silentMs: silentMs * 10, startMs: startMs * 10, graceMs: graceMs * 10 },
      source: `export default (api) => { api.handle('die', () => process.exit(1)); };`,
    });
    await host.start();
    for (let i = 1; i <= restarts + 1; i++) {
      await until('it runs', () => host.facts.state === 'running');
      await codeOf(host.invoke('die', null, 10_000));
      await until(`end ${i}`, () => stops.length === i);
      if (i === 2) expect(host.facts).toMatchObject({ restarts: 2, lastStop: { code: 'exited' } });
    }
    expect(stops.map(({ next }) => next)).toEqual([...Array(restarts).fill('restarting'), 'disabled']);
    expect(host.facts).toMatchObject({ state: 'disabled', pid: null });
    expect(await codeOf(host.invoke('die', null, 1000))).toBe('plugin_stopped');
  });

  it('runs a trusted plugin without walls in a process of its own', async () => {
    const source = `import { readFileSync } from 'node:fs';
      export default (api) => { api.handle('read', () => readFileSync('/proc/self/stat', 'utf8').length > 0); };`;
    const { host } = await plugins.host({
      source,
      policy: { mayUseAnyHost: false, allowRestricted: false, trusted: true },
    });
    await host.start();
    expect(host.facts.level).toBe('trusted');
    expect(await host.invoke('read', null, 1000)).toBe(true);
    expect(host.facts.pid).not.toBe(process.pid);
  });

  it('refuses an entry outside of the folder', async () => {
    for (const entry of ['../other.mjs', '/etc/passwd', 'a/../../b.mjs'])
      await expect(plugins.host({ entry })).rejects.toMatchObject({ code: 'plugin_refused' });
  });

  it('says why it could not be launched', async () => {
    const sandbox = await sandboxOf();
    const gone = { ...sandbox, node: { ...sandbox.node, path: '/nowhere/node' }, prlimit: null, setpriv: null };
    const { host, stops } = await plugins.host({
      sandbox: { ...gone, bwrap: { works: false, why: 'a test' } },
      limits: { restarts: 0 },
    });
    expect(await codeOf(host.start())).toBe('plugin_stopped');
    expect(stops[0]).toMatchObject({ reason: { code: 'launch_failed', message: /ENOENT/ }, next: 'disabled' });
  });
});

describe('the level of a plugin', () => {
  const none = { mayUseAnyHost: false, allowRestricted: false, trusted: false };

  it('is refused where the network stays open, unless the operator accepts it or the plugin may use it anyway', async () => {
    const without = await sandboxOf(process.execPath, '');
    expect([without.bwrap.works, without.prlimit, without.setpriv]).toEqual([false, null, null]);
    const sandbox = { ...without, closesNetwork: false };
    expect(() => chooseLevel('chat', none, sandbox)).toThrow(
      expect.objectContaining({
        code: 'plugin_refused',
        hint: expect.stringContaining('plugins.entries.chat.allowRestricted'),
      }),
    );
    expect(chooseLevel('chat', { ...none, allowRestricted: true }, sandbox)).toBe('restricted');
    expect(chooseLevel('chat', { ...none, mayUseAnyHost: true }, sandbox)).toBe('restricted');
    expect(chooseLevel('chat', none, { ...sandbox, closesNetwork: true })).toBe('restricted');
    expect(chooseLevel('chat', { ...none, trusted: true }, sandbox)).toBe('trusted');
  });

  it('is sealed where bubblewrap works, and a bwrap that does nothing is not believed', async () => {
    const sandbox = await sandboxOf();
    if (sandbox.bwrap.works) expect(chooseLevel('chat', none, sandbox)).toBe('sealed');
    else console.warn(`bubblewrap does not work here: ${sandbox.bwrap.why}`);
    const plugins = new Plugins();
    const dir = plugins.folder('bin', { bwrap: '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n' });
    const { chmodSync } = await import('node:fs');
    chmodSync(`${dir}/bwrap`, 0o755);
    const fooled = await sandboxOf(process.execPath, dir);
    expect(fooled.bwrap).toMatchObject({ works: false, why: expect.stringContaining('it does not hold') });
    await plugins.close();
  });

  it('takes no path that Node would read as several', async () => {
    const { node } = await sandboxOf();
    for (const path of ['/a,/etc', '/a/*', '/*']) expect(() => nodeFlags(node, [path])).toThrow(/"\*"/);
  });
});

describe('supervision', () => {
  it('gives five restarts in ten minutes, each a little later, and gets them back with time', () => {
    const clock = new TestClock();
    const budget = new RestartBudget(clock, { restarts: 5, restartWindowMs: 600_000 });
    const waits = Array.from({ length: 6 }, () => {
      clock.pass(1000);
      return budget.take();
    });
    expect(waits).toEqual([100, 200, 400, 800, 1600, undefined]);
    expect(budget.spent).toBe(5);
    clock.pass(600_000 - 5001);
    expect(budget.take()).toBeUndefined();
    clock.pass(2);
    expect([budget.spent, budget.take()]).toEqual([4, 1600]);
    expect(budget.take()).toBeUndefined();
    clock.pass(600_001);
    expect([budget.spent, budget.take()]).toEqual([0, 100]);
  });

  it('takes silence for an end, but not its own', () => {
    const clock = new TestClock();
    let silent = 0;
    let asked = 0;
    const heart = new Heartbeat(
      clock,
      { pingMs: 500, silentMs: 2000 },
      {
        ping: (n) => {
          asked = n;
        },
        tick: () => undefined,
        silent: () => {
          silent += 1;
        },
      },
    );
    for (let i = 0; i < 10; i++) {
      clock.pass(500);
      for (let n = 1; n <= asked; n++) if (heart.pong(n)) heart.heard();
    }
    expect([silent, asked]).toEqual([0, 10]);
    expect([heart.pong(10), heart.pong(12), heart.pong(0)]).toEqual([false, false, false]);
    // We read nothing on purpose.
    heart.suspend(true);
    clock.pass(10_000);
    expect(silent).toBe(0);
    heart.suspend(false);
    clock.pass(2000);
    expect(silent).toBe(1);
    clock.pass(10_000);
    expect(silent).toBe(1);
  });

  it('does not blame a plugin for a gateway that was stopped', () => {
    let now = 0;
    let tick: () => void = () => undefined;
    const clock = {
      now: () => now,
      after: (_: number, call: () => void) => {
        tick = call;
        return () => undefined;
      },
    };
    let silent = 0;
    const told = { ping: () => undefined, tick: () => undefined, silent: () => (silent += 1) };
    new Heartbeat(clock, { pingMs: 500, silentMs: 2000 }, told);
    now = 500;
    tick();
    now = 30_500;
    tick();
    expect(silent).toBe(0);
    for (; silent === 0 && now < 40_000; now += 500) tick();
    expect(now).toBeLessThanOrEqual(33_500);
  });

  it('uses real time by default', () => {
    expect(Math.abs(REAL_CLOCK.now() - performance.now())).toBeLessThan(1000);
    expect(readFileSync('/proc/self/stat', 'utf8').length).toBeGreaterThan(0);
  });
});
