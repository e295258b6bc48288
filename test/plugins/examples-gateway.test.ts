// The plugins of examples/, installed into a real gateway, granted, and used as their READMEs say.

import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import type { NoticeList, PluginInfo, PluginPreview } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, connectHttp } from '../mcp/mcp.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ask, grant, pluginInfo } from './installed.fixture.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples/plugins');
const SECRET = 'a secret of sixteen and more';

interface Taken {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody elsewhere, who takes what is posted. */
class Elsewhere {
  readonly taken: Taken[] = [];
  readonly #server: Server;
  /** The status of the next answers; then 200. */
  readonly next: number[] = [];

  constructor() {
    this.#server = createServer(async (request, answer) => {
      let body = '';
      for await (const bytes of request) body += String(bytes);
      this.taken.push({ headers: request.headers, body });
      answer.writeHead(this.next.shift() ?? 200).end();
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const chat = new Elsewhere();
const ntfy = new Elsewhere();
let gateway: Gateway;

beforeAll(async () => {
  const [chatPort, ntfyPort] = [await chat.listen(), await ntfy.listen()];
  const entries = {
    webhook: {
      config: { secret: SECRET, replyUrl: `http://127.0.0.1:${chatPort}/replies` },
      permissions: { channels: true, httpRoutes: true, net: [`127.0.0.1:${chatPort}`] },
    },
    notify: {
      config: { ntfyUrl: `http://127.0.0.1:${ntfyPort}`, topic: 'mine', token: 'tk_1', sessions: true },
      permissions: { hooks: true, notify: true, net: [`127.0.0.1:${ntfyPort}`] },
    },
  };
  gateway = await openGateway({
    prepare: (dir) => {
      writeFileSync(join(dir, 'config.jsonc'), JSON.stringify({ plugins: { entries } }));
    },
  });
  for (const name of ['hello', 'webhook', 'notify']) await install(name);
});
afterAll(async () => {
  await gateway?.close();
  chat.close();
  ntfy.close();
});

async function install(name: string): Promise<void> {
  const path = join(EXAMPLES, name);
  const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path });
  await ask<PluginInfo>(gateway, 'POST', '/v1/plugins', { path, digest });
  expect(await pluginInfo(gateway, name)).toMatchObject({ state: 'running', problem: null });
}

describe('the example hello', () => {
  it('greets an agent over MCP, as long as it is granted', async () => {
    const agent = await connectHttp(gateway);
    const names = async () => (await agent.listTools()).tools.map(({ name }) => name);
    expect(await names()).not.toContain('hello_greet');
    await grant(gateway, 'hello', 'tools', true);
    expect(await names()).toContain('hello_greet');
    expect(await call(agent, 'hello_greet', { name: 'Ada' })).toMatchObject({ isError: false, text: 'Hello, Ada!' });
    expect(await call(agent, 'hello_greet', { name: 7 })).toMatchObject({ isError: true });
    await grant(gateway, 'hello', 'tools', false);
    expect(await names()).not.toContain('hello_greet');
    await agent.close();
  });
});

describe('the example webhook', () => {
  const sign = (body: string): string => `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;

  /** As somebody without a token would. */
  async function post(body: string, signature = sign(body)) {
    const answer = await fetch(`${gateway.url}/plugins/webhook/in`, {
      method: 'POST',
      headers: { 'x-signature': signature },
      body,
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }
  const answersTo = (id: string) =>
    chat.taken
      .map(({ body }) => JSON.parse(body) as Record<string, unknown>)
      .filter(({ inReplyTo }) => inReplyTo === id);

  it('brings a message to the agent, and its answer back, once each', async () => {
    const message = JSON.stringify({ id: 'm1', text: 'Good morning. ✓', from: 'ada' });
    const first = await post(message);
    expect(first).toEqual({ status: 202, body: { conversation: expect.any(String), run: expect.any(String) } });
    expect((await post(message)).body).toEqual(first.body);
    await until('the answer is there', () => answersTo('m1').length > 0);
    const other = JSON.stringify({ id: 'm2', text: 'And now?', from: 'ada' });
    expect((await post(other)).status).toBe(202);
    await until('the next one, too', () => answersTo('m2').length > 0);
    expect(answersTo('m1')).toEqual([
      {
        id: expect.any(String),
        inReplyTo: 'm1',
        conversation: first.body.conversation,
        state: 'final',
        text: 'Good morning. ✓',
      },
    ]);
    for (const { headers, body } of chat.taken) expect(headers['x-signature']).toBe(sign(body));
  });

  it('takes what its README has people type', async () => {
    const readme = readFileSync(join(EXAMPLES, 'webhook/README.md'), 'utf8');
    const block = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].at(-1)?.[1] ?? '';
    const typed = block.replace(/SECRET='.*'/, `SECRET='${SECRET}'`).replace('http://127.0.0.1:7117', gateway.url);
    expect(typed).toContain(gateway.url);
    const answer = await new Promise<string>((done) => {
      execFile('sh', ['-ec', typed], (error, out) => done(error?.message ?? out));
    });
    expect(JSON.parse(answer)).toEqual({ conversation: expect.any(String), run: expect.any(String) });
    await until('the answer is there', () => answersTo('1').length > 0);
  });

  it('takes nothing without a signature that fits, and starts no run for it', async () => {
    const before = chat.taken.length;
    const message = JSON.stringify({ id: 'm3', text: 'Let me in.', from: 'mallory' });
    expect(await post(message, 'sha256=0000')).toMatchObject({ status: 401 });
    expect(await post(message.replace('Let', 'Lot'), sign(message))).toMatchObject({ status: 401 });
    expect(await post('{}')).toMatchObject({ status: 400 });
    const good = JSON.stringify({ id: 'm4', text: 'Me, please.', from: 'ada' });
    await post(good);
    await until('what comes behind them is answered', () => answersTo('m4').length > 0);
    expect(chat.taken.length).toBe(before + 1);
  });

  it('posts an answer again that the other side did not take, under its id', async () => {
    chat.next.push(503);
    await post(JSON.stringify({ id: 'm5', text: 'Once more.', from: 'ada' }));
    await until('it is there twice', () => answersTo('m5').length === 2, 20_000);
    const [first, second] = answersTo('m5');
    expect(second).toEqual(first);
  });
});

describe('the example notify', () => {
  const told = (): unknown[] => ntfy.taken.map(({ body }) => JSON.parse(body));

  it('tells that an agent waits, on the page and by ntfy, before anybody has answered', async () => {
    const { key } = await gateway.client.conversations.create({ name: 'waits' });
    await gateway.client.conversation(key).send('/ask push to main');
    const notice = { title: 'An agent waits for you', text: 'push to main' };
    await until('ntfy has it', () => ntfy.taken.length > 0);
    expect(told()).toEqual([{ topic: 'mine', title: notice.title, message: notice.text }]);
    expect(ntfy.taken[0]?.headers.authorization).toBe('Bearer tk_1');
    const { notices } = await ask<NoticeList>(gateway, 'GET', '/v1/notices');
    expect(notices).toMatchObject([{ plugin: 'notify', ...notice }]);
  });

  it('tells that a session has ended, with its exit code', async () => {
    await gateway.client.sessions.create({ name: 'the build', command: 'exit 3', mode: 'pipe' });
    await until('ntfy has it', () => ntfy.taken.length > 1);
    expect(told()[1]).toEqual({ topic: 'mine', title: 'the build has ended', message: 'Exit code 3' });
  });
});
