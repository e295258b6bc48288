// `binnacle mcp` on stdio: the official client starts the real binary; what goes wrong is an answer, and stdout is clean.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { BINARY, call, connectStdio, type Era, tokenFor } from './mcp.fixture.ts';

let gateway: GatewayProcess;
const clients: Client[] = [];
const bridges: ChildProcess[] = [];
beforeAll(async () => {
  gateway = await openGatewayProcess();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const bridge of bridges.splice(0)) bridge.kill('SIGKILL');
});
afterAll(() => gateway.close());

async function connect(options: Parameters<typeof connectStdio>[1] = {}): Promise<Client> {
  const client = await connectStdio(gateway, options);
  clients.push(client);
  return client;
}

describe.each<Era>(some(['handshake', 'stateless'] as const, 1))('in the era of the %s', (era) => {
  test('an agent starts a command where it works itself, asks several things at once, and leaves: the session stays', async () => {
    const cwd = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-mcp-é-')));
    const client = await connect({ era, cwd });
    const { tools } = await client.listTools();
    expect(tools).toHaveLength(7);
    const { data } = await call(client, 'bash_start', { command: 'pwd; read x; echo "got $x"' });
    expect(data.cwd).toBe(cwd);
    const { id } = data;
    const [first, list] = await Promise.all([
      call(client, 'bash_output', { id, offset: 0, until: 'got', wait_ms: 20_000 }),
      // Not only what runs: the line may have ended it by then.
      call(client, 'bash_list'),
      call(client, 'bash_input', { id, text: 'ahoy\n' }),
    ]);
    expect(first.data).toMatchObject({ text: `${cwd}\ngot ahoy\n`, matched: true });
    expect(list.data.sessions.map((one: { id: string }) => one.id)).toContain(id);
    const { contents } = await client.readResource({ uri: `binnacle://sessions/${id}/output` });
    expect(contents).toMatchObject([{ text: `${cwd}\ngot ahoy\n` }]);
    const long = await call(client, 'bash_start', { command: 'sleep 100' });
    await client.close();
    const running = await (await gateway.fetch(`/v1/sessions/${long.data.id}`)).json();
    expect(running).toMatchObject({ running: true, cwd });
    await gateway.fetch(`/v1/sessions/${long.data.id}`, { method: 'DELETE' });
    rmSync(cwd, { recursive: true });
  });
});

test('an agent that cancels a call ends the wait in the gateway', async () => {
  const bridge = open();
  const id = await startSleeping();
  const read = { name: 'bash_output', arguments: { id, block: true } };
  bridge.send({ jsonrpc: '2.0', id: 'w', method: 'tools/call', params: read });
  await until('it waits', async () => (await viewers()) === 1);
  bridge.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'w' } });
  await until('nobody waits', async () => (await viewers()) === 0);
  bridge.send({ jsonrpc: '2.0', id: 2, method: 'ping' });
  expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 2, result: {} });
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
});

inAll('while the gateway is gone, requests are answered with what to do; when it is back, it goes on', async () => {
  const client = await connect();
  const { id } = (await call(client, 'bash_start', { command: 'echo ahoy; sleep 100' })).data;
  await gateway.kill();
  await expect(call(client, 'bash_output', { id })).rejects.toThrow(/does not answer.*binnacle serve/);
  await gateway.restart();
  expect((await call(client, 'bash_output', { id, offset: 0, wait_ms: 5000 })).data.text).toBe('ahoy\n');
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
});

test('a call whose connection is cut is answered, and said to have been cut', async () => {
  const bridge = open();
  const id = await startSleeping();
  const read = { name: 'bash_output', arguments: { id, block: true } };
  bridge.send({ jsonrpc: '2.0', id: 'w', method: 'tools/call', params: read });
  await until('it waits', async () => (await viewers()) === 1);
  await gateway.kill();
  expect(await bridge.next()).toMatchObject({ id: 'w', error: { data: { code: 'connection_lost' } } });
  await gateway.restart();
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
});

test('lines that are no messages are answered, notifications are not, and stdout holds nothing but messages', async () => {
  const bridge = open();
  bridge.write('nonsense\n\n   \n{"jsonrpc":"2.0","method":"notifications/initialized"}\r\n');
  expect(await bridge.next()).toMatchObject({ id: null, error: { code: -32700 } });
  bridge.write(`"${'x'.repeat(2 * 1024 * 1024)}"\n`);
  expect(await bridge.next()).toMatchObject({
    id: null,
    error: { code: -32700, message: expect.stringMatching(/longer/) },
  });
  // An answer to nothing, and a message in two parts, the first of which ends within a character.
  bridge.write('{"jsonrpc":"2.0","id":7,"result":{}}\n');
  const bytes = Buffer.from('{"jsonrpc":"2.0","id":"é","method":"ping"}\n');
  bridge.write(bytes.subarray(0, 23));
  bridge.write(bytes.subarray(23));
  expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 'é', result: {} });
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'no/such' });
  expect(await bridge.next()).toMatchObject({ id: 1, error: { code: -32601 } });
});

