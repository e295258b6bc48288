// Channels of plugins: messages in, answers out, and who may stop them on the way.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENTS, type Core, gateIn, openGate, untilGate } from '../conversations/core.fixture.ts';
import { count, inAll } from '../support/count.ts';
import type { Reply } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';
import { openPluginCore, type PluginCore } from './conversation-plugins.fixture.ts';
import { grant } from './installed.fixture.ts';

const config = {
  agents: { entries: AGENTS },
  bindings: [
    { agentId: 'shell', match: { channel: 'pager', peer: { kind: 'direct', id: 'sh' } } },
    { agentId: 'acp', match: { channel: 'pager', peer: { kind: 'group', id: 'acp' } } },
  ],
};

/** Brings in what is posted to /in, and tells of what it is to carry. `fail` makes the next ones fail. */
const PAGER = `
  let fails = 0;
  const inlets = {
    pager: api.channel({ name: 'pager', send: (reply) => {
      told.push({ on: 'reply', event: reply });
      if (fails > 0) { fails -= 1; throw new Error('not now'); }
    } }),
    second: api.channel({ name: 'second', send: () => {} }),
    // As whoever speaks the wire itself: the name is taken, and cannot be offered.
    user: { receive: (message) => api.call('channels', { channel: 'user', message }) },
  };
  const json = (body) => JSON.parse(Buffer.from(body).toString());
  api.route('POST', '/in/:channel', async ({ params, body }) => {
    try {
      const messages = [json(body)].flat().map((one) => (one.text === 'BIG' ? { text: 'x'.repeat(300000) } : one));
      return { body: { receipts: await Promise.all(messages.map((one) => inlets[params.channel].receive(one))) } };
    } catch ({ code, message }) {
      return { body: { code, message } };
    }
  });
  api.route('POST', '/fail/:times', ({ params }) => { fails = Number(params.times); return {}; });
`;
/** Judges what comes in: \`veto:WHY\`, \`wait:GATE\`. */
const BOUNCER = `
  api.hook('beforeInbound', async (event) => {
    told.push({ on: 'before', event });
    const [, veto] = /veto:([a-z]+)/.exec(event.text) ?? [];
    const [, name] = /wait:([a-z0-9]+)/.exec(event.text) ?? [];
    if (name !== undefined) await gate(name);
    if (veto !== undefined) return { veto };
  }, { deadlineMs: 5000 });
  api.hook('afterInbound', (event) => { told.push({ on: 'after', event }); });
`;

let plugins: PluginCore;
let core: Core;
beforeAll(async () => {
  plugins = await openPluginCore(config);
  core = plugins.core;
  await plugins.install('pager', PAGER, { channels: { names: ['pager', 'second'] } });
  await plugins.install('bouncer', BOUNCER, { hooks: true });
});
afterAll(() => plugins.close());

const bring = (message: object, channel = 'pager'): Promise<Reply> =>
  plugins.page('pager', `/in/${channel}`, { body: message });
async function brought(message: object): Promise<{ readonly conversation: string; readonly run: string }> {
  const { json } = await bring(message);
  if (json.receipts === undefined) throw new Error(JSON.stringify(json));
  return json.receipts[0];
}
const repliesTo = async (to: string) =>
  (await plugins.told('pager', 'reply')).flatMap(({ event }) => (event.to === to ? [event] : []));
const isReplied = (to: string, count = 1) =>
  until(`${to} has a reply`, async () => (await repliesTo(to)).length >= count, 20_000);

describe('a message that a plugin brings in', () => {
  test('goes where the bindings say, and its answer comes back by the plugin', async () => {
    const peer = { kind: 'group', id: 'acp' };
    const { conversation, run } = await brought({
      text: 'say hi there',
      id: '1',
      from: 'Ann',
      peer,
      replyTo: 'room 1',
    });
    expect(conversation).toBe('agent:acp:pager:group:acp');
    expect(await core.message(conversation, run)).toMatchObject({ by: { user: null, name: 'Ann' } });
    await isReplied('room 1');
    expect(await repliesTo('room 1')).toEqual([
      { id: run, to: 'room 1', conversation, state: 'final', text: 'hi there' },
    ]);
    const told = await plugins.told('bouncer');
    const asked = { channel: 'pager', from: 'Ann', text: 'say hi there' };
    expect(told.filter(({ event }) => event.text === 'say hi there')).toEqual([
      { on: 'before', event: asked },
      { on: 'after', event: { ...asked, conversation, run } },
    ]);
  });

  test('acts once by its id, with one answer', async () => {
    const message = { text: 'hello once', id: 'same', replyTo: 'room once' };
    const first = await brought(message);
    await isReplied('room once');
    expect(await brought(message)).toEqual(first);
    await core.end(first.conversation, first.run);
    expect(await repliesTo('room once')).toHaveLength(1);
    expect((await plugins.told('bouncer', 'after')).filter(({ event }) => event.text === 'hello once')).toHaveLength(1);
  });

  test('may be answered with an error, and needs no answer', async () => {
    await brought({ text: '/fail because', replyTo: 'room error' });
    await isReplied('room error');
    expect(await repliesTo('room error')).toMatchObject([{ state: 'error', error: 'because' }]);
    const { conversation, run } = await brought({ text: 'no reply' });
    expect(await core.end(conversation, run)).toMatchObject({ state: 'final' });
  });

  test.each([
    { channel: 'second', message: { text: '' }, code: 'bad_request' },
    { channel: 'second', message: { text: 'x', more: 1 }, code: 'bad_request' },
    { channel: 'second', message: { text: 'x', from: 'a\u001bb' }, code: 'bad_request' },
    { channel: 'second', message: { text: 'BIG' }, code: 'message_too_large' },
    { channel: 'user', message: { text: 'x', peer: { kind: 'direct', id: 'ann' } }, code: 'bad_request' },
  ])('that is none is refused: $code, $channel', async ({ channel, message, code }) => {
    expect((await bring(message, channel)).json.code).toBe(code);
  });

  test('of a channel that is not granted is refused, with what would grant it', async () => {
    await grant(plugins.gateway, 'pager', 'channels', { names: ['pager'] });
    expect((await bring({ text: 'x' }, 'second')).json.code).toBe('permission_denied');
    await grant(plugins.gateway, 'pager', 'channels', { names: ['pager', 'second'] });
    expect((await bring({ text: 'x' }, 'second')).json.receipts).toHaveLength(1);
  });
});

