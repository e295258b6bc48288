// The official conformance suite of MCP against a real gateway: each scenario that fits any server. Those that need a tool,
// a resource or a prompt of the suite's own example server are listed in docs/mcp.md, and here, so that a new one is seen.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentBinary } from '../../scripts/agents.mjs';
import { call, connectHttp } from '../mcp/mcp.fixture.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';

const FITTING = [
  'server-initialize',
  'ping',
  'logging-set-level',
  'tools-list',
  'resources-list',
  'resources-subscribe',
  'resources-unsubscribe',
  'prompts-list',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
];
/** Each asks for something by a name that only the suite's example server has. */
const NOT_FITTING = [
  'completion-complete',
  'elicitation-sep1034-defaults',
  'elicitation-sep1330-enums',
  'json-schema-2020-12',
  'prompts-get-embedded-resource',
  'prompts-get-simple',
  'prompts-get-with-args',
  'prompts-get-with-image',
  'resources-read-binary',
  'resources-read-text',
  'resources-templates-read',
  'server-sse-polling',
  'tools-call-audio',
  'tools-call-elicitation',
  'tools-call-embedded-resource',
  'tools-call-error',
  'tools-call-image',
  'tools-call-mixed-content',
  'tools-call-sampling',
  'tools-call-simple-text',
  'tools-call-with-logging',
  'tools-call-with-progress',
];

let gateway: Gateway;
let proxy: Server;
let suite: string;
let results: string;
beforeAll(async () => {
  [gateway, suite] = await Promise.all([openGateway(), agentBinary('mcp-conformance')]);
  results = mkdtempSync(join(tmpdir(), 'binnacle-conformance-'));
  const client = await connectHttp(gateway);
  const { id } = (await call(client, 'bash_start', { command: 'cat' })).data;
  await client.close();
  proxy = withToken(`binnacle://sessions/${id}/output`);
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
}, 600_000);
afterAll(async () => {
  proxy?.close();
  proxy?.closeAllConnections();
  await gateway?.close();
  if (results !== undefined) rmSync(results, { recursive: true });
});

/**
 * The suite has no way to say a token, and its resource to follow is one of its example server: this adds the one and
 * names a resource of ours for the other. Everything else passes as it is, Host and Origin too.
 */
function withToken(resource: string): Server {
  return createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.from(Buffer.concat(chunks).toString().replaceAll('test://watched-resource', resource));
      // The port is the proxy's: everything else of the names is the suite's own.
      const ours = (value: string | undefined): string | undefined =>
        value?.replace(`:${(proxy.address() as AddressInfo).port}`, `:${new URL(gateway.url).port}`);
      const { host, origin } = incoming.headers;
      const headers = {
        ...incoming.headers,
        host: ours(host),
        ...(origin === undefined ? {} : { origin: ours(origin) }),
        authorization: `Bearer ${gateway.token}`,
        ...(body.length === 0 ? {} : { 'content-length': String(body.length) }),
      };
      const { pathname, port, hostname } = new URL(incoming.url ?? '', gateway.url);
      const passed = request({ hostname, port, path: pathname, method: incoming.method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        outgoing.flushHeaders();
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      outgoing.on('close', () => passed.destroy());
      passed.end(body);
    });
  });
}

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED';
  readonly errorMessage?: string;
}

async function run(scenario: string): Promise<readonly Check[]> {
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mcp`;
  const dir = join(results, scenario);
  const args = ['server', '--url', url, '--scenario', scenario, '-o', dir];
  await promisify(execFile)(suite, args, { timeout: 60_000 }).catch((error: unknown) => error);
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter(({ name }) => name === 'checks.json');
  return files.flatMap(({ parentPath, name }) => JSON.parse(readFileSync(join(parentPath, name), 'utf8')) as Check[]);
}

describe('the conformance suite of MCP', () => {
  test('has no scenario for servers that nobody has looked at', async () => {
    const { stdout } = await promisify(execFile)(suite, ['list'], { timeout: 60_000 });
    const [, servers = ''] = /Server scenarios[^\n]*\n([\s\S]*?)\n\n/.exec(stdout) ?? [];
    const names = [...servers.matchAll(/^ {2}- ([\w-]+)/gm)].map(([, name]) => name);
    expect(names.sort()).toEqual([...FITTING, ...NOT_FITTING].sort());
  });

  test.each(FITTING)(
    'passes: %s',
    async (scenario) => {
      const checks = await run(scenario);
      expect(checks.length).toBeGreaterThan(0);
      expect(checks.filter(({ status }) => status !== 'SUCCESS' && status !== 'INFO')).toEqual([]);
      expect(checks.some(({ status }) => status === 'SUCCESS')).toBe(true);
    },
    90_000,
  );
});
