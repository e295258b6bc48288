// Jobs of real plugin processes, on a clock that the test turns.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Log } from '../../packages/server/src/base/logger.ts';
import { Jobs } from '../../packages/server/src/plugins/offers/jobs.ts';
import type { Offer, Offers } from '../../packages/server/src/plugins/offers/offers.ts';
import { methodOf, OffersShape } from '../../packages/server/src/plugins/offers/offers.ts';
import { until } from '../support/until.ts';
import { Plugins } from './plugin.fixture.ts';

const MINUTE = 60_000;
let plugins: Plugins;
beforeAll(() => {
  plugins = new Plugins();
});
afterAll(() => plugins.close());

test('a job of a process is run at its times, also by the process that comes after one that died in it', async () => {
  let offers: Offer[] = [];
  const listeners = new Set<() => void>();
  const { host, output, stops } = await plugins.host({
    id: 'clockwork',
    source: `export default (api) => {
      api.schedule({ name: 'tick', everyMs: 60000, run: () => console.log('tick') });
      api.schedule({ name: 'die', everyMs: 180000, run: () => { console.log('dies'); process.exit(3); } });
    };`,
    ready: (_methods, given) => {
      offers = OffersShape.parse(given);
      for (const listener of listeners) listener();
    },
  });
  let now = 0;
  /** Calls under way: a job whose last call is under way is not called. */
  let calls = 0;
  const timers = new Map<object, { at: number; call: () => void }>();
  const clock = {
    now: () => now,
    after: (ms: number, call: () => void) => {
      const key = {};
      timers.set(key, { at: now + ms, call });
      return () => timers.delete(key);
    },
  };
  const pass = (ms: number): void => {
    now += ms;
    for (const [key, { at, call }] of [...timers]) if (at <= now && timers.delete(key)) call();
  };
  const all: Offers = {
    inForce: ((kind: string) =>
      offers
        .filter((offer) => offer.kind === kind)
        .map((offer) => ({
          plugin: 'clockwork',
          offer,
          invoke: (params: unknown, ms: number) => {
            calls += 1;
            return host.invoke(methodOf(offer), params, ms).finally(() => {
              calls -= 1;
            });
          },
          invokeOther: () => Promise.reject(new Error('none')),
          note: () => undefined,
        }))) as unknown as Offers['inForce'],
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const warned: { job?: string }[] = [];
  const jobs = new Jobs(all, { warn: (facts: object) => warned.push(facts) } as unknown as Log, clock);
  await host.start();
  const count = (word: string): number => output.filter((line) => line === `stdout: ${word}`).length;
  pass(MINUTE);
  await until('it ticks', () => count('tick') === 1 && calls === 0);
  pass(MINUTE);
  await until('it ticks again', () => count('tick') === 2 && calls === 0);
  pass(MINUTE);
  await until('it has died', () => stops.length === 1);
  await until('that was told', () => warned.some(({ job }) => job === 'die'));
  await until('it is back', () => host.facts.state === 'running' && calls === 0);
  const before = count('tick');
  pass(MINUTE - 1);
  expect(count('tick')).toBe(before);
  pass(1);
  await until('it ticks in the new process', () => count('tick') === before + 1);
  expect(count('dies')).toBe(1);
  jobs.stop();
  expect(timers.size).toBe(0);
});

test('a job that takes longer than it is waited for is not begun beside itself', async () => {
  const { host, output } = await plugins.host({
    source: `export default (api) => {
      let letGo;
      api.schedule({ name: 'long', everyMs: 60000, run: () => {
        console.log('long');
        return new Promise((go) => { letGo = go; });
      } });
      api.handle('let-go', () => letGo());
    };`,
  });
  await host.start();
  const begun = (): number => output.filter((line) => line === 'stdout: long').length;
  const first = host.invoke('job:long', {}, 10_000);
  await until('it has begun', () => begun() === 1);
  const second = host.invoke('job:long', {}, 10_000);
  await host.invoke('let-go', {}, 10_000);
  await Promise.all([first, second]);
  expect(begun()).toBe(1);
  const third = host.invoke('job:long', {}, 10_000);
  await until('it is begun anew', () => begun() === 2);
  await host.invoke('let-go', {}, 10_000);
  await third;
});
