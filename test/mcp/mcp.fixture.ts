// The official client of the protocol on a real gateway, over HTTP and over stdio, and a raw POST for what it would not do.

import { resolve } from 'node:path';
import { type CallToolResult, Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import type { GatewayAccess } from '../support/gateway-access.ts';

export const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

export type Era = 'handshake' | 'stateless';

const clientOf = (era: Era): Client =>
  new Client(
    { name: 'test', version: '1' },
    era === 'handshake' ? {} : { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );

export async function connectHttp(
  gateway: GatewayAccess,
  options: { era?: Era; token?: string } = {},
): Promise<Client> {
  const { era = 'handshake', token = gateway.token } = options;
  const client = clientOf(era);
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers } }));
  return client;
}

export async function connectStdio(
  gateway: Pick<GatewayAccess, 'dir'>,
  options: { era?: Era; cwd?: string; env?: Record<string, string> } = {},
): Promise<Client> {
  const { era = 'handshake', cwd, env = {} } = options;
  const client = clientOf(era);
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [BINARY, 'mcp', '--data', gateway.dir],
      env: { PATH: process.env.PATH ?? '', ...env },
      ...(cwd === undefined ? {} : { cwd }),
    }),
  );
  return client;
}

/** What a tool answers, as an agent would use it. */
export interface Answered {
  readonly isError: boolean;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: each tool has a shape of its own, and the tests say which
  readonly data: Record<string, any>;
}

export async function call(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
  options: { signal?: AbortSignal } = {},
): Promise<Answered> {
  const result = (await client.callTool({ name, arguments: args }, { timeout: 60_000, ...options })) as CallToolResult;
  const [first] = result.content;
  return {
    isError: result.isError === true,
    text: first?.type === 'text' ? first.text : '',
    data: (result.structuredContent ?? {}) as Answered['data'],
  };
}

/** One JSON-RPC message, by a client that knows the protocol of 2025 alone; the messages of the answer. */
export async function post(
  gateway: GatewayAccess,
  message: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; messages: Record<string, unknown>[] }> {
  const response = await gateway.fetch('/mcp', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof message === 'string' ? message : JSON.stringify(message),
  });
  const body = await response.text();
  const events = [...body.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
  const messages = events.length > 0 ? events : body === '' ? [] : [JSON.parse(body)].flat();
  return { status: response.status, headers: response.headers, messages };
}

export async function tokenFor(gateway: GatewayAccess, scope: string): Promise<string> {
  const response = await gateway.fetch('/v1/tokens', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: `test ${scope}`, scope }),
  });
  return ((await response.json()) as { token: string }).token;
}
