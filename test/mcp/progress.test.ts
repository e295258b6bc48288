// Progress of calls that wait, for clients that ask for it: over HTTP of both eras, and over stdio.

import type { Client, Progress } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { count, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type Answered, call, connectHttp, connectStdio, post } from './mcp.fixture.ts';

let gateway: Gateway;
const clients: Client[] = [];
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await gateway.close();
});

const CONNECTIONS = [
  ['HTTP with a handshake', () => connectHttp(gateway)],
  ['HTTP without a handshake', () => connectHttp(gateway, { era: 'stateless' })],
  ['stdio with a handshake', () => connectStdio(gateway)],
  ['stdio without a handshake', () => connectStdio(gateway, { era: 'stateless' })],
] as const;

test.concurrent.each(some(CONNECTIONS, 2))('a read that waits tells how far it is, over %s', async (_, connect) => {
  const client = await connect();
  clients.push(client);
  const { id } = (await call(client, 'bash_start', { command: 'echo first step; read x; echo over' })).data;
  const told: Progress[] = [];
  const inputs: Promise<Answered>[] = [];
  const read = { name: 'bash_output', arguments: { id, offset: 0, until: 'over' } };
  const answer = client.callTool(read, {
    onprogress: (progress) => {
      told.push(progress);
      inputs.push(call(client, 'bash_input', { id, text: 'go\n' }));
    },
  });
  const { structuredContent } = await answer;
  expect(await Promise.all(inputs)).toMatchObject([{ isError: false }]);
  expect(structuredContent).toMatchObject({ matched: true });
  expect(told).toMatchObject([{ total: 25, message: 'bash_output waits: 11 bytes of output; last line: first step' }]);
  expect(told[0]?.progress).toBeGreaterThanOrEqual(1);
});

test.concurrent('a flood is told of once a second at most, its last line is cut, and the answer comes last', async () => {
  const client = await connectHttp(gateway);
  clients.push(client);
  const command = `timeout 30 sh -c 'while :; do echo ${'x'.repeat(5000)}; done'`;
  const { id } = (await call(client, 'bash_start', { command })).data;
  const params = {
    name: 'bash_output',
    arguments: { id, until: 'never', wait_ms: count({ quick: 1500, all: 2500 }), max_bytes: 1000 },
    _meta: { progressToken: 'flood' },
  };
  const began = performance.now();
  const { messages } = await post(gateway, { jsonrpc: '2.0', id: 7, method: 'tools/call', params });
  const seconds = (performance.now() - began) / 1000;
  const progress = messages.filter(({ method }) => method === 'notifications/progress') as {
    params: { progressToken: string; progress: number; message: string };
  }[];
  expect(progress.length).toBeGreaterThan(0);
  expect(progress.length).toBeLessThanOrEqual(seconds);
  const steps = progress.map(({ params }) => params.progress);
  expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
  for (const { params } of progress) {
    expect(params.progressToken).toBe('flood');
    expect(params.message.length).toBeLessThan(250);
  }
  expect(messages.at(-1)).toMatchObject({ id: 7, result: { structuredContent: { matched: false } } });
  await call(client, 'bash_stop', { id, grace_ms: 0 });
});

test.concurrent('who asks for no progress is told of none', async () => {
  const client = await connectHttp(gateway);
  clients.push(client);
  const { id } = (await call(client, 'bash_start', { command: 'sleep 1.2' })).data;
  const params = { name: 'bash_output', arguments: { id, block: true } };
  const { messages } = await post(gateway, { jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  expect(messages).toMatchObject([{ id: 1 }]);
});
