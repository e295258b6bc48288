import { BinnacleError } from '@binnacle/protocol';
import { describe, expect, test } from 'vitest';
import type { Log } from '../../base/logger.ts';
import { Hooks } from './hooks.ts';
import { LogThrottle } from './log-throttle.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

/** One hook before input, that answers so. */
function hooksOf(answer: () => Promise<unknown>, onFailure: 'open' | 'closed' = 'open', plugins = ['chatty']) {
  const lines: string[] = [];
  const log = { warn: (facts: object, text: string) => void lines.push(JSON.stringify({ ...facts, text })) };
  const hook = (plugin: string): OfferInForce<OfferOf<'hook'>> => ({
    plugin,
    offer: { kind: 'hook', on: 'beforeInput', onFailure, deadlineMs: 1000 },
    invoke: answer,
    invokeOther: answer,
    note: () => undefined,
  });
  const offers = { inForce: () => plugins.map(hook), onChange: () => () => undefined } as unknown as Offers;
  return { hooks: new Hooks(offers, log as unknown as Log), lines };
}
const odd = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}`, 'x'.repeat(100)]));

describe('a hook that answers with what is no verdict', () => {
  test.each<[string, unknown]>([
    ['thousands of keys', odd],
    ['a list', new Array(5000).fill([])],
    ['a veto without words', { veto: 7 }],
    ['a veto and more', { veto: 'no', more: 'x'.repeat(100_000) }],
  ])('of %s: one short line of our log, however often', async (_, answer) => {
    const { hooks, lines } = hooksOf(async () => answer);
    for (let i = 0; i < 100; i++) await hooks.request('beforeInput', {});
    for (let i = 0; i < 100; i++) hooks.notify('afterInput', {});
    expect(lines.length).toBe(1);
    expect(lines[0]?.length).toBeLessThan(1500);
  });

  test('fails closed with a reason that a person can read', async () => {
    const { hooks } = hooksOf(async () => odd, 'closed');
    const veto: unknown = await hooks.request('beforeInput', {}).catch((error: unknown) => error);
    expect(veto).toMatchObject({ code: 'vetoed' });
    expect((veto as BinnacleError).message.length).toBeLessThan(1500);
  });

  test('does not keep another plugin’s failure out of the log', async () => {
    const { hooks, lines } = hooksOf(() => Promise.reject(new Error('x'.repeat(100_000))), 'open', ['a', 'b']);
    await hooks.request('beforeInput', {});
    expect(lines.map((line) => JSON.parse(line).plugin)).toEqual(['a', 'b']);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(5000);
  });

  test('has the words of its failure cut in our log', async () => {
    const failure = new BinnacleError('plugin_failed', { message: `chatty: ${'x'.repeat(4000)}` });
    const { hooks, lines } = hooksOf(() => Promise.reject(failure));
    await hooks.request('beforeInput', {});
    expect(lines[0]?.length).toBeLessThan(1500);
  });
});

test('what is told seldom says how much was left out', () => {
  let now = 0;
  const throttle = new LogThrottle(() => now);
  expect([throttle.admit('a'), throttle.admit('a'), throttle.admit('a'), throttle.admit('b')]).toEqual([
    0,
    undefined,
    undefined,
    0,
  ]);
  now = 10_000;
  expect([throttle.admit('a'), throttle.admit('a'), throttle.admit('b')]).toEqual([2, undefined, 0]);
});
