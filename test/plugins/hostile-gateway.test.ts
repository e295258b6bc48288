// T54 with a gateway around it: hostile plugins attack while programs print and people watch and type. What is asserted
// is what must hold on a machine that is busy with other tests, too; BINNACLE_PLUGIN_NUMBERS tells what was measured, and
// bench/lines/plugins.ts holds the event loop to its 50 ms.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginInfo } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { count, inAll, isAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { measuresAlone } from '../support/measuring.ts';
import { until } from '../support/until.ts';
import { type Attack, BY_PROCESS, BY_RPC, RAW } from './attacks.fixture.ts';
import { ask, installPlugin, pluginInfo } from './installed.fixture.ts';
import { isAlive } from './plugin.fixture.ts';

measuresAlone();

const MIB = 1024 * 1024;
const MAX_MS = 3000;
const MAX_GROWTH = 50 * MIB;
/** Thousands of calls a second are garbage that V8 takes its time with: seen 28 to 60 MiB, and not more the longer it lasts. */
const MAX_GREEDY_GROWTH = 100 * MIB;
const ATTACKERS = count({ quick: 3, all: 6 });
const WATCHED = count({ quick: 2, all: 3 });
/** The gateway, too, takes some memory until it has done everything once. */
const WARM_MS = count({ quick: 300, all: 2000 });
const GREEDY_MS = count({ quick: 500, all: 3000 });
/** Calls for which nobody waits are answered here, so one that makes many of them is only read more slowly. */
const IS_SLOWED = 'makes calls of 60 MiB together';
const isStuck = ({ ends }: Attack): boolean => ends[0] === 'silent';
/** In `npm test` one round. Each round with a stuck plugin takes two seconds: hostile.test.ts has those. */
const ATTACKS: readonly Attack[] = isAll
  ? everyAttack()
  : some(
      everyAttack().filter((attack) => !isStuck(attack)),
      ATTACKERS,
    );

/** Those that only their silence ends last, so that they are waited for together. */
function everyAttack(): readonly Attack[] {
  return [...BY_RPC, ...BY_PROCESS]
    .filter(({ what }) => what !== IS_SLOWED)
    .sort((a, b) => Number(isStuck(a)) - Number(isStuck(b)));
}

/** Prints numbered lines until it is told to stop; so all that it printed can be told from the last one. */
const PRINTER = `
const { existsSync } = require('node:fs');
let n = 0;
const timer = setInterval(() => {
  for (let i = 0; i < 5; i++) process.stdout.write('line ' + n++ + ' ' + 'x'.repeat(n % 97) + '\\n');
  if (!existsSync(process.argv[2])) return;
  clearInterval(timer);
  process.stdout.write('end ' + n + '\\n');
}, 10);`;

const printed = (lines: number): string =>
  `${Array.from({ length: lines }, (_, n) => `line ${n} ${'x'.repeat((n + 1) % 97)}\n`).join('')}end ${lines}\n`;

/** One route for each attack, so that one plugin can go through many of them. */
const attackerOf = (attacks: readonly Attack[]): string =>
  `${RAW}export default (api) => {
    api.route('GET', '/', () => ({ body: 'still here' }));
    ${attacks.map(({ attack }, i) => `api.route('POST', '/${i}', async () => { ${attack}\nreturn {}; });`).join('\n')}
  };`;

/** All that it was granted, as fast as it can, and hooks that never answer. */
const GREEDY = `
export default (api) => {
  const forEver = () => new Promise(() => undefined);
  for (const on of ['afterInput', 'sessionEnd', 'afterRun']) api.hook(on, forEver);
  api.hook('beforeInput', forEver, { deadlineMs: 20 });
  api.route('POST', '/go', () => {
    const again = (what) => { void (async () => { for (;;) await what().catch(() => undefined); })(); };
    for (let i = 0; i < 10; i++) {
      again(() => api.storage.set('k' + i, 'x'.repeat(60_000)));
      again(() => api.storage.keys());
      again(() => api.notify({ title: 'x'.repeat(100), text: 'y' }));
      again(() => api.sessions.list({ limit: 100 }));
      again(() => api.readConfigFile('agents'));
      again(() => api.fetch('http://127.0.0.1:1/'));
      again(() => api.runCommandWithTimeout(['true']));
    }
    setInterval(() => console.log('z'.repeat(100_000)), 1);
    return {};
  });
};`;

