// Commands of plugins in conversations: a run of their own, which the agent hears nothing of.

import type { CommandInfo } from '@binnacle/protocol';
import { isEndEvent } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENTS, type Core } from '../conversations/core.fixture.ts';
import { until } from '../support/until.ts';
import { openPluginCore, type PluginCore } from './conversation-plugins.fixture.ts';
import { grant } from './installed.fixture.ts';

const config = { agents: { entries: { ...AGENTS, memory: { driver: 'tools/memory' } } } };

const TOOLS = `
  const command = (name, run) => api.command({ name, description: 'Does ' + name + '.', run: (call) => {
    told.push({ on: name, event: call });
    return run(call);
  } });
  command('deploy', ({ args, by }) => 'deployed ' + args + ' for ' + by);
  command('stop', () => 'never');
  command('help', () => 'help of a plugin');
  command('wait', async ({ args }) => { await gate(args); return 'waited for ' + args; });
  command('throw', () => { throw new Error('no \\u001b[31mway'); });
  command('die', () => { setImmediate(() => { throw new Error('died'); }); return new Promise(() => {}); });
  command('big', () => 'x'.repeat(64 * 1024 + 1));
  command('large', () => 'é'.repeat(32 * 1024));
  command('rubbish', () => ({ text: 'no' }));
  api.hook('beforeRun', (event) => { told.push({ on: 'beforeRun', event }); });
  api.hook('afterRun', (event) => { told.push({ on: 'afterRun', event }); });
  api.driver({ name: 'memory', run: ({ text, history }) => text + JSON.stringify(history.map((one) => one.text)) });
`;

let plugins: PluginCore;
let core: Core;
beforeAll(async () => {
  plugins = await openPluginCore(config);
  core = plugins.core;
  await plugins.install('tools', TOOLS, { commands: true, hooks: true, agentDrivers: true });
});
afterAll(() => plugins.close());

const called = (name: string, args: string) =>
  until(`/${name} ${args} is called`, async () =>
    (await plugins.told('tools', name)).some(({ event }) => event.args === args),
  );

describe('a message that begins with the name of a command', () => {
  test('goes to the plugin, which answers in a run of its own', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', '/deploy  web now\nplease ');
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'final', command: { plugin: 'tools', name: 'deploy' } });
    expect(run.text).toBe(`deployed web now\nplease for ${run.by.name}`);
    expect((await plugins.told('tools', 'deploy')).at(-1)?.event).toEqual({
      args: 'web now\nplease',
      conversation: key,
      by: run.by.name,
    });
    expect((await core.history(key)).map(({ role, run: of }) => [role, of])).toEqual([
      ['user', 'm1'],
      ['assistant', 'm1'],
    ]);
    expect((await core.log(key)).events.filter(isEndEvent)).toHaveLength(1);
    // It was none of the agent's.
    const hooked = (await plugins.told('tools')).filter(
      ({ on, event }) => /Run/.test(on) && event.conversation === key,
    );
    expect(hooked).toEqual([]);
  });

  test.each(['/deployment x', '/Deploy x', ' /deploy x', '//deploy x', '/deploy-now', 'see /deploy'])(
    'and no other does: %j',
    async (text) => {
      const key = await core.make('main');
      await core.send(key, 'm1', text);
      const run = await core.end(key, 'm1');
      expect(run).toMatchObject({ state: 'final', text });
      expect(run.command).toBeUndefined();
    },
  );

  test('comes before what the agent makes of it, and behind the words that stop it', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', '/help');
    expect((await core.end(key, 'm1')).text).toBe('help of a plugin');
    const receipt = await core.send(key, 'm2', '/stop');
    expect(receipt).toMatchObject({ run: null, aborted: [] });
    expect(await plugins.told('tools', 'stop')).toEqual([]);
  });

  test('is listed, with all that are in force; without its grant it is for the agent', async () => {
    const list = async () =>
      (await core.must<{ readonly commands: readonly CommandInfo[] }>(200, '/v1/commands')).commands;
    expect(await list()).toContainEqual({ name: 'deploy', description: 'Does deploy.', plugin: 'tools' });
    await grant(plugins.gateway, 'tools', 'commands', { names: ['help'] });
    try {
      expect((await list()).map(({ name }) => name)).toEqual(['help']);
      const key = await core.make('main');
      await core.send(key, 'm1', '/deploy x');
      expect((await core.end(key, 'm1')).text).toBe('/deploy x');
    } finally {
      await grant(plugins.gateway, 'tools', 'commands', true);
    }
  });

  test('waits for its turn, and is aborted like any', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', '/wait one');
    await core.send(key, 'm2', '/wait two');
    await core.send(key, 'm3', '/deploy three');
    await called('wait', 'one');
    const info = await core.info(key);
    expect(info.run).toMatchObject({ id: 'm1', command: { name: 'wait' } });
    expect(info.queue.map(({ id }) => id)).toEqual(['m2', 'm3']);
    await plugins.open('tools', 'one');
    expect((await core.end(key, 'm1')).text).toBe('waited for one');
    await called('wait', 'two');
    await core.abort(key, 'm2');
    // The plugin goes on with it; nobody waits for that.
    expect((await core.end(key, 'm3')).text).toMatch(/^deployed three/);
    expect(await core.run(key, 'm2')).toMatchObject({ state: 'aborted', text: '', end: { via: 'run' } });
    await plugins.open('tools', 'two');
    await core.send(key, 'm4', '/wait four', { timeoutMs: 100 });
    expect(await core.end(key, 'm4')).toMatchObject({ state: 'aborted', end: { via: 'timeout' } });
    await core.send(key, 'm5', '/wait five');
    await called('wait', 'five');
    expect(await core.send(key, 'm6', 'stop')).toMatchObject({ aborted: ['m5'] });
    expect(await core.begun(key)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']);
  });

  test.each([
    { text: '/throw', code: 'plugin_failed', message: /^tools: / },
    { text: '/die', code: 'plugin_stopped', message: /tools/ },
    { text: '/big', code: 'plugin_failed', message: /64 KiB/ },
    { text: '/rubbish', code: 'plugin_failed', message: /no text/ },
  ])('$text ends as an error, once', async ({ text, code, message }) => {
    const key = await core.make('main');
    await plugins.runs('tools');
    await core.send(key, 'm1', text);
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'error', text: '', end: { error: { code } } });
    expect(run.end?.state === 'error' && run.end.error.message).toMatch(message);
    await plugins.runs('tools');
    await core.send(key, 'm2', 'on');
    expect((await core.end(key, 'm2')).text).toBe('on');
  });

  test('may have an answer of 64 KiB', async () => {
    const key = await core.make('main');
    await plugins.runs('tools');
    await core.send(key, 'm1', '/large');
    expect((await core.end(key, 'm1')).text).toHaveLength(32 * 1024);
  });
});

