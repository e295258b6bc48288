// Messages from channels: to which agent and key they go, that each acts once, and that its answer comes back.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConversationInfo } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { count, inAll } from '../support/count.ts';
import type { Reply } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';
import { pathOf } from './conversation.fixture.ts';
import { AGENTS, type Core, gateIn, openCore, openGate, untilGate } from './core.fixture.ts';

/** Takes what is posted, and answers as it is told to. */
class Hook {
  readonly server: Server;
  readonly got: { readonly path: string; readonly key: string; readonly body: Record<string, unknown> }[] = [];
  /** The statuses of the next answers; 200 behind them. */
  answers: number[] = [];
  location = '';

  constructor() {
    this.server = createServer((request, response) => {
      void bodyOf(request).then((text) => {
        const key = String(request.headers['idempotency-key']);
        this.got.push({ path: request.url ?? '', key, body: JSON.parse(text) });
        const status = this.answers.shift() ?? 200;
        response.writeHead(status, status === 302 ? { location: this.location } : {}).end();
      });
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const bytes of request) text += String(bytes);
  return text;
}

const BINDINGS = [
  { agentId: 'ops', match: { channel: 'discord', guildId: 'g1', roles: ['admin'] } },
  { agentId: 'guild', match: { channel: 'discord', guildId: 'g1' } },
  { agentId: 'person', match: { channel: 'slack', peer: { kind: 'direct', id: 'U1' } } },
  { agentId: 'open', match: { channel: 'news', accountId: '*' } },
  { agentId: 'shell', match: { channel: 'sh', accountId: '*' } },
];
const agents = {
  entries: {
    ...AGENTS,
    ops: { driver: 'echo' },
    guild: { driver: 'echo' },
    person: { driver: 'echo' },
    open: { driver: 'echo', visibility: { kind: 'everyone' } },
  },
};
const hook = new Hook();
let core: Core;
let address: string;
const configOf = (bindings: readonly unknown[]): object => ({
  agents,
  bindings,
  inbound: { replies: [`${address}/allowed/`] },
});
beforeAll(async () => {
  address = await hook.open();
  core = await openCore({}, configOf(BINDINGS));
});
afterEach(() => {
  hook.got.splice(0);
  hook.answers = [];
});
afterAll(async () => {
  await core.close();
  hook.server.close();
});

const receive = (body: object, token?: string): Promise<Reply> =>
  core.ask('/v1/inbound', { body, ...(token === undefined ? {} : { token }) });
async function routed(body: object): Promise<{ agentId: string; sessionKey: string; matchedBy: string }> {
  const reply = await receive({ text: 'hello', ...body });
  if (reply.status !== 202) throw new Error(reply.text);
  return reply.json.route;
}
const repliesOf = (run: string) => hook.got.filter(({ body }) => body.run === run);

describe('a message from a channel', () => {
  test('goes where the bindings say, and its answer is in that conversation', async () => {
    const peer = { kind: 'direct', id: 'U1' };
    expect(await routed({ channel: 'Slack', peer })).toMatchObject({ agentId: 'person', matchedBy: 'binding.peer' });
    expect(await routed({ channel: 'slack', peer: { kind: 'direct', id: 'U2' } })).toMatchObject({
      agentId: 'main',
      matchedBy: 'default',
    });
    const guild = { channel: 'discord', guildId: 'g1', peer: { kind: 'channel', id: 'c1' } };
    expect(await routed({ ...guild, roles: ['admin'] })).toMatchObject({
      agentId: 'ops',
      matchedBy: 'binding.guild+roles',
    });
    expect(await routed({ ...guild, roles: ['guest'] })).toMatchObject({
      agentId: 'guild',
      matchedBy: 'binding.guild',
    });
    // Another guild, and another account, are others.
    expect(await routed({ ...guild, guildId: 'g2' })).toMatchObject({ agentId: 'main', matchedBy: 'default' });
    expect(await routed({ ...guild, accountId: 'other' })).toMatchObject({ agentId: 'main', matchedBy: 'default' });
    const { json } = await receive({
      channel: 'news',
      peer: { kind: 'group', id: 'G' },
      text: 'what is new',
      from: 'Ann',
    });
    expect(json).toMatchObject({
      conversation: 'agent:open:news:group:g',
      route: { agentId: 'open', sessionKey: 'agent:open:news:group:g' },
      message: { by: { user: null, name: 'Ann' } },
      duplicate: false,
    });
    expect(await core.end(json.conversation, json.run.id)).toMatchObject({ state: 'final', text: 'what is new' });
    expect((await core.history(json.conversation)).map(({ text }) => text)).toEqual(['what is new', 'what is new']);
  });

  test('acts once by its id, also over a restart; another text by the same id is a conflict', async () => {
    const message = { channel: 'news', peer: { kind: 'group', id: 'once' }, text: 'just once', id: 'native 1/ü' };
    const [first, second] = await Promise.all([receive(message), receive(message)]);
    expect([first.json.duplicate, second.json.duplicate].sort()).toEqual([false, true]);
    expect(first.json.run.id).toBe(second.json.run.id);
    await core.end(first.json.conversation, first.json.run.id);
    await core.restart();
    expect((await receive(message)).json).toMatchObject({ duplicate: true, run: { state: 'final' } });
    expect(await receive({ ...message, text: 'twice' })).toMatchObject({ status: 409, code: 'message_conflict' });
    // Of another account, or of another peer, it is another message.
    expect((await receive({ ...message, accountId: 'second' })).json.duplicate).toBe(false);
    expect((await receive({ ...message, peer: { kind: 'group', id: 'twice' } })).json.duplicate).toBe(false);
    expect(await core.begun('agent:open:news:group:once')).toHaveLength(
      (await core.history('agent:open:news:group:once')).length / 2,
    );
  });

  test('that is a stop text aborts, and begins nothing', async () => {
    const at = { channel: 'sh', peer: { kind: 'group', id: 'stop' } };
    const { json } = await receive({ ...at, text: 'echo on; sleep 900' });
    await core.said(json.conversation, 'on');
    const stop = await receive({ ...at, text: 'Stop!', from: 'Ben' });
    expect(stop.json).toMatchObject({ run: null, aborted: [json.run.id] });
    expect(await core.end(json.conversation, json.run.id)).toMatchObject({
      state: 'aborted',
      end: { via: 'stop_text', by: { user: null, name: 'Ben' } },
    });
  });

  test.each([
    ['without a channel', { text: 'a' }, 400, 'bad_request'],
    ['without a text', { channel: 'irc' }, 400, 'bad_request'],
    ['with an empty text', { channel: 'irc', text: ' ' }, 400, 'bad_request'],
    ['with an unknown field', { channel: 'irc', text: 'a', guild: 'g' }, 400, 'bad_request'],
    ['with a peer that is none', { channel: 'irc', text: 'a', peer: 'U1' }, 400, 'bad_request'],
    ['with an id of another type', { channel: 'irc', text: 'a', id: {} }, 400, 'bad_request'],
    ['with a NUL in the peer', { channel: 'irc', text: 'a', peer: { kind: 'direct', id: 'a\0' } }, 400, 'bad_request'],
    ['with a text over the limit', { channel: 'irc', text: 'x'.repeat(300 * 1024) }, 413, 'message_too_large'],
  ] as const)('%s is refused', async (_, body, status, code) => {
    expect(await receive(body)).toMatchObject({ status, code });
  });

  test('needs the scope of who speaks for a channel', async () => {
    expect(await receive({ channel: 'irc', text: 'a' }, await core.tokenOf('ina'))).toMatchObject({ status: 403 });
    expect(await receive({ channel: 'news', text: 'a' }, await core.tokenOf('bot', 'create'))).toMatchObject({
      status: 202,
    });
  });
});

describe('a conversation that a channel began', () => {
  test('is seen as its agent says: by everybody, or by nobody but the admin', async () => {
    const [open, closed] = await Promise.all([
      receive({ channel: 'news', peer: { kind: 'group', id: 'seen' }, text: 'a' }),
      receive({ channel: 'slack', peer: { kind: 'direct', id: 'U1' }, text: 'a' }),
    ]);
    const token = await core.tokenOf('somebody');
    const seen = await core.must<ConversationInfo>(200, pathOf(open.json.conversation), { token });
    expect(seen).toMatchObject({ owner: null, visibility: { kind: 'everyone' }, mine: false });
    expect(await core.ask(pathOf(closed.json.conversation), { token })).toMatchObject({
      status: 404,
      code: 'conversation_not_found',
    });
    expect(await core.info(closed.json.conversation)).toMatchObject({ owner: null, visibility: { kind: 'private' } });
    // Who sees it is not its owner.
    const patch = { method: 'PATCH', body: { title: 'mine' }, token };
    expect(await core.ask(pathOf(open.json.conversation), patch)).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await core.trySend(open.json.conversation, { text: 'from the page' }, { token })).status).toBe(202);
  });
});

