// Following a session's output by its resource: over HTTP of both eras and over stdio.

import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnyGateway, killGateway, openAnyGateway } from '../support/any-gateway.ts';
import { count, inAll, some } from '../support/count.ts';
import { until } from '../support/until.ts';
import { call, connectHttp, connectStdio, post, tokenFor } from './mcp.fixture.ts';

const LIMIT = 6;
let gateway: AnyGateway;
const clients: Client[] = [];
beforeAll(async () => {
  gateway = await openAnyGateway({ maxMcpSubscriptions: LIMIT });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await gateway.close();
});

const outputOf = (id: string): string => `binnacle://sessions/${id}/output`;

/** Client that notes what it is told. */
async function follower(connect: () => Promise<Client>) {
  const client = await connect();
  clients.push(client);
  const updates: string[] = [];
  const words: string[] = [];
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updates.push(params.uri));
  client.setNotificationHandler('notifications/message', ({ params }) => void words.push(String(params.data)));
  return { client, updates, words };
}

const HANDSHAKE = [
  ['HTTP', (token?: string) => connectHttp(gateway, token === undefined ? {} : { token })],
  [
    'stdio',
    (token?: string) =>
      connectStdio(gateway, token === undefined ? {} : { env: { BINNACLE_URL: gateway.url, BINNACLE_TOKEN: token } }),
  ],
] as const;

describe.each(some(HANDSHAKE, 1))('with a handshake over %s', (_, connect) => {
  test('a flood is told of once a second at most, the end is told of, and nothing after leaving', async () => {
    const { client, updates, words } = await follower(async () => connect(await tokenFor(gateway, 'create')));
    expect(client.getServerCapabilities()?.resources?.subscribe).toBe(true);
    const { id } = (
      await call(client, 'bash_start', {
        command: `read x; timeout ${count({ quick: 0.6, all: 1.5 })} yes; read y; echo more`,
      })
    ).data;
    await client.subscribeResource({ uri: outputOf(id) });
    await client.subscribeResource({ uri: outputOf(id) });
    expect(updates).toEqual([]);
    await call(client, 'bash_input', { id, text: '\n' });
    const began = performance.now();
    await until('it is told of output', () => updates.length > 0);
    await call(client, 'bash_input', { id, text: '\n' });
    await call(client, 'bash_output', { id, block: true });
    await until('it is told of the last output', async () => {
      const [content] = (await client.readResource({ uri: outputOf(id) })).contents;
      return content !== undefined && 'text' in content && content.text.endsWith('more\n');
    });
    const seconds = (performance.now() - began) / 1000;
    expect(updates.length).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
    expect(new Set(updates)).toEqual(new Set([outputOf(id)]));
    if (_ === 'HTTP') await until('it is told of the end', () => words.some((one) => one.includes('exited with 0')));
    const other = (await call(client, 'bash_start', { command: 'read x; echo heard' })).data.id;
    await client.subscribeResource({ uri: outputOf(other) });
    await client.unsubscribeResource({ uri: outputOf(other) });
    const before = updates.filter((uri) => uri === outputOf(other)).length;
    await call(client, 'bash_input', { id: other, text: '\n' });
    await call(client, 'bash_output', { id: other, block: true });
    expect(updates.filter((uri) => uri === outputOf(other))).toHaveLength(before);
  });

  test('what is not there is refused, and one more than the limit by code', async () => {
    const { client } = await follower(async () => connect(await tokenFor(gateway, 'create')));
    await expect(client.subscribeResource({ uri: outputOf('nothing') })).rejects.toThrow(/No such session|not found/);
    await expect(client.subscribeResource({ uri: 'file:///etc/passwd' })).rejects.toThrow(/No resource|not found/);
    const refused: unknown[] = [];
    for (let n = 0; n <= LIMIT; n += 1) {
      const { id } = (await call(client, 'bash_start', { command: 'true' })).data;
      await client.subscribeResource({ uri: outputOf(id) }).catch((error: unknown) => refused.push(error));
    }
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ data: { code: 'too_many_subscriptions', details: { limit: LIMIT } } });
  });
});

