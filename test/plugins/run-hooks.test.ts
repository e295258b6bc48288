// Hooks of plugins around what agents are given and may do: they are asked before, and whatever happens meanwhile there is
// one end.

import type { ConversationEvent } from '@binnacle/protocol';
import { isEndEvent } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathOf } from '../conversations/conversation.fixture.ts';
import { AGENTS, type Core } from '../conversations/core.fixture.ts';
import { inAll, some } from '../support/count.ts';
import { until } from '../support/until.ts';
import { openPluginCore, type PluginCore } from './conversation-plugins.fixture.ts';

const config = {
  agents: {
    entries: {
      ...AGENTS,
      // Says what it was told before.
      memory: { driver: 'watcher/memory' },
    },
  },
};

/** Does what a message says: `veto:WHY` and `wait:GATE`; of a call of a tool, `deny:WHY` and `hold:GATE`. */
const WATCHER = `
  const judge = (on, vetoes, waits) => async (event) => {
    told.push({ on, event });
    const text = JSON.stringify(event);
    const [, veto] = new RegExp(vetoes + ':([a-z]+)').exec(text) ?? [];
    const [, name] = new RegExp(waits + ':([a-z0-9]+)').exec(text) ?? [];
    if (name !== undefined) await gate(name);
    if (veto !== undefined) return { veto };
  };
  const note = (on) => (event) => { told.push({ on, event }); };
  const careful = { deadlineMs: 5000, onFailure: 'closed' };
  api.hook('beforeRun', judge('beforeRun', 'veto', 'wait'), careful);
  api.hook('beforeToolCall', judge('beforeToolCall', 'deny', 'hold'), careful);
  for (const on of ['afterRun', 'afterToolCall', 'agentWaits']) api.hook(on, note(on));
  api.driver({ name: 'memory', run: ({ text, history }) => JSON.stringify(history.map((one) => one.text)) });
`;

let plugins: PluginCore;
let core: Core;
beforeAll(async () => {
  plugins = await openPluginCore(config);
  core = plugins.core;
  await plugins.install('watcher', WATCHER, { hooks: true, agentDrivers: true });
});
afterAll(() => plugins.close());

/** The hook has been asked about it. */
const asked = (text: string, on = 'beforeRun') =>
  until(`it is asked about ${text}`, async () =>
    (await plugins.told('watcher', on)).some(({ event }) => JSON.stringify(event).includes(text)),
  );

function endsOf(events: readonly ConversationEvent[], run: string): readonly ConversationEvent[] {
  return events.filter((event) => isEndEvent(event) && event.run === run);
}

