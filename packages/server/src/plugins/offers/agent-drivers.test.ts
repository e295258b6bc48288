// Reports of a plugin about a turn: whose turn, when, and that nothing else is accepted.

import { describe, expect, test } from 'vitest';
import { Effects } from '../../conversations/agents/effects.ts';
import type { AgentSettings, LocalTurn } from '../../conversations/drivers/driver.ts';
import { gateOf, refusalOf } from '../grant/gate.fixture.ts';
import { AgentDrivers } from './agent-drivers.ts';
import type { OfferInForce, OfferKind, Offers } from './offers.ts';

/** Two plugins with a driver each; their turns end on request. */
function world() {
  const begun: { turn: string; history: unknown[]; text: string; agent: object }[] = [];
  const others: { method: string; params: unknown }[] = [];
  const ends: ((answer: unknown) => void)[] = [];
  const offered = (plugin: string): OfferInForce => ({
    plugin,
    offer: { kind: 'driver', name: 'bot' },
    invoke: (params) => {
      begun.push(params as (typeof begun)[number]);
      return new Promise((resolve) => ends.push(resolve));
    },
    invokeOther: async (method, params) => void others.push({ method, params }),
    note: () => undefined,
  });
  const offers = {
    inForce: (kind: OfferKind) => (kind === 'driver' ? [offered('one'), offered('two')] : []),
    onChange: () => () => undefined,
  } as Offers;
  const drivers = new AgentDrivers(offers);
  const outputs: unknown[] = [];
  const out = new Effects(() => outputs.push(...out.take()));
  const report = (params: unknown, plugin = 'one', grants: object = { agentDrivers: true }) => {
    const caller = { plugin, gate: gateOf(grants, plugin).gate, signal: new AbortController().signal };
    return drivers.powers.turn?.(params, caller);
  };
  const begin = (turn: Partial<LocalTurn> = {}, signal = new AbortController().signal) =>
    drivers.driverOf('one/bot').run(
      { id: 'helper', driver: 'one/bot', env: { SECRET: 'x' }, apiKeyEnv: 'KEY', model: 'm' } as AgentSettings,
      {
        ...{ id: 'm1', text: 'hello', history: [], by: { user: 'ann', name: 'ann' }, answerOf: async () => '' },
        tools: { list: () => [], call: async () => '' },
        ...turn,
      },
      out,
      signal,
    );
  return { begun, others, ends, outputs, report, begin, drivers, late: () => drivers.lateEffects };
}

const delta = { kind: 'delta', text: 'x', stream: 'said' };

describe('a report about a turn', () => {
  test('counts while it is under way, for the plugin and the driver that have it', async () => {
    const { begun, ends, outputs, report, begin, late } = world();
    const done = begin();
    const { turn } = begun[0] ?? { turn: '' };
    expect(report({ driver: 'bot', turn, effects: [delta] })).toBe(null);
    expect(outputs).toEqual([{ kind: 'delta', text: 'x', stream: 'said' }]);
    expect(refusalOf(() => report({ driver: 'bot', turn, effects: [delta] }, 'two')).code).toBe('run_not_found');
    expect(refusalOf(() => report({ driver: 'other', turn, effects: [delta] })).code).toBe('run_not_found');
    expect(refusalOf(() => report({ driver: 'bot', turn, effects: [delta] }, 'one', {})).code).toBe(
      'permission_denied',
    );
    ends[0]?.('the whole');
    await done;
    expect(outputs.at(-1)).toEqual({ kind: 'ended', end: { kind: 'done', text: 'the whole' } });
    expect(refusalOf(() => report({ driver: 'bot', turn, effects: [delta, delta] })).code).toBe('run_not_found');
    expect(late()).toBe(4);
    expect(outputs).toHaveLength(2);
  });

  test.each([
    null,
    [],
    { driver: 'bot', turn: 'm1', effects: [] },
    { driver: 'bot', effects: [delta] },
    { driver: 'bot', turn: '$', effects: [{ ...delta, more: 1 }] },
    { driver: 'bot', turn: '$', effects: [{ ...delta, stream: 'loud' }] },
    { driver: 'bot', turn: '$', effects: [{ kind: 'ended', end: { kind: 'done' } }] },
    { driver: 'bot', turn: '$', effects: [{ kind: 'approval', asked: {} }] },
    { driver: 'bot', turn: '$', effects: [{ kind: 'tool', call: { id: '', title: 't', status: 'done' } }] },
    {
      driver: 'bot',
      turn: '$',
      effects: [{ kind: 'tool', call: { id: 't', title: 't', status: 'done', session: 's' } }],
    },
    { driver: 'bot', turn: '$', effects: Array.from({ length: 101 }, () => delta) },
  ])('is refused where it is none: %j', (params) => {
    const { begun, outputs, report, begin } = world();
    void begin();
    const addressed = JSON.parse(JSON.stringify(params).replace('"$"', JSON.stringify(begun[0]?.turn))) as unknown;
    expect(refusalOf(() => report(addressed)).code).toBe('bad_request');
    expect(outputs).toEqual([]);
  });

  test('is not looked at where it is not granted, and counted before it is', () => {
    const { report } = world();
    const effects = new Array(20_000).fill({ kind: 'delta' });
    expect(refusalOf(() => report({ driver: 'bot', turn: 'none', effects }, 'one', {})).code).toBe('permission_denied');
    expect(refusalOf(() => report({ driver: 'bot', turn: 'none', effects }, 'one', {})).details).toMatchObject({
      value: { names: ['bot'] },
    });
    const turn = '00000000-0000-4000-8000-000000000000';
    expect(refusalOf(() => report({ driver: 'bot', turn, effects })).message).toContain('Too big');
  });

  test('that is aborted is nothing, from that moment on', async () => {
    const { begun, others, outputs, report, begin, late } = world();
    const abort = new AbortController();
    const done = begin({}, abort.signal);
    const { turn } = begun[0] ?? { turn: '' };
    abort.abort();
    expect(refusalOf(() => report({ driver: 'bot', turn, effects: [delta] })).code).toBe('run_not_found');
    await expect(done).rejects.toThrow();
    expect(others).toEqual([{ method: 'driver-abort:bot', params: { turn } }]);
    expect([outputs, late()]).toEqual([[], 1]);
  });
});

describe('what a plugin is told', () => {
  test('is the newest of the history that fits into a call, and none of the secrets of the agent', () => {
    const { begun, begin } = world();
    const long = (n: number) => ({ role: 'user' as const, text: `${n} ${'\u0001'.repeat(50_000)}` });
    void begin({ history: Array.from({ length: 20 }, (_, n) => long(n)) });
    const [params] = begun;
    expect(Buffer.byteLength(JSON.stringify(params))).toBeLessThan(1024 * 1024 - 1024);
    expect(params?.history).toHaveLength(3);
    expect(params?.history.at(-1)).toEqual(long(19));
    expect(params?.agent).toEqual({ id: 'helper', model: 'm' });
    expect(JSON.stringify(params)).not.toMatch(/SECRET|KEY/);
  });
});
