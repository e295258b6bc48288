// Agents whose driver is a plugin: their turns, aborted and cut off in every way.

import { isEndEvent } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Core } from '../conversations/core.fixture.ts';
import { inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { openPluginCore, type PluginCore } from './conversation-plugins.fixture.ts';
import { grant } from './installed.fixture.ts';

const config = {
  agents: {
    entries: {
      main: { driver: 'echo', default: true },
      bot: { driver: 'bots/bot', model: 'm-1', instructions: 'Be brief.' },
      nobody: { driver: 'absent/driver' },
      other: { driver: 'bots/other' },
    },
  },
};

/** Begins as the message says. `turn` is a call of the wire that the types of the API do not have. */
const BOTS = `
  api.driver({ name: 'bot', run: async (turn, out) => {
    const { signal, ...rest } = turn;
    told.push({ on: 'turn', event: { ...rest, text: rest.text.slice(0, 100), history: rest.history.length, chars: JSON.stringify(rest.history).length } });
    signal.addEventListener('abort', () => told.push({ on: 'abort', event: turn.id }));
    const [word, ...words] = turn.text.split(' ');
    if (word === 'stream') {
      out.delta('thinking', 'thought');
      out.delta('one ');
      out.tool({ id: 't1', title: 'look', status: 'running' });
      out.tool({ id: 't1', title: 'look', status: 'done', output: 'seen' });
      out.delta('two');
      return;
    }
    if (word === 'hold') {
      out.delta('before ');
      await gate(words[0]);
      out.delta('after');
      told.push({ on: 'went-on', event: turn.id });
      return;
    }
    if (word === 'whole') { out.delta('wrong'); return 'right'; }
    if (word === 'throw') { out.delta('half'); throw new Error('out of order'); }
    if (word === 'die') { out.delta('half'); setImmediate(() => { throw new Error('died'); }); await new Promise(() => {}); }
    if (word === 'rubbish') return { text: 'no' };
    if (word === 'flood') { for (let i = 0; i < 1000; i += 1) out.delta('x'.repeat(1000)); return; }
    return 'you said ' + turn.text;
  } });
  api.driver({ name: 'other', run: () => 'other' });
`;

let plugins: PluginCore;
let core: Core;
beforeAll(async () => {
  plugins = await openPluginCore(config);
  core = plugins.core;
  await plugins.install('bots', BOTS, { agentDrivers: true });
});
afterAll(() => plugins.close());

const isTold = (on: string, count = 1) =>
  until(`${on} is told`, async () => (await plugins.told('bots', on)).length >= count);

describe('a turn of an agent that a plugin drives', () => {
  test('is told as it goes, and its end is its whole', async () => {
    const key = await core.make('bot');
    await core.send(key, 'm1', 'stream');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'one two' });
    const { events } = await core.log(key);
    expect(events.flatMap((event) => (event.type === 'tool' ? [event.tool] : []))).toMatchObject([
      { id: 't1', title: 'look', status: 'running', kind: 'other' },
      { id: 't1', status: 'done', output: 'seen' },
    ]);
    expect(events.some((event) => event.type === 'delta' && event.stream === 'thought')).toBe(true);
    expect((await plugins.told('bots', 'turn')).at(-1)?.event).toMatchObject({
      text: 'stream',
      by: expect.any(String),
      history: 0,
      agent: { id: 'bot', model: 'm-1', instructions: 'Be brief.' },
    });
    await core.send(key, 'm2', 'whole');
    expect((await core.end(key, 'm2')).text).toBe('right');
    expect((await plugins.told('bots', 'turn')).at(-1)?.event.history).toBe(2);
  });

  test('that is aborted is over at once, and what comes for it later is dropped and counted', async () => {
    const key = await core.make('bot');
    await core.send(key, 'm1', 'hold late');
    await core.said(key, 'before');
    const before = await core.metric('binnacle_late_events_total').catch(() => -1);
    await core.abort(key, 'm1');
    await isTold('abort');
    await core.send(key, 'm2', 'hello');
    expect((await core.end(key, 'm2')).text).toBe('you said hello');
    await plugins.open('bots', 'late');
    await isTold('went-on');
    expect(await core.run(key, 'm1')).toMatchObject({ state: 'aborted', text: 'before ' });
    const { events } = await core.log(key);
    expect(events.filter((event) => isEndEvent(event) && event.run === 'm1')).toHaveLength(1);
    if (before >= 0) {
      await until('it is counted', async () => (await core.metric('binnacle_late_events_total')) > before);
    }
  });

  test.each([
    { text: 'throw', code: 'plugin_failed', said: 'half' },
    { text: 'die', code: 'plugin_stopped', said: 'half' },
    { text: 'rubbish', code: 'plugin_failed', said: '' },
  ])('that goes wrong is an error, with what was said: $text', async ({ text, code, said }) => {
    await plugins.runs('bots');
    const key = await core.make('bot');
    await core.send(key, 'm1', text);
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'error', text: said, end: { error: { code } } });
  });

  test('that says more than fits ends, and the next one begins', async () => {
    await plugins.runs('bots');
    const key = await core.make('bot');
    await core.send(key, 'm1', 'flood');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'error' });
    await core.send(key, 'm2', 'hello');
    expect((await core.end(key, 'm2')).text).toBe('you said hello');
  });

  test('gets as much of what was said as fits into a call: the newest', async () => {
    await plugins.runs('bots');
    const key = await core.make('bot');
    const long = 'y'.repeat(200 * 1024);
    for (let i = 0; i < 4; i += 1) {
      await core.send(key, `m${i}`, long);
      expect((await core.end(key, `m${i}`)).state).toBe('final');
    }
    const { history, chars } = (await plugins.told('bots', 'turn')).at(-1)?.event ?? {};
    expect(history).toBeLessThan(6);
    expect(history).toBeGreaterThan(1);
    expect(chars).toBeLessThan(1024 * 1024);
  });

  inAll('ends with the gateway, and says so', async () => {
    await plugins.runs('bots');
    const key = await core.make('bot');
    await core.send(key, 'm1', 'hold never');
    await core.said(key, 'before');
    await core.send(key, 'm2', 'hello');
    await core.kill();
    await core.start();
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'error', end: { error: { code: 'agent_lost' } } });
    // It waited until its driver was there.
    expect((await core.end(key, 'm2')).text).toBe('you said hello');
  });
});

describe('a driver that is not in force', () => {
  test.each(['nobody', 'other'])('is no fault of the config file: a run of %s fails, and says why', async (agent) => {
    await plugins.runs('bots');
    await grant(plugins.gateway, 'bots', 'agentDrivers', { names: ['bot'] });
    const key = await core.make(agent);
    await core.send(key, 'm1', 'hello');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'error', end: { error: { code: 'unknown_driver' } } });
    await grant(plugins.gateway, 'bots', 'agentDrivers', true);
    if (agent === 'nobody') return;
    await core.send(key, 'm2', 'hello');
    expect((await core.end(key, 'm2')).text).toBe('other');
  });
});
