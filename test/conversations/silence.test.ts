// A turn in which nothing happens: who looks and who does not is told, and it does not hold its conversation for ever.

import { join } from 'node:path';
import type { ConversationEvent } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeService } from '../../packages/server/src/notifications/push-service.fixture.ts';
import { inAll, isAll } from '../support/count.ts';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { AGENTS, type Core, openCore, openCoreHere } from './core.fixture.ts';

const TIMES = { sayMs: 200, notifyMs: 600 };
const LIMIT_MS = 1200;
const acp = (silenceMs: number) => ({ ...AGENTS.acp, silenceMs });

let core: Core | Core<Gateway>;
let service: FakeService;
beforeAll(async () => {
  service = await FakeService.open();
  const mute = { driver: 'acp', command: ['sleep', '100'], silenceMs: LIMIT_MS };
  const entries = { quick: acp(LIMIT_MS), slow: acp(2000), patient: { ...AGENTS.shell, silenceMs: 60_000 }, mute };
  const options = { silenceTimes: TIMES, agentGraceMs: 200, waitTimes: { settleMs: 20, restMs: 20 } };
  const notify = { webhooks: [{ url: `${service.origin}/hook`, done: false, details: true }] };
  core = await (isAll ? openCore : openCoreHere)(options, { agents: { entries }, notify });
});
afterAll(async () => {
  await core.close();
  await service.close();
});

/** Begins a conversation whose process has started: the time for a start depends on the machine. */
async function begun(agent: string): Promise<string> {
  const key = await core.make(agent);
  await core.send(key, 'm0', 'say on');
  await core.end(key, 'm0');
  return key;
}

type Silent = Extract<ConversationEvent, { type: 'silent' }>;
const isSilent = (event: ConversationEvent): event is Silent => event.type === 'silent' && event.run !== 'm0';
const silences = async (key: string): Promise<Silent[]> => (await core.log(key)).events.filter(isSilent);

/** Returns the silences behind the last word: a busy machine may be silent before that word, too. */
async function lastSilence(key: string): Promise<Silent[]> {
  const events = (await core.log(key)).events.filter((event) => 'run' in event && event.run === 'm1');
  return events.slice(events.findLastIndex(({ type }) => type === 'delta')).filter(isSilent);
}

describe('a turn in which nothing is said and no tool runs', () => {
  test('is told to wait for the model, then to be silent for long, and ends; what waits behind it is next', async () => {
    const key = await begun('quick');
    await core.send(key, 'm1', 'say on\nhang');
    await core.send(key, 'm2', 'say off');
    const end = await core.end(key, 'm1');
    expect(end).toMatchObject({ state: 'error', text: 'on', end: { error: { code: 'agent_silent' } } });
    expect(JSON.stringify(end.end)).toContain('agents.entries.quick.silenceMs');
    const told = await lastSilence(key);
    expect(told.map(({ run, isLong = false, waitsFor }) => [run, isLong, waitsFor.kind])).toEqual([
      ['m1', false, 'model'],
      ['m1', true, 'model'],
    ]);
    expect(told[0]?.silentMs).toBeGreaterThanOrEqual(TIMES.sayMs);
    expect((end.endedAt ?? 0) - (end.startedAt ?? 0)).toBeGreaterThanOrEqual(LIMIT_MS);
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'off' });
  });

  test('before the agent has taken the message waits for its start', async () => {
    const key = await core.make('mute');
    await core.send(key, 'm1', 'hello');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'error', end: { error: { code: 'agent_silent' } } });
    expect((await silences(key)).map(({ waitsFor }) => waitsFor.kind)).toEqual(['start', 'start']);
  });

  test('is shown to who comes later, until the agent says something', async () => {
    const key = await core.make('patient');
    const gate = join(core.dir, 'gate');
    await core.send(
      key,
      'm1',
      `while [ ! -e ${gate} ]; do sleep 0.02; done; echo on; while [ ! -e ${gate}2 ]; do sleep 0.02; done`,
    );
    await until('it is silent for long', async () => (await core.info(key)).run?.silence?.isLong === true);
    await core.ask('/v1/sessions', { body: { argv: ['touch', gate] } });
    await core.said(key, 'on');
    const news = () =>
      service.at('/hook').flatMap(({ body }) => {
        const { type, data } = JSON.parse(body.toString()) as { type: string; data: Record<string, string> };
        return data.conversation === key ? [`${type} ${data.state} ${data.text}`] : [];
      });
    await until('people are told', () => news().length > 0);
    expect(news()).toEqual(['waiting silent Has said nothing for a while: waits for the model']);
    // The next silence begins, and is told anew.
    await until('it is silent again', async () => (await silences(key)).length === 4);
    await core.ask('/v1/sessions', { body: { argv: ['touch', `${gate}2`] } });
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'on' });
    expect((await core.info(key)).run).toBeNull();
  });

  inAll('has its limit also where the gateway is killed meanwhile: the time counts on', async () => {
    const key = await begun('slow');
    await core.send(key, 'm1', 'say on\nhang');
    await until('it is silent for long', async () => (await lastSilence(key)).at(-1)?.isLong === true);
    const since = (await core.run(key, 'm1')).startedAt ?? 0;
    await core.kill();
    await until('its time is over', () => Date.now() - since > 2000);
    await core.start();
    const returned = Date.now();
    const end = await core.end(key, 'm1');
    expect(end).toMatchObject({ state: 'error', text: 'on', end: { error: { code: 'agent_silent' } } });
    // A silence that began again would last 2 s.
    expect((end.endedAt ?? 0) - returned).toBeLessThan(1400);
    // The same silence is told once.
    expect(await lastSilence(key)).toHaveLength(2);
  });
});

describe('it is no silence', () => {
  test('while a tool runs: its name is told, and nothing else is done', async () => {
    const key = await begun('quick');
    await core.send(key, 'm1', 'term sleep 1.8; echo slept');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'slept [0]' });
    const told = await silences(key);
    // The steps before the tool may take their time on a busy machine.
    expect(told.filter(({ waitsFor }) => waitsFor.kind === 'tool')).toMatchObject([
      { waitsFor: { title: 'sleep 1.8; echo slept' } },
    ]);
    expect(told.filter(({ isLong }) => isLong === true)).toEqual([]);
  });

  inAll('while an approval waits for a person, or a message for its turn', async () => {
    const key = await begun('quick');
    await core.send(key, 'm1', 'ask rm');
    await core.send(key, 'm2', 'say on');
    await until('it asks', async () => (await core.info(key)).approvals.length === 1);
    const [approval] = (await core.info(key)).approvals;
    const asked = Date.now();
    await until('longer than the limit', () => Date.now() - asked > 1.5 * LIMIT_MS);
    await core.must(200, `/v1/conversations/${encodeURIComponent(key)}/approvals/${approval?.id}`, {
      body: { option: 'yes' },
    });
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'yes' });
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'on' });
    const { events } = await core.log(key);
    const asks = events.slice(
      events.findIndex(({ type }) => type === 'approval'),
      events.findIndex(({ type }) => type === 'approval_answered'),
    );
    expect(asks.filter(isSilent)).toEqual([]);
    expect(asks.length).toBeGreaterThan(0);
  });
});