describe('the config file', () => {
  test('is in force as soon as it is changed, and a wrong binding is told, and widened to nobody', async () => {
    const ask = { channel: 'matrix', peer: { kind: 'direct', id: 'M1' } };
    expect(await routed(ask)).toMatchObject({ agentId: 'main' });
    const wrong = { agentId: 'ops', match: { channel: 'matrix', peer: { kind: 'somebody', id: 'M2' } } };
    const bad = { agentId: 'nobody', match: { channel: 'matrix', accountId: 'x' } };
    core.configure(
      configOf([...BINDINGS, wrong, bad, { agentId: 'person', match: { channel: 'matrix', peer: ask.peer } }]),
    );
    await until('it is read', async () => (await routed(ask)).agentId === 'person');
    expect(await routed({ channel: 'matrix', peer: { kind: 'direct', id: 'M2' } })).toMatchObject({ agentId: 'main' });
    // A binding to an agent that there is not stands for what it says, and is an error for those whom it names alone.
    expect(await receive({ channel: 'matrix', accountId: 'x', text: 'a' })).toMatchObject({
      status: 400,
      code: 'unknown_agent',
    });
    // One that is no config at all changes nothing.
    core.configure({ agents: { entries: { main: { driver: 'magic' } } } });
    await until('it is refused', async () => (await core.ask('/v1/config/problems')).text.includes('driver'));
    expect(await routed(ask)).toMatchObject({ agentId: 'person' });
    core.configure(configOf(BINDINGS));
    await until('it is read again', async () => (await routed(ask)).agentId === 'main');
  });
});