test('it ends at the end of stdin, with the answers that are nearly there and without those that are not', async () => {
  const id = await startSleeping();
  const bridge = open();
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
  bridge.send({
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/call',
    params: { name: 'bash_output', arguments: { id, block: true } },
  });
  bridge.child.stdin?.end();
  const [code] = await once(bridge.child, 'exit');
  expect(code).toBe(0);
  expect(await bridge.next()).toMatchObject({ id: 1, result: {} });
  expect(bridge.left()).toEqual([]);
  await gateway.fetch(`/v1/sessions/${id}`, { method: 'DELETE' });
});

test('a token that may do less is taken from the environment, and one that is wrong is told with the hint', async () => {
  const env = { BINNACLE_TOKEN: await tokenFor(gateway, 'view') };
  const client = await connect({ env });
  expect((await call(client, 'bash_start', { command: 'true' })).data).toMatchObject({ code: 'forbidden' });
  const bridge = open({ BINNACLE_TOKEN: 'wrong' });
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
  expect(await bridge.next()).toMatchObject({ id: 1, error: { data: { code: 'unauthorized' } } });
});

test('--print-config says how to tell agents of it, without a gateway and as it can be pasted', async () => {
  const { text, settings } = await printed(['--data', "/some where/it's"]);
  const script = realpathSync(BINARY);
  expect(text).toContain(`claude mcp add binnacle -- ${process.execPath} ${script} mcp --data '/some where/it'\\''s'`);
  const args = [script, 'mcp', '--data', "/some where/it's"];
  expect(text).toContain(
    `[mcp_servers.binnacle]\n  command = "${process.execPath}"\n  args = ${JSON.stringify(args)}\n  tool`,
  );
  expect(settings).toEqual({ command: process.execPath, args });
});

test('what --print-config prints starts for an agent that passes no environment on', async () => {
  const ways: readonly [string[], Record<string, string>][] = [
    [[], { BINNACLE_URL: gateway.url, BINNACLE_TOKEN: gateway.token }],
    [[], { BINNACLE_DATA: gateway.dir }],
    [['--data', gateway.dir], {}],
  ];
  for (const [given, env] of some(ways, 1)) {
    const { text, settings } = await printed(given, env);
    // It is a secret, and terminals are looked at.
    expect(text).not.toContain(gateway.token);
    const { BINNACLE_TOKEN, ...rest } = settings.env ?? {};
    const client = new Client({ name: 'test', version: '1' });
    clients.push(client);
    const token: Record<string, string> = BINNACLE_TOKEN === 'TOKEN' ? { BINNACLE_TOKEN: gateway.token } : {};
    await client.connect(new StdioClientTransport({ ...settings, cwd: tmpdir(), env: { ...rest, ...token } }));
    expect((await call(client, 'bash_list')).isError).toBe(false);
  }
});

interface Printed {
  readonly text: string;
  /** What stands in the JSON for us. */
  readonly settings: { readonly command: string; readonly args: string[]; readonly env?: Record<string, string> };
}

async function printed(args: readonly string[], env: Record<string, string> = {}): Promise<Printed> {
  const child = spawn(process.execPath, [BINARY, 'mcp', ...args, '--print-config'], { env });
  let text = '';
  child.stdout.on('data', (bytes) => {
    text += String(bytes);
  });
  expect((await once(child, 'close'))[0]).toBe(0);
  const json = JSON.parse(text.slice(text.indexOf('  {\n'), text.lastIndexOf('\n  }') + 4));
  return { text, settings: json.mcpServers.binnacle };
}

/** The binary with its pipes, and nothing in between. */
function open(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [BINARY, 'mcp', '--data', gateway.dir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  bridges.push(child);
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    told += text;
  });
  const write = (text: string | Buffer): void => void child.stdin.write(text);
  return {
    child,
    write,
    send: (message: object): void => write(`${JSON.stringify(message)}\n`),
    next: async (): Promise<Record<string, unknown>> => {
      await until('it answers', () => told.includes('\n'));
      const line = told.slice(0, told.indexOf('\n'));
      told = told.slice(line.length + 1);
      return JSON.parse(line);
    },
    left: (): string[] => told.split('\n').filter((line) => line !== ''),
  };
}

async function startSleeping(): Promise<string> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"command": "sleep 100"}' };
  return ((await (await gateway.fetch('/v1/sessions', init)).json()) as { id: string }).id;
}

/** Whoever has a connection open or waits for something. */
async function viewers(): Promise<number> {
  const text = await (await gateway.fetch('/metrics')).text();
  return Number(/^binnacle_viewers (\d+)$/m.exec(text)?.[1]);
}