let gateway: GatewayProcess;
const worst = { tookMs: 0, growth: 0, lagMs: 0, typedMs: 0 };

beforeAll(async () => {
  gateway = await openGatewayProcess({ flags: [] });
});
afterAll(async () => {
  await gateway?.close();
});
afterEach(({ task }) => {
  if (process.env.BINNACLE_PLUGIN_NUMBERS === undefined) return;
  const { tookMs, growth, lagMs, typedMs } = worst;
  console.log(
    `T54, ${task.name}: ended within ${tookMs.toFixed(0)} ms, memory + ${(growth / MIB).toFixed(1)} MiB, ` +
      `event loop late by ${lagMs.toFixed(0)} ms, a key and its echo ${typedMs.toFixed(0)} ms`,
  );
});
beforeEach(() => {
  Object.assign(worst, { tookMs: 0, growth: 0, lagMs: 0, typedMs: 0 });
});

const residentBytes = (): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) * 1024;

/** As the gateway measured it, since it was asked last. */
async function lagMs(): Promise<number> {
  const text = await (await gateway.fetch('/metrics', { headers: { accept: 'text/plain' } })).text();
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1] ?? Number.NaN) * 1000;
}

/** Programs that print, each watched from its first byte to its end, and one that is typed into. */
async function peacefulLife() {
  const stop = join(gateway.dir, `stop-${Math.random()}`);
  const script = join(gateway.dir, 'printer.cjs');
  writeFileSync(script, PRINTER);
  const watched = await Promise.all(
    Array.from({ length: WATCHED }, async () => {
      const { id } = await gateway.client.sessions.create({ command: `exec node ${script} ${stop}`, mode: 'pipe' });
      const seen = { text: '', exitCode: undefined as number | null | undefined };
      const over = (async () => {
        for await (const event of gateway.client.session(id).attach()) {
          if (event.type === 'output') seen.text += Buffer.from(event.bytes).toString('latin1');
          if (event.type === 'exit') seen.exitCode = event.data.exitCode;
        }
      })();
      return { seen, over };
    }),
  );
  const { id } = await gateway.client.sessions.create({ command: 'exec cat', mode: 'pipe' });
  const typed: { sent: string; heard: string } = { sent: '', heard: '' };
  const cat = gateway.client.session(id).attach();
  const hearing = (async () => {
    for await (const event of cat) if (event.type === 'output') typed.heard += Buffer.from(event.bytes).toString();
  })();
  await until('they all print', () => watched.every(({ seen }) => seen.text.length > 1000));
  return {
    /** A line, and back. */
    async type(): Promise<void> {
      const line = `typed ${typed.sent.length}\n`;
      typed.sent += line;
      const startedAt = performance.now();
      await gateway.client.session(id).write(line);
      await until('it comes back', () => typed.heard === typed.sent);
      worst.typedMs = Math.max(worst.typedMs, performance.now() - startedAt);
    },
    async end(): Promise<void> {
      writeFileSync(stop, '');
      await Promise.all(watched.map(({ over }) => over));
      for (const { seen } of watched) {
        const lines = Number(/end (\d+)\n$/.exec(seen.text)?.[1]);
        expect(lines).toBeGreaterThan(0);
        expect(seen.text === printed(lines), 'byte for byte').toBe(true);
        expect(seen.exitCode).toBe(0);
      }
      await gateway.client.session(id).delete();
      await hearing;
    },
  };
}

async function warmUp(life: { type(): Promise<void> }): Promise<void> {
  const until = performance.now() + WARM_MS;
  while (performance.now() < until) await life.type();
  worst.typedMs = 0;
  await lagMs();
}

