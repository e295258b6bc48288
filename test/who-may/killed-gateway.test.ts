// A gateway that was killed leaves its address behind, and the port may be another program's by then: nothing of this
// machine gives that program a secret.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { atEnd } from '../support/teardown.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
const run = promisify(execFile);

let gateway: GatewayProcess;
let hook: Readonly<Record<string, string>>;
/** Whatever came to the port after the gateway was gone. */
const seen: { readonly request: IncomingMessage; readonly body: string }[] = [];
const stranger = createServer((request, response) => {
  let body = '';
  request.on('data', (bytes) => {
    body += String(bytes);
  });
  request.on('end', () => {
    seen.push({ request, body });
    // It answers what a gateway would, and repeats whatever it is told.
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ sessions: [], next: null, proof: body }));
  });
});

beforeAll(async () => {
  gateway = await openGatewayProcess();
  const { id } = await gateway.create({ command: 'env | grep ^BINNACLE_; sleep 600' });
  const text = await gateway.seen(id, /BINNACLE_SESSION=\S+/);
  hook = Object.fromEntries([...text.matchAll(/^(BINNACLE_\w+)=(\S+)\r?$/gm)].map(([, name, value]) => [name, value]));
  await gateway.kill();
  const { port } = new URL(gateway.url);
  await new Promise<void>((listening) => stranger.listen(Number(port), '127.0.0.1', listening));
  atEnd(() => new Promise((closed) => stranger.close(closed)));
});

const secretsSeen = (secrets: readonly string[]): string[] =>
  seen.flatMap(({ request, body }) => {
    const all = JSON.stringify([request.url, request.rawHeaders, body]);
    return secrets.some((secret) => all.includes(secret)) ? [`${request.method} ${request.url}`] : [];
  });

describe('the address of a gateway that was killed, where another program listens', () => {
  it('is left behind, with a key that nobody else can read', () => {
    const file = JSON.parse(readFileSync(join(gateway.dir, 'gateway.json'), 'utf8'));
    expect(file).toMatchObject({ url: gateway.url, key: expect.stringMatching(/^[\w-]{43}$/) });
  });

  const COMMANDS = [
    [['ls']],
    [['token', 'ls']],
    [['kill', 'x']],
    [['doctor']],
    [['route', 'explain', '--channel', 'irc']],
    [['mcp']],
  ];
  it.each(some(COMMANDS, 3))('gets no token from binnacle %j', async (args) => {
    const env = { PATH: process.env.PATH, HOME: gateway.dir };
    const asked = run(process.execPath, [BINARY, ...args, '--data', gateway.dir], { env, timeout: 20_000 });
    asked.child.stdin?.end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n');
    const said = await asked.then(
      ({ stdout, stderr }) => stdout + stderr,
      ({ stdout, stderr }) => stdout + stderr,
    );
    expect(secretsSeen([gateway.token])).toEqual([]);
    expect(said).toContain(gateway.url);
    expect(said).toMatch(/another program/i);
  });

  it('gets no token from binnacle emit, which waits for a gateway', async () => {
    const env = { PATH: process.env.PATH, HOME: gateway.dir };
    const args = [BINARY, 'emit', '--data', gateway.dir, '--flush-ms', '500', '--', 'echo', 'emitted'];
    const { stdout } = await run(process.execPath, args, { env, timeout: 20_000 });
    expect(stdout).toBe('emitted\n');
    expect(seen.some(({ request: { url } }) => url === '/v1/proof')).toBe(true);
    expect(secretsSeen([gateway.token])).toEqual([]);
  });

  it('gets no secret from the hook of an agent', async () => {
    const before = seen.length;
    const asked = run(hook.BINNACLE_HOOK ?? '', ['claude'], { env: { PATH: process.env.PATH ?? '', ...hook } });
    asked.child.stdin?.end(JSON.stringify({ hook_event_name: 'Stop' }));
    await asked;
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBeGreaterThan(before);
    expect(secretsSeen([hook.BINNACLE_HOOK_SECRET ?? '?'])).toEqual([]);
  });
});
