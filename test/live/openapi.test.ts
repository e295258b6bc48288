// The documents of the API as others read them: a linter, three generators of clients, one of which calls the gateway,
// and the parser of AsyncAPI.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toolScript } from '../../scripts/agents.mjs';
import { type Gateway, openGateway } from '../support/gateway.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const INSTALL_MS = 300_000;

let gateway: Gateway;
/** Inside of the workspace, so that what was generated is compiled by our compiler. */
const dir = mkdtempSync(join(ROOT, 'node_modules/.cache/openapi-'));
const document = join(dir, 'openapi.json');
beforeAll(async () => {
  gateway = await openGateway();
  writeFileSync(document, await (await gateway.fetch('/openapi.json')).text());
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const tool = async (name: Parameters<typeof toolScript>[0], ...args: string[]) =>
  await run(process.execPath, [await toolScript(name), ...args], {
    cwd: dir,
    env: { ...process.env, TMPDIR: dir },
    maxBuffer: 64 * 1024 * 1024,
  });

it('redocly lint finds neither an error nor a warning by its recommended rules', { timeout: INSTALL_MS }, async () => {
  // Both paths are OpenSandbox's: a command whose id is "status" has logs at the address of a status. Ours are random.
  const ignored = { 'openapi.json': { 'no-ambiguous-paths': ['#/paths/~1command~1{id}~1logs'] } };
  writeFileSync(join(dir, '.redocly.lint-ignore.yaml'), JSON.stringify(ignored));
  writeFileSync(join(dir, 'redocly.yaml'), 'extends:\n  - recommended\n');
  const { stdout } = await tool('redocly', 'lint', 'openapi.json', '--format=json', '--max-problems=1000');
  const { totals, problems } = JSON.parse(stdout);
  expect(problems.filter(({ ignored: isIgnored }: { ignored?: boolean }) => isIgnored !== true)).toEqual([]);
  expect(totals).toMatchObject({ errors: 0, warnings: 0, ignored: 1 });
});

it('three generators make clients with good names, which compile', { timeout: INSTALL_MS }, async () => {
  const made = join(dir, 'made');
  mkdirSync(made);
  await tool('openapi-typescript', document, '-o', join(made, 'types.ts'));
  await tool('hey-api', '-i', document, '-o', join(made, 'hey'), '-c', '@hey-api/client-fetch');
  await tool('orval', '--input', document, '--output', join(made, 'orval.ts'), '--client', 'fetch');
  const compilerOptions = {
    ...{ strict: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler', noEmit: true, types: [] },
    lib: ['es2023', 'dom', 'dom.iterable'],
  };
  writeFileSync(join(made, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts'] }));
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', made]);

  const types = readFileSync(join(made, 'types.ts'), 'utf8');
  const hey = readFileSync(join(made, 'hey/sdk.gen.ts'), 'utf8');
  const orval = readFileSync(join(made, 'orval.ts'), 'utf8');
  for (const name of ['createSession', 'listSessions', 'startRun', 'sendMessage', 'answerApproval', 'revokeToken']) {
    expect.soft(types).toMatch(new RegExp(`^ {4}${name}: \\{`, 'm'));
    expect.soft(hey).toContain(`export const ${name} = `);
    expect.soft(orval).toContain(`export const ${name} = async`);
  }
  for (const name of ['Session', 'Run', 'Conversation', 'CreateSessionBody', 'ListSessionsResult', 'Error']) {
    expect.soft(types).toMatch(new RegExp(`^ {8}${name}: `, 'm'));
  }
  // Names that were made up for want of one.
  const functions = [...hey.matchAll(/^export const (\w+) = </gm)].map(([, name]) => name);
  expect(functions.length).toBeGreaterThan(100);
  expect(functions.filter((name) => /\d|V1/.test(name ?? ''))).toEqual([]);
  expect(types).not.toMatch(/\b(inline|Body\d|anonymous)/i);
});

it('a client that was generated starts a session and is told what it did wrong', { timeout: INSTALL_MS }, async () => {
  // The file is not there before it was generated.
  const sdk = await import(join(dir, 'made/hey/sdk.gen.ts'));
  const { client } = await import(join(dir, 'made/hey/client.gen.ts'));
  const { baseUrl } = client.getConfig();
  // `servers` of the document.
  expect(baseUrl).toBe(gateway.url);
  client.setConfig({ headers: { authorization: `Bearer ${gateway.token}` } });
  const started = await sdk.createSession({ body: { argv: ['/bin/cat'], name: 'generated' } });
  expect(started.data).toMatchObject({ name: 'generated', state: 'running' });
  const { id } = started.data;
  const sent = await sdk.resizeSession({ path: { id }, body: { cols: 100, rows: 30 } });
  expect(sent.response.status).toBe(204);
  expect((await sdk.getSession({ path: { id } })).data).toMatchObject({ cols: 100, rows: 30 });
  const refused = await sdk.createToken({ body: { name: 'x', scope: 'view', expiresInMs: 1 } });
  expect(refused.error.error).toMatchObject({ code: 'bad_request', details: { nearest: 'ttlMs' } });
  expect((await sdk.deleteSession({ path: { id } })).response.status).toBe(204);
});

it('the AsyncAPI parser finds neither an error nor a warning, and every channel', { timeout: INSTALL_MS }, async () => {
  const { Parser } = createRequire(import.meta.url)(await toolScript('asyncapi'));
  const text = await (await gateway.fetch('/asyncapi.json')).text();
  const { document: parsed, diagnostics } = await new Parser().parse(text);
  // 0 is an error, 1 a warning; 2 says that there is a version 3.1 as well.
  expect(diagnostics.filter(({ severity }: { severity: number }) => severity <= 1)).toEqual([]);
  const channels = parsed.channels().all();
  const addresses = channels.map((channel: { address(): string }) => channel.address());
  expect(addresses).toEqual(expect.arrayContaining(['/v1/ws', '/ws/session/{id}', '/ws/pty-traffic', '/pty/{id}/ws']));
  expect(parsed.operations().all().length).toBeGreaterThan(10);
});