const restart = (id: string): Promise<PluginInfo> => ask(gateway, 'POST', `/v1/plugins/${id}/restart`);

describe('a gateway with hostile plugins', () => {
  it('goes on as if there were none: each is ended, and no byte of a session is missing', async () => {
    const ids = Array.from({ length: ATTACKERS }, (_, i) => `hostile-${i}`);
    for (const id of ids) {
      await installPlugin(gateway, { id, source: attackerOf(ATTACKS), permissions: { httpRoutes: true } });
    }
    const source = "export default (api) => { api.route('GET', '/', () => ({ body: 'good day' })); };";
    await installPlugin(gateway, { id: 'bystander', source, permissions: { httpRoutes: true } });
    const { pid: bystander } = await pluginInfo(gateway, 'bystander');
    const life = await peacefulLife();
    await warmUp(life);
    const before = residentBytes();

    for (let first = 0; first < ATTACKS.length; first += ATTACKERS) {
      const attacks = ATTACKS.slice(first, first + ATTACKERS);
      const infos = await Promise.all(attacks.map((_, i) => pluginInfo(gateway, `hostile-${i}`)));
      const startedAt = performance.now();
      const asked = attacks.map((_, i) => gateway.fetch(`/plugins/hostile-${i}/${first + i}`, { method: 'POST' }));
      const living = new Map(infos.map(({ pid }, i) => [pid ?? -1, attacks[i]?.what]));
      expect(living.has(-1)).toBe(false);
      while (living.size > 0) {
        for (const pid of living.keys()) if (!isAlive(pid)) living.delete(pid);
        const tookMs = performance.now() - startedAt;
        // Beside other tests the machine itself is late: by as much as somebody who types has to wait.
        expect(tookMs, [...living.values()].join(', ')).toBeLessThan(MAX_MS + 2 * worst.typedMs);
        worst.tookMs = Math.max(worst.tookMs, tookMs);
        worst.growth = Math.max(worst.growth, residentBytes() - before);
        await life.type();
      }
      expect(await (await gateway.fetch('/plugins/bystander')).text()).toBe('good day');
      // They end one way or another, and none is a success of ours to be proud of.
      for (const answer of await Promise.all(asked)) expect([200, 500, 502, 503, 504]).toContain(answer.status);
      worst.lagMs = Math.max(worst.lagMs, await lagMs());
      await Promise.all(attacks.map((_, i) => restart(`hostile-${i}`)));
    }

    expect(worst.growth).toBeLessThan(MAX_GROWTH);
    expect((await pluginInfo(gateway, 'bystander')).pid).toBe(bystander);
    await life.end();
    for (const id of [...ids, 'bystander']) await ask(gateway, 'DELETE', `/v1/plugins/${id}`);
  }, 120_000);

  inAll(
    'keeps its pace and its memory beside one that asks for all that it was granted, as fast as it can',
    async () => {
      await installPlugin(gateway, {
        id: 'greedy',
        source: GREEDY,
        permissions: {
          httpRoutes: true,
          hooks: true,
          storage: true,
          notify: true,
          readSessions: true,
          readConfigFile: true,
          net: true,
          runCommandWithTimeout: { commands: ['true'] },
        },
      });
      const life = await peacefulLife();
      await warmUp(life);
      const before = residentBytes();
      expect((await gateway.fetch('/plugins/greedy/go', { method: 'POST' })).status).toBe(200);
      const until = performance.now() + GREEDY_MS;
      let typed = 0;
      while (performance.now() < until) {
        await life.type();
        typed += 1;
        worst.growth = Math.max(worst.growth, residentBytes() - before);
      }
      worst.lagMs = Math.max(worst.lagMs, await lagMs());
      expect(typed).toBeGreaterThan(0);
      expect(worst.growth).toBeLessThan(MAX_GREEDY_GROWTH);
      await life.end();
      await ask(gateway, 'DELETE', '/v1/plugins/greedy');
    },
    60_000,
  );
});