describe('an answer that a plugin carries', () => {
  test('is tried again while it throws, with the same id', async () => {
    const fails = count({ quick: 1, all: 2 });
    await plugins.page('pager', `/fail/${fails}`, { method: 'POST' });
    const { run } = await brought({ text: 'try me', replyTo: 'room again' });
    await isReplied('room again', fails + 1);
    expect((await repliesTo('room again')).map(({ id }) => id)).toEqual(Array(fails + 1).fill(run));
  });

  inAll('outlives a kill of the gateway between the message and its end', async () => {
    const gate = gateIn(core, 'kill');
    const message = {
      text: untilGate(gate, 'begun', 'done'),
      peer: { kind: 'direct', id: 'sh' },
      replyTo: 'room kill',
    };
    const { conversation, run } = await brought(message);
    await core.said(conversation, 'begun');
    await core.kill();
    openGate(gate);
    await core.start();
    await plugins.runs('pager');
    await isReplied('room kill');
    expect(await repliesTo('room kill')).toMatchObject([{ id: run, conversation, state: 'final' }]);
    // Nothing of it is left to be sent.
    await core.restart();
    await plugins.runs('pager');
    await brought({ text: 'the next', replyTo: 'room next' });
    await isReplied('room next');
    expect(await repliesTo('room kill')).toEqual([]);
  });

  test('waits for a plugin that is off, and not for one that is gone', async () => {
    const gate = gateIn(core, 'off');
    const message = { text: untilGate(gate, 'begun', 'done'), peer: { kind: 'direct', id: 'sh' }, replyTo: 'room off' };
    const { conversation, run } = await brought(message);
    await core.must(200, '/v1/plugins/pager/enabled', { method: 'PUT', body: { enabled: false } });
    openGate(gate);
    await core.end(conversation, run);
    await core.must(200, '/v1/plugins/pager/enabled', { method: 'PUT', body: { enabled: true } });
    await plugins.runs('pager');
    await isReplied('room off');
    expect(await repliesTo('room off')).toMatchObject([{ id: run, state: 'final' }]);
  });
});

describe('who is asked about messages from channels', () => {
  const inbound = (body: object) => core.ask('/v1/inbound', { body });

  test('may veto them, and nothing is kept', async () => {
    const peer = { kind: 'direct', id: 'vetoed' };
    expect(await inbound({ channel: 'web', peer, text: 'veto:spam' })).toMatchObject({ status: 403, code: 'vetoed' });
    expect((await bring({ peer, text: 'veto:spam' })).json.code).toBe('vetoed');
    const { text } = await core.ask('/v1/conversations?limit=200');
    expect(text).not.toContain('vetoed');
    expect((await plugins.told('bouncer', 'after')).some(({ event }) => event.text === 'veto:spam')).toBe(false);
  });

  test('do not change the order of what one peer says, nor keep others waiting', async () => {
    const peer = { kind: 'group', id: 'order' };
    const all = Promise.all([
      bring(['wait:inorder1 a', 'b', 'c veto:no', 'd'].map((text) => ({ text, peer }))).catch(() => undefined),
      inbound({ channel: 'web', text: 'elsewhere' }),
    ]);
    await until('all are asked about', async () =>
      (await plugins.told('bouncer', 'before')).some(({ event }) => event.text === 'd'),
    );
    expect((await inbound({ channel: 'web', text: 'quick' })).status).toBe(202);
    await plugins.open('bouncer', 'inorder1');
    await all;
    const key = 'agent:main:pager:group:order';
    await until(
      'all are there',
      async () => (await core.history(key)).filter(({ role }) => role === 'user').length === 3,
    );
    const said = (await core.history(key)).flatMap(({ role, text }) => (role === 'user' ? [text] : []));
    expect(said).toEqual(['wait:inorder1 a', 'b', 'd']);
  });

  test('nobody passes an address of a plugin in from outside', async () => {
    const reply = `plugin:${JSON.stringify({ plugin: 'pager', channel: 'pager', to: 'room forged' })}`;
    expect(await inbound({ channel: 'web', text: 'x', reply })).toMatchObject({
      status: 403,
      code: 'reply_not_allowed',
    });
  });
});

describe('when the plugin is removed', () => {
  test('what it was to carry is dropped', async () => {
    const gate = gateIn(core, 'gone');
    const message = {
      text: untilGate(gate, 'begun', 'done'),
      peer: { kind: 'direct', id: 'sh' },
      replyTo: 'room gone',
    };
    const { conversation, run } = await brought(message);
    await core.must(204, '/v1/plugins/pager', { method: 'DELETE' });
    openGate(gate);
    expect(await core.end(conversation, run)).toMatchObject({ state: 'final' });
    await until('it is dropped', async () => core.gateway.stderr.includes('a reply could not be delivered'));
    await plugins.install('pager', PAGER, { channels: { names: ['pager', 'second'] } });
    await brought({ text: 'again', replyTo: 'room after' });
    await isReplied('room after');
    expect(await repliesTo('room gone')).toEqual([]);
  });
});