describe('before a message is given to an agent', () => {
  test('plugins may veto: the run has begun and ends as an error with the reason', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', 'veto:secret please');
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({
      state: 'error',
      text: '',
      end: { state: 'error', error: { code: 'vetoed', details: { plugin: 'watcher', reason: 'secret' } } },
    });
    const { events } = await core.log(key);
    expect(events.map(({ type }) => type)).toEqual(['message', 'message_delivered', 'run_started', 'error']);
    expect(await core.history(key)).toMatchObject([{ id: 'm1', state: 'delivered', run: 'm1' }]);
    await until('it is told', async () =>
      (await plugins.told('watcher', 'afterRun')).some(({ event }) => event.conversation === key),
    );
    const after = (await plugins.told('watcher', 'afterRun')).find(({ event }) => event.conversation === key);
    expect(after?.event).toMatchObject({
      run: 'm1',
      agent: 'main',
      state: 'error',
      answer: '',
      text: 'veto:secret please',
    });
  });

  test('what they let through is given, and they are told of the answer', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', 'hello');
    const run = await core.end(key, 'm1');
    expect(run).toMatchObject({ state: 'final', text: 'hello' });
    expect(run.isAsked).toBeUndefined();
    expect((await core.log(key)).events.map(({ type }) => type)).toEqual([
      ...['message', 'message_delivered', 'run_started', 'run_allowed', 'delta', 'final'],
    ]);
    const before = (await plugins.told('watcher', 'beforeRun')).find(({ event }) => event.conversation === key);
    expect(before?.event).toEqual({ conversation: key, run: 'm1', agent: 'main', text: 'hello', by: run.by.name });
    await until('it is told', async () =>
      (await plugins.told('watcher', 'afterRun')).some(
        ({ event }) => event.conversation === key && event.state === 'final' && event.answer === 'hello',
      ),
    );
  });

  test('an agent never hears of what was kept from it, not later either', async () => {
    const key = await core.make('memory');
    await core.send(key, 'm1', 'first');
    await core.end(key, 'm1');
    await core.send(key, 'm2', 'veto:no');
    await core.end(key, 'm2');
    // Nobody had allowed that one either.
    await core.send(key, 'm3', 'wait:never1');
    await asked('wait:never1');
    await core.abort(key, 'm3');
    await core.send(key, 'm4', 'last');
    expect(JSON.parse((await core.end(key, 'm4')).text)).toEqual(['first', '[]']);
    await plugins.open('watcher', 'never1');
  });

  test('an abort while they are asked wins, whatever they say then', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', 'wait:abort1 one');
    await core.send(key, 'm2', 'two');
    await asked('wait:abort1');
    expect((await core.info(key)).run).toMatchObject({ id: 'm1', isAsked: true });
    expect(await core.abort(key, 'm1')).toEqual({ aborted: ['m1'] });
    // The next one is not kept waiting.
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'two' });
    await plugins.open('watcher', 'abort1');
    await core.send(key, 'm3', 'three');
    await core.end(key, 'm3');
    const { events } = await core.log(key);
    expect(endsOf(events, 'm1')).toMatchObject([{ type: 'aborted', via: 'run' }]);
    expect(events.some((event) => event.type === 'run_allowed' && event.run === 'm1')).toBe(false);
    expect(await core.begun(key)).toEqual(['m1', 'm2', 'm3']);
  });

  test('so does a time limit, a message that interrupts, and a deletion', async () => {
    const key = await core.make('main');
    await core.send(key, 'm1', 'wait:slow1', { timeoutMs: 100 });
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'aborted', end: { via: 'timeout' } });
    await core.send(key, 'm2', 'wait:slow2');
    await asked('wait:slow2');
    await core.send(key, 'm3', 'now', { steer: 'interrupt' });
    expect(await core.end(key, 'm3')).toMatchObject({ state: 'final', text: 'now' });
    expect(await core.run(key, 'm2')).toMatchObject({ state: 'aborted', end: { via: 'interrupt' } });
    await core.send(key, 'm4', 'wait:slow3');
    await asked('wait:slow3');
    await core.must(204, pathOf(key), { method: 'DELETE' });
    for (const gate of ['slow1', 'slow2', 'slow3']) await plugins.open('watcher', gate);
    expect((await core.ask(pathOf(key))).code).toBe('conversation_not_found');
  });

  test('while they are asked nothing can be handed into the turn: it waits', async () => {
    const key = await core.make('claude');
    await core.send(key, 'm1', 'wait:hold1');
    await asked('wait:hold1');
    const receipt = await core.send(key, 'm2', 'second', { steer: 'inject' });
    expect(receipt.message.steer).toBe('queue');
    await plugins.open('watcher', 'hold1');
    expect((await core.end(key, 'm2')).text).toContain('second');
    expect(await core.begun(key)).toEqual(['m1', 'm2']);
  });

  test.each(some(['main', 'acp'], 1))('a gateway that is killed meanwhile asks again: %s', async (agent) => {
    const key = await core.make(agent);
    // The second one finds a process there, where the agent is one.
    await core.send(key, 'm0', agent === 'acp' ? 'say before' : 'before');
    await core.end(key, 'm0');
    await core.send(key, 'm1', agent === 'acp' ? `say wait:kill${agent}` : `wait:kill${agent}`);
    await asked(`wait:kill${agent}`);
    await core.kill();
    await core.start();
    await plugins.runs('watcher');
    await asked(`wait:kill${agent}`);
    expect((await core.info(key)).run).toMatchObject({ id: 'm1', isAsked: true });
    await plugins.open('watcher', `kill${agent}`);
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: `wait:kill${agent}` });
    const { events } = await core.log(key);
    expect(endsOf(events, 'm1')).toHaveLength(1);
    expect(events.filter((event) => event.type === 'run_started' && event.run.id === 'm1')).toHaveLength(1);
  });
});