describe('without a handshake', () => {
  test.each([
    ['HTTP', () => connectHttp(gateway, { era: 'stateless' })],
    ['stdio', () => connectStdio(gateway, { era: 'stateless' })],
  ] as const)('a stream over %s tells of the addresses that there are', async (_, connect) => {
    const { client, updates } = await follower(connect);
    const { id } = (await call(client, 'bash_start', { command: 'read x; echo heard; sleep 20' })).data;
    const stream = await client.listen({ resourceSubscriptions: [outputOf(id), outputOf('nothing')] });
    expect(stream.honoredFilter).toEqual({ resourceSubscriptions: [outputOf(id)] });
    await call(client, 'bash_input', { id, text: '\n' });
    await until('it is told of output', () => updates.includes(outputOf(id)));
    await stream.close();
    await call(client, 'bash_stop', { id, grace_ms: 0 });
  });
});

test('a stream ends with its token, and nobody else can listen in by its id', async () => {
  const token = await tokenFor(gateway, 'create');
  const other = await tokenFor(gateway, 'view');
  const as = (secret: string, id: string | null = null) => ({
    authorization: `Bearer ${secret}`,
    ...(id === null ? {} : { 'mcp-session-id': id }),
  });
  const hello = await post(
    gateway,
    {
      ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '0' } },
    },
    as(token),
  );
  const id = hello.headers.get('mcp-session-id');
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  const listen = (headers: Record<string, string>) => gateway.fetch('/mcp', { headers });
  expect((await listen(as(other, id))).status).toBe(404);
  expect((await listen(as(token, 'f'.repeat(64)))).status).toBe(404);
  expect((await listen(as(token))).status).toBe(405);
  const subscribe = { jsonrpc: '2.0', id: 2, method: 'resources/subscribe', params: { uri: outputOf('x') } };
  expect((await post(gateway, subscribe, as(other, id))).status).toBe(404);
  const stream = await listen(as(token, id));
  expect(stream.headers.get('content-type')).toBe('text/event-stream');
  const ended = stream.text().catch(() => 'cut');
  const { tokens } = (await (await gateway.fetch('/v1/tokens')).json()) as {
    tokens: { id: string; scope: string; createdAt: number }[];
  };
  const newest = tokens.filter(({ scope }) => scope === 'create').sort((a, b) => b.createdAt - a.createdAt)[0];
  const began = performance.now();
  await gateway.fetch(`/v1/tokens/${newest?.id}`, { method: 'DELETE' });
  expect(await ended).not.toContain('data:');
  expect(performance.now() - began).toBeLessThan(1000);
});

test('a client that says goodbye has to begin anew', async () => {
  const client = await connectHttp(gateway);
  const id = (client.transport as { sessionId?: string }).sessionId ?? '';
  expect((await gateway.fetch('/mcp', { method: 'DELETE', headers: { 'mcp-session-id': id } })).status).toBe(204);
  expect((await gateway.fetch('/mcp', { headers: { 'mcp-session-id': id } })).status).toBe(404);
  // Calls that need nothing kept go on as before.
  expect((await call(client, 'bash_list')).isError).toBe(false);
  await client.close();
});

inAll('over stdio a restart of the gateway loses no subscription, and is told of as a change', async () => {
  const { client, updates } = await follower(() => connectStdio(gateway));
  const { id } = (await call(client, 'bash_start', { command: 'cat' })).data;
  await client.subscribeResource({ uri: outputOf(id) });
  await killGateway(gateway);
  await gateway.restart();
  await until('it is told to read again', () => updates.length > 0);
  const before = updates.length;
  await call(client, 'bash_input', { id, text: 'after\n' });
  await until('it is told of output', () => updates.length > before);
});