describe('a reply', () => {
  const at = (id: string) => ({ channel: 'news', peer: { kind: 'group', id }, reply: `${address}/allowed/${id}` });

  test('is posted once when the run has ended, with what it said', async () => {
    const { json } = await receive({ ...at('plain'), text: 'hello', id: 'r1' });
    await until('it is posted', () => repliesOf(json.run.id).length === 1);
    expect(repliesOf(json.run.id)).toEqual([
      {
        path: '/allowed/plain',
        key: json.run.id,
        body: { conversation: 'agent:open:news:group:plain', run: json.run.id, state: 'final', text: 'hello' },
      },
    ]);
    // Sent again by a channel that did not hear us: it is not posted again.
    expect((await receive({ ...at('plain'), text: 'hello', id: 'r1' })).json.duplicate).toBe(true);
    const failed = await receive({ ...at('plain'), text: '/fail badly' });
    await until('it is posted', () => repliesOf(failed.json.run.id).length === 1);
    expect(repliesOf(failed.json.run.id)[0]?.body).toMatchObject({
      state: 'error',
      text: 'This goes wrong now.',
      error: { code: 'agent_failed', message: 'badly' },
    });
    expect(repliesOf(json.run.id)).toHaveLength(1);
  });

  test('is tried again until it is taken', async () => {
    // The pause grows with each try.
    const refusals = count({ quick: 1, all: 2 });
    hook.answers = [500, 503].slice(0, refusals);
    const { json } = await receive({ ...at('retry'), text: 'again and again' });
    await until('it is taken', () => repliesOf(json.run.id).length === refusals + 1, 12_000);
    expect(new Set(repliesOf(json.run.id).map(({ body }) => JSON.stringify(body))).size).toBe(1);
  }, 15_000);

  inAll(
    'survives a kill: of a run that has ended, of one under way, and of one that waits',
    async () => {
      hook.answers = Array.from({ length: 50 }, () => 500);
      const gate = gateIn(core, 'reply');
      const to = (id: string) => ({ ...at(id), channel: 'sh' });
      const ended = (await receive({ ...at('ended'), text: 'it has ended' })).json;
      const running = (await receive({ ...to('running'), text: untilGate(gate, 'begun', 'done') })).json;
      await core.said(running.conversation, 'begun');
      const waiting = (await receive({ ...to('running'), text: 'echo next' })).json;
      expect(waiting.run).toMatchObject({ state: 'queued' });
      const cancelled = (await receive({ ...to('running'), text: 'echo never' })).json;
      await core.abort(cancelled.conversation, cancelled.run.id);
      await until('it is tried', () => repliesOf(ended.run.id).length > 0);
      await core.kill();
      hook.answers = [];
      hook.got.splice(0);
      await core.start();
      openGate(gate);
      for (const { run } of [ended, running, waiting]) {
        await until('it is posted', () => repliesOf(run.id).length === 1);
      }
      expect(repliesOf(ended.run.id)[0]?.body).toMatchObject({ state: 'final', text: 'it has ended' });
      expect(repliesOf(running.run.id)[0]?.body).toMatchObject({ state: 'final', text: 'begun\ndone' });
      expect(repliesOf(waiting.run.id)[0]?.body).toMatchObject({ state: 'final', text: 'next' });
      expect(repliesOf(cancelled.run.id)).toEqual([]);
    },
    20_000,
  );

  test('does not follow to where the address points', async () => {
    hook.answers = [302];
    hook.location = `${address}/secret/place`;
    const { json } = await receive({ ...at('moved'), text: 'hello' });
    await until('it is posted', () => repliesOf(json.run.id).length === 1);
    const next = await receive({ ...at('moved'), text: 'later' });
    await until('the next is posted', () => repliesOf(next.json.run.id).length === 1);
    expect(hook.got.map(({ path }) => path)).toEqual(['/allowed/moved', '/allowed/moved']);
  });

  test.each([
    '/other/place',
    '/allowed/../other',
    '/allowed/%2e%2e/other',
    'elsewhere',
    'user',
    'file:///etc/passwd',
    'not an address',
  ])('to %s is refused, and nothing is sent to the agent', async (place) => {
    const urls: Record<string, string> = {
      elsewhere: 'http://127.0.0.1:9/allowed/',
      user: `${address.replace('//', '//user:secret@')}/allowed/x`,
    };
    const reply = urls[place] ?? (place.startsWith('/') ? `${address}${place}` : place);
    const asked = await receive({ channel: 'news', peer: { kind: 'group', id: 'refused' }, text: 'hello', reply });
    expect(asked).toMatchObject({ status: 403, code: 'reply_not_allowed' });
    expect(await core.ask(pathOf('agent:open:news:group:refused'))).toMatchObject({ status: 404 });
    expect(hook.got).toEqual([]);
  });
});
