// MCP over HTTP: what a raw client of 2025 gets, both eras by the official client, and what is refused.

import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnyGateway, killGateway, openAnyGateway } from '../support/any-gateway.ts';
import { inAll } from '../support/count.ts';
import { until } from '../support/until.ts';
import { call, connectHttp, type Era, post, tokenFor } from './mcp.fixture.ts';

const TOOLS = ['bash_start', 'bash_output', 'bash_input', 'bash_signal', 'bash_screen', 'bash_list', 'bash_stop'];

let gateway: AnyGateway;
const clients: Client[] = [];
beforeAll(async () => {
  gateway = await openAnyGateway({ maxMcpCalls: 3 }, ['--max-mcp-calls', '3']);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await gateway.close();
});

async function connect(options: Parameters<typeof connectHttp>[1] = {}): Promise<Client> {
  const client = await connectHttp(gateway, options);
  clients.push(client);
  return client;
}

test('a raw client of 2025 initializes, lists the tools and calls one, with nothing but fetch', async () => {
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '0' } },
  };
  const hello = await post(gateway, initialize);
  expect(hello.status).toBe(200);
  // For subscriptions alone: what follows goes without.
  expect(hello.headers.get('mcp-session-id')).toMatch(/^[0-9a-f]{64}$/);
  expect(hello.messages).toMatchObject([
    { id: 1, result: { protocolVersion: '2025-06-18', serverInfo: { name: 'binnacle' }, capabilities: { tools: {} } } },
  ]);
  const version = { 'mcp-protocol-version': '2025-06-18' };
  const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
  expect(await post(gateway, initialized, version)).toMatchObject({ status: 202, messages: [] });

  const [list] = (await post(gateway, { jsonrpc: '2.0', id: 'b', method: 'tools/list' }, version)).messages;
  const { tools } = (list as { result: { tools: { name: string; inputSchema: object; annotations: object }[] } })
    .result;
  expect(tools.map(({ name }) => name)).toEqual(TOOLS);
  expect(tools.find(({ name }) => name === 'bash_output')).toMatchObject({
    inputSchema: { type: 'object', required: ['id'], properties: { id: { type: 'string' }, until: {} } },
    annotations: { readOnlyHint: true, destructiveHint: false },
  });
  expect(tools.find(({ name }) => name === 'bash_stop')).toMatchObject({ annotations: { destructiveHint: true } });

  const start = { name: 'bash_start', arguments: { command: 'echo ahoy' } };
  const [started] = (await post(gateway, { jsonrpc: '2.0', id: 3, method: 'tools/call', params: start })).messages;
  const { id } = (started as { result: { structuredContent: { id: string } } }).result.structuredContent;
  const read = { name: 'bash_output', arguments: { id, offset: 0, block: true } };
  const [answer] = (await post(gateway, { jsonrpc: '2.0', id: 4, method: 'tools/call', params: read })).messages;
  expect(answer).toMatchObject({
    id: 4,
    result: { structuredContent: { id, text: 'ahoy\n', offset: 0, next_offset: 5, status: 'closed', exit_code: 0 } },
  });
});

describe.each<Era>(['handshake', 'stateless'])('the official client, in the era of the %s,', (era) => {
  test('starts a command, reads on from where it was, types, and sees the end', async () => {
    const client = await connect({ era });
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(TOOLS);
    const command = 'echo one; read line; echo "got $line"; exit 3';
    const started = await call(client, 'bash_start', { command, description: 'asks for a line', cwd: '/tmp' });
    expect(started.data).toMatchObject({ offset: 0, name: 'asks for a line', cwd: '/tmp', exit_code: null });
    const { id, url } = started.data;
    expect(url).toBe(`${gateway.url}/#/${id}`);
    const first = await call(client, 'bash_output', { id, offset: 0, wait_ms: 10_000 });
    expect(first.data).toMatchObject({ text: 'one\n', next_offset: 4, truncated: false, status: 'running' });
    expect(first.text).toBe('one\n[running; next_offset 4]');
    expect((await call(client, 'bash_input', { id, text: 'two\n' })).data).toMatchObject({ accepted: 4 });
    const last = await call(client, 'bash_output', { id, offset: 4, block: true });
    expect(last.data).toMatchObject({ text: 'got two\n', offset: 4, exit_code: 3, signal: null, timed_out: false });
    expect(last.text).toContain('exited with 3');
    await expect(call(client, 'bash_input', { id, text: 'late' })).resolves.toMatchObject({
      isError: true,
      data: { code: 'session_exited' },
    });
  });
});

test('without a token, from a foreign page, by another method and in another type it is refused', async () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const type = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  expect((await fetch(`${gateway.url}/mcp`, { method: 'POST', headers: type, body })).status).toBe(401);
  const foreign = await gateway.fetch('/mcp', {
    method: 'POST',
    headers: { ...type, origin: 'https://evil.example' },
    body,
  });
  expect(foreign.status).toBe(403);
  for (const method of ['GET', 'DELETE']) {
    const refused = await gateway.fetch('/mcp', { method });
    expect(refused.status).toBe(405);
    expect(refused.headers.get('allow')).toContain('POST');
  }
  expect((await post(gateway, body, { 'content-type': 'text/plain' })).status).toBe(415);
  const broken = await post(gateway, '{"jsonrpc": "2.0", "id": 1, ');
  expect(broken).toMatchObject({ status: 400, messages: [{ error: { code: -32700 } }] });
  expect((await post(gateway, `"${'x'.repeat(1024 * 1024)}"`)).status).toBe(413);
  expect((await post(gateway, '['.repeat(100_000))).status).toBe(400);
  const unknown = await post(gateway, { jsonrpc: '2.0', id: 9, method: 'no/such' });
  expect(unknown.messages).toMatchObject([{ id: 9, error: { code: -32601 } }]);
});