describe('a message that is handed into a turn', () => {
  test('is asked about as well; what is vetoed is taken back, with the reason', async () => {
    const key = await core.make('claude');
    await core.send(key, 'm1', 'wait');
    await core.said(key, 'wait');
    const receipt = await core.send(key, 'm2', 'veto:private', { steer: 'inject' });
    expect(receipt.message.steer).toBe('inject');
    await until('it is taken back', async () => (await core.message(key, 'm2')).state === 'cancelled');
    await core.send(key, 'm3', 'done', { steer: 'inject' });
    expect((await core.end(key, 'm1')).text).toBe('wait\n\ndone');
    const { events } = await core.log(key);
    expect(events.find((event) => event.type === 'message_cancelled')).toMatchObject({
      id: 'm2',
      by: { user: null, name: 'plugin watcher' },
      why: 'private',
    });
  });

  test('comes behind those that were sent before it, whoever is let through first', async () => {
    const key = await core.make('claude');
    await core.send(key, 'm1', 'wait');
    await core.said(key, 'wait');
    await core.send(key, 'm2', 'wait:order1 a', { steer: 'inject' });
    await core.send(key, 'm3', 'b', { steer: 'inject' });
    await core.send(key, 'm4', 'done', { steer: 'inject' });
    await asked('wait:order1');
    expect((await core.info(key)).run?.text).toBe('wait');
    await plugins.open('watcher', 'order1');
    expect((await core.end(key, 'm1')).text).toBe('wait\n\nwait:order1 a\n\nb\n\ndone');
  });

  test('begins a run of its own where the turn ends first, and is asked about again then', async () => {
    const key = await core.make('claude');
    await core.send(key, 'm1', 'wait');
    await core.said(key, 'wait');
    await core.send(key, 'm2', 'wait:own1 mine', { steer: 'inject' });
    await asked('wait:own1');
    await core.abort(key, 'm1');
    await until('it has a run', async () => (await core.info(key)).run?.id === 'm2');
    await plugins.open('watcher', 'own1');
    expect((await core.end(key, 'm2')).text).toBe('wait:own1 mine');
    expect(await core.begun(key)).toEqual(['m1', 'm2']);
    const times = (await plugins.told('watcher', 'beforeRun')).filter(({ event }) => event.text.includes('wait:own1'));
    expect(times).toHaveLength(2);
  });
});