describe('the agent', () => {
  test('has the same process before and behind it, and is handed nothing of it', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'say one');
    await core.end(key, 'm1');
    await core.send(key, 'm2', '/deploy secret');
    expect((await core.end(key, 'm2')).text).toMatch(/^deployed secret/);
    await core.send(key, 'm3', 'recall');
    const { text } = await core.end(key, 'm3');
    expect(text).toContain('say one');
    expect(text).not.toContain('secret');
  });

  test('that gets what was said with each message is not told of it either', async () => {
    const key = await core.make('memory');
    await core.send(key, 'm1', 'one');
    await core.end(key, 'm1');
    await core.send(key, 'm2', '/deploy secret');
    await core.end(key, 'm2');
    await core.send(key, 'm3', 'two');
    expect((await core.end(key, 'm3')).text).toBe(`two${JSON.stringify(['one', 'one[]'])}`);
  });

  test('gets no command handed into its turn: that waits for its own', async () => {
    const key = await core.make('claude');
    await core.send(key, 'm1', 'wait');
    await core.said(key, 'wait');
    expect((await core.send(key, 'm2', '/deploy x', { steer: 'inject' })).message.steer).toBe('queue');
    await core.send(key, 'm3', 'done', { steer: 'inject' });
    expect((await core.end(key, 'm1')).text).toBe('wait\n\ndone');
    expect((await core.end(key, 'm2')).text).toMatch(/^deployed x/);
  });

  test('goes on behind a command that a gateway was killed in, which nobody runs twice', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'say one');
    await core.end(key, 'm1');
    await core.send(key, 'm2', '/wait kill');
    await core.send(key, 'm3', 'recall');
    await core.send(key, 'm4', '/deploy last');
    await called('wait', 'kill');
    await core.kill();
    await core.start();
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'error', end: { error: { code: 'agent_lost' } } });
    expect(await core.end(key, 'm3')).toMatchObject({ state: 'final' });
    // The message waited for its plugin, too.
    expect((await core.end(key, 'm4')).text).toMatch(/^deployed last/);
    expect(await plugins.told('tools', 'wait')).toEqual([]);
    expect(await core.begun(key)).toEqual(['m1', 'm2', 'm3', 'm4']);
  });
});