test('what a tool needs is named to a token that has less, and nothing is done', async () => {
  const viewer = await connect({ token: await tokenFor(gateway, 'view') });
  const typist = await connect({ token: await tokenFor(gateway, 'input') });
  const maker = await connect({ token: await tokenFor(gateway, 'create') });
  const refused = await call(viewer, 'bash_start', { command: 'true' });
  expect(refused).toMatchObject({
    isError: true,
    data: { code: 'forbidden', details: { needed: 'create', held: 'view' } },
  });
  expect(refused.text).toContain('"create"');
  const { id } = (await call(maker, 'bash_start', { command: 'cat' })).data;
  for (const [name, args, needed] of [
    ['bash_input', { id, text: 'x' }, 'input'],
    ['bash_signal', { id, signal: 'INT' }, 'input'],
    ['bash_stop', { id }, 'create'],
  ] as const) {
    expect((await call(viewer, name, args)).data).toMatchObject({ code: 'forbidden', details: { needed } });
  }
  expect((await call(typist, 'bash_stop', { id })).data).toMatchObject({ code: 'forbidden' });
  expect((await call(typist, 'bash_input', { id, text: 'ahoy\n' })).isError).toBe(false);
  expect((await call(viewer, 'bash_output', { id, until: 'ahoy' })).data).toMatchObject({
    matched: true,
    text: 'ahoy\n',
  });
  expect((await call(viewer, 'bash_list', { running: true })).data.sessions).toMatchObject([{ id }]);
  expect((await call(maker, 'bash_stop', { id, grace_ms: 200 })).isError).toBe(false);
});

test.each<Era>(['handshake', 'stateless'])(
  'only so many calls of one token wait at once, and who goes away makes room (%s)',
  async (era) => {
    const client = await connect({ era });
    const { id } = (await call(client, 'bash_start', { command: 'sleep 100' })).data;
    const leaving = new AbortController();
    const read = { name: 'bash_output', arguments: { id, block: true } };
    // In the era of the handshake the official client says goodbye in another request, which a server without memory
    // cannot relate to the first; its connection is what counts.
    const wait = () =>
      era === 'stateless'
        ? call(client, 'bash_output', { id, block: true }, { signal: leaving.signal })
        : gateway.fetch('/mcp', {
            method: 'POST',
            headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
            body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: read }),
            signal: leaving.signal,
          });
    const waiting = [1, 2, 3].map(() => wait().catch(() => 'left'));
    let refused = await call(client, 'bash_output', { id });
    await until('a call is refused', async () => {
      refused = await call(client, 'bash_output', { id });
      return refused.isError;
    });
    expect(refused.data).toMatchObject({ code: 'too_many_calls', retryable: true, details: { limit: 3 } });
    const other = await connect({ token: await tokenFor(gateway, 'view') });
    expect((await call(other, 'bash_output', { id })).isError).toBe(false);
    leaving.abort();
    expect(await Promise.all(waiting)).toEqual(['left', 'left', 'left']);
    await until('there is room again', async () => !(await call(client, 'bash_output', { id })).isError);
    await call(client, 'bash_stop', { id, grace_ms: 0 });
  },
);

test('a token that is revoked while a call waits gets no answer', async () => {
  const token = await tokenFor(gateway, 'view');
  const { id } = (await call(await connect(), 'bash_start', { command: 'sleep 1; echo secret; sleep 100' })).data;
  const read = { name: 'bash_output', arguments: { id, offset: 0, until: 'secret' } };
  const answer = post(
    gateway,
    { jsonrpc: '2.0', id: 4, method: 'tools/call', params: read },
    { authorization: `Bearer ${token}` },
  );
  const { tokens } = (await (await gateway.fetch('/v1/tokens')).json()) as {
    tokens: { id: string; createdAt: number }[];
  };
  const newest = tokens.sort((a, b) => b.createdAt - a.createdAt)[0];
  expect((await gateway.fetch(`/v1/tokens/${newest?.id}`, { method: 'DELETE' })).ok).toBe(true);
  const { status, messages } = await answer;
  expect(status).toBe(401);
  expect(JSON.stringify(messages)).not.toContain('secret\\n');
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
});

inAll('the gateway restarts between two calls, and the client notices nothing', async () => {
  const client = await connect({ era: 'stateless' });
  const { id } = (await call(client, 'bash_start', { command: 'echo before; read x; echo "after $x"' })).data;
  expect((await call(client, 'bash_output', { id, offset: 0, wait_ms: 10_000 })).data.text).toBe('before\n');
  await killGateway(gateway);
  await gateway.restart();
  await call(client, 'bash_input', { id, keys: ['o', 'k', 'enter'] });
  expect((await call(client, 'bash_output', { id, offset: 7, block: true })).data.text).toBe('after ok\n');
});