describe('before an agent calls a tool', () => {
  test.each([
    { agent: 'acp', text: 'ask deny:danger', deny: 'no', said: 'no' },
    { agent: 'main', text: '/ask deny:danger', deny: 'deny', said: /"deny"/ },
  ])('a veto answers the request of $agent with its option to deny', async ({ agent, text, deny, said }) => {
    const key = await core.make(agent);
    await core.send(key, 'm1', text);
    expect((await core.end(key, 'm1')).text).toMatch(said);
    const { events } = await core.log(key);
    expect(events.flatMap((event) => (event.type === 'approval_answered' ? [event.answer] : []))).toEqual([
      { option: deny, by: { user: null, name: 'plugin watcher' }, reason: 'vetoed', why: 'danger' },
    ]);
    const asked = (await plugins.told('watcher', 'beforeToolCall')).at(-1)?.event;
    expect(asked).toEqual({
      tool: 'deny:danger',
      input: { detail: expect.any(String) },
      caller: agent,
      via: 'approval',
    });
    const waits = (await plugins.told('watcher', 'agentWaits')).find(({ event }) => event.conversation === key)?.event;
    expect(waits).toMatchObject({ run: 'm1', title: 'deny:danger' });
    expect(waits.options.map(({ id }: { readonly id: string }) => id)).toContain(deny);
    await until('the end is told', async () =>
      (await plugins.told('watcher', 'afterToolCall')).some(
        ({ event }) => event.tool === 'deny:danger' && event.caller === agent && event.isError === true,
      ),
    );
  });

  test('a person who is quicker wins', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'ask hold:person deny:late');
    await asked('hold:person', 'beforeToolCall');
    const [approval] = (await core.info(key)).approvals;
    const path = `${pathOf(key)}/approvals/${encodeURIComponent(approval?.id ?? '')}`;
    await core.must(200, path, { body: { option: 'yes' } });
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'yes' });
    await plugins.open('watcher', 'person');
    await core.send(key, 'm2', 'say on');
    await core.end(key, 'm2');
    const answers = (await core.log(key)).events.filter(({ type }) => type === 'approval_answered');
    expect(answers).toMatchObject([{ answer: { option: 'yes', reason: 'answered' } }]);
  });

  inAll('a request that waits when the gateway is killed is asked about again', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'ask hold:again deny:still');
    await asked('hold:again', 'beforeToolCall');
    await core.kill();
    await core.start();
    await plugins.runs('watcher');
    await asked('hold:again', 'beforeToolCall');
    await plugins.open('watcher', 'again');
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'no' });
  });

  test('a command of an agent is not run in a terminal where they do not want it', async () => {
    const key = await core.make('acp');
    await core.send(key, 'm1', 'term echo deny:shell');
    const run = await core.end(key, 'm1');
    expect(JSON.stringify(run)).toMatch(/The plugin \\?"watcher\\?" does not allow it: shell/);
    await core.send(key, 'm2', 'term echo allowed');
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final' });
    const events = await plugins.told('watcher', 'beforeToolCall');
    expect(events.at(-1)?.event).toMatchObject({
      tool: 'terminal',
      input: { command: 'echo allowed' },
      caller: 'acp',
      via: 'terminal',
    });
  });
});

describe('a plugin that does not answer', () => {
  const failing = (onFailure: string) => `
    api.hook('beforeRun', async ({ text }) => {
      if (text.startsWith('late')) await new Promise(() => {});
      if (text.startsWith('throw')) throw new Error('no idea');
      if (text.startsWith('rubbish')) return { veto: 7, more: true };
      if (text.startsWith('die')) { setImmediate(() => { throw new Error('died'); }); await new Promise(() => {}); }
    }, { deadlineMs: 200, onFailure: '${onFailure}' });
  `;

  const HOW = ['late', 'throw', 'rubbish', 'die'];

  test.each(some(HOW, 2))('and fails open keeps nothing: %s', async (how) => {
    await plugins.install('weak', failing('open'), { hooks: true });
    const key = await core.make('main');
    await core.send(key, 'm1', `${how} message`);
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: `${how} message` });
    await core.must(204, '/v1/plugins/weak', { method: 'DELETE' });
  });

  test.each(some(HOW, 2))('and fails closed keeps everything: %s', async (how) => {
    await plugins.install('strict', failing('closed'), { hooks: true });
    const key = await core.make('main');
    await core.send(key, 'm1', `${how} message`);
    expect(await core.end(key, 'm1')).toMatchObject({
      state: 'error',
      end: { error: { code: 'vetoed', details: { plugin: 'strict' } } },
    });
    await core.must(204, '/v1/plugins/strict', { method: 'DELETE' });
  });
});
