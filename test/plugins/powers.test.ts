// What plugins ask of a real gateway, from their own process behind its walls: what is done, and what is not.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PluginAuditEntry, PluginGrantValue, PluginInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin, pluginInfo } from './installed.fixture.ts';
import { isAlive, Plugins } from './plugin.fixture.ts';

/** Does what its route is told to, and answers with what came of it. */
const PUPPET = `export default (api) => {
  api.route('POST', '/do', async ({ body }) => {
    const { path, args } = JSON.parse(Buffer.from(body).toString());
    const call = path.reduce((at, name) => at[name], api);
    try {
      const value = await call(...args);
      const shown = path[0] === 'fetch' ? { status: value.status, text: value.text() } : value;
      return { body: { value: shown ?? null } };
    } catch (error) {
      return { body: { code: error.code, hint: error.hint, key: error.details?.key } };
    }
  });
};`;

const EVERYTHING: Readonly<Record<string, PluginGrantValue>> = {
  httpRoutes: true,
  runCommandWithTimeout: true,
  writeConfigFile: true,
  readConfigFile: true,
  net: true,
  readSessions: true,
  readConversations: true,
  storage: true,
};

let gateway: GatewayProcess;
let dir = '';
let server: Server;
let port = 0;
const requests: string[] = [];

beforeAll(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'binnacle-powers-')));
  certify(join(dir, 'key'), join(dir, 'cert'));
  // Of the gateway's own process: it believes this one certificate more.
  process.env.NODE_EXTRA_CA_CERTS = join(dir, 'cert');
  gateway = await openGatewayProcess();
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.end('from afar');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  delete process.env.NODE_EXTRA_CA_CERTS;
  await gateway.close();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Answer {
  readonly value?: unknown;
  readonly code?: string;
  readonly hint?: string;
  readonly key?: string;
}
const puppet = (id: string, grants: Readonly<Record<string, PluginGrantValue>>): Promise<PluginInfo> =>
  installPlugin(gateway, { id, source: PUPPET, permissions: EVERYTHING, grants: { httpRoutes: true, ...grants } });
const tell = (id: string, path: string, ...args: unknown[]): Promise<Answer> =>
  ask(gateway, 'POST', `/plugins/${id}/do`, { path: path.split('.'), args });
const auditOf = async (id: string): Promise<readonly PluginAuditEntry[]> =>
  (await ask<{ entries: PluginAuditEntry[] }>(gateway, 'GET', `/v1/plugins/${id}/audit?limit=1000`)).entries;

/** A program that leaves a trace. */
function witness(name: string): { readonly file: string; readonly hasRun: () => boolean } {
  const file = join(dir, name);
  const trace = join(dir, `${name}.trace`);
  writeFileSync(file, `#!/bin/sh\ntouch ${trace}\n`);
  chmodSync(file, 0o755);
  return { file, hasRun: () => existsSync(trace) };
}

/** For 127.0.0.1 alone. */
function certify(key: string, cert: string): void {
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=here'];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...made, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
}

describe('a plugin that asks the gateway', () => {
  it('for what it was not granted gets nothing, is told the key, and it is audited', async () => {
    const { file, hasRun } = witness('denied');
    await puppet('nothing', {});
    const asks: readonly (readonly [permission: string, path: string, ...args: unknown[]])[] = [
      ['runCommandWithTimeout', 'runCommandWithTimeout', [file]],
      ['runCommandWithTimeout', 'runCommandWithTimeout', ['env', '-S', file]],
      ['writeConfigFile', 'writeConfigFile', 'agents.entries.main.model', 'x'],
      ['readConfigFile', 'readConfigFile', 'agents.entries.main.model'],
      ['net', 'fetch', `http://127.0.0.1:${port}/denied`],
      ['readSessions', 'sessions.list'],
      ['readConversations', 'conversations.list'],
      ['storage', 'storage.set', 'a', 1],
      ['storage', 'storage.keys'],
    ];
    for (const [permission, path, ...args] of asks) {
      const answer = await tell('nothing', path, ...args);
      expect([path, answer.code, answer.key]).toEqual([
        path,
        'permission_denied',
        `plugins.entries.nothing.permissions.${permission}`,
      ]);
      expect(answer.hint).toContain(answer.key);
    }
    expect(hasRun()).toBe(false);
    expect(requests).toEqual([]);
    // Its route was one, before it was granted.
    const denials = (await auditOf('nothing')).filter(
      ({ outcome, what }) => outcome === 'denied' && what !== 'httpRoutes',
    );
    expect(denials.map(({ what }) => what).sort()).toEqual(asks.map(([permission]) => permission).sort());
  });

  it('to run a program has it run, once it was granted and as long as it is', async () => {
    const { file, hasRun } = witness('granted');
    await puppet('runner', { runCommandWithTimeout: { commands: [file, 'git'] } });
    expect(await tell('runner', 'runCommandWithTimeout', ['sh', '-c', file])).toMatchObject({
      code: 'permission_denied',
    });
    expect(hasRun()).toBe(false);
    const { value } = await tell('runner', 'runCommandWithTimeout', [file], { cwd: dir });
    expect(value).toEqual({ exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '', truncated: false });
    expect(hasRun()).toBe(true);
    await grant(gateway, 'runner', 'runCommandWithTimeout', false);
    expect(await tell('runner', 'runCommandWithTimeout', [file])).toMatchObject({ code: 'permission_denied' });
  });

  it('has its programs ended when its process ends, whatever they have become', async () => {
    const script = `setsid sh -c 'trap "" HUP TERM; echo $$ > ${dir}/child; while :; do sleep 1; done' & echo $$ > ${dir}/leader; wait`;
    const { pid } = await puppet('dying', { runCommandWithTimeout: true });
    const running = tell('dying', 'runCommandWithTimeout', ['sh', '-c', script], { timeoutMs: 600_000 }).catch(
      () => null,
    );
    const pidIn = (name: string): number =>
      existsSync(join(dir, name)) ? Number(readFileSync(join(dir, name), 'utf8')) : 0;
    await until('it runs', () => pidIn('child') > 0 && pidIn('leader') > 0);
    expect([isAlive(pidIn('child')), isAlive(pidIn('leader'))]).toEqual([true, true]);
    process.kill(pid ?? 0, 'SIGKILL');
    await until('they are gone', () => !isAlive(pidIn('child')) && !isAlive(pidIn('leader')));
    await running;
  });

  it('has its programs ended by the next gateway where one was killed, and what it kept is there, until it is removed', async () => {
    await puppet('keeper', { storage: true, runCommandWithTimeout: true });
    expect(await tell('keeper', 'storage.set', 'seen/last', { n: 1 })).toEqual({ value: null });
    const file = join(dir, 'orphan');
    const script = `setsid sh -c 'trap "" HUP; echo $$ > ${file}; while :; do sleep 1; done' & wait`;
    const running = tell('keeper', 'runCommandWithTimeout', ['sh', '-c', script], { timeoutMs: 600_000 }).catch(
      () => null,
    );
    await until('it runs', () => existsSync(file) && readFileSync(file, 'utf8') !== '');
    const pid = Number(readFileSync(file, 'utf8'));
    await gateway.kill();
    await running;
    expect(isAlive(pid)).toBe(true);
    await gateway.restart();
    expect(isAlive(pid)).toBe(false);
    await until('it runs', async () => (await pluginInfo(gateway, 'keeper')).state === 'running');
    expect(await tell('keeper', 'storage.get', 'seen/last')).toEqual({ value: { n: 1 } });
    expect(await tell('keeper', 'storage.keys', 'seen/')).toEqual({ value: ['seen/last'] });
    await ask(gateway, 'DELETE', '/v1/plugins/keeper');
    await puppet('keeper', { storage: true });
    expect(await tell('keeper', 'storage.keys')).toEqual({ value: [] });
  });

  it('to change the config file has it in force, with its own grants as they were', async () => {
    await puppet('setter', { writeConfigFile: true, readConfigFile: true });
    expect(await tell('setter', 'writeConfigFile', 'agents.entries.main.timeoutMs', 4321)).toEqual({ value: null });
    expect(await tell('setter', 'readConfigFile', 'agents.entries.main')).toMatchObject({ value: { timeoutMs: 4321 } });
    const key = 'plugins.entries.setter.permissions';
    expect(await tell('setter', 'writeConfigFile', key, { runCommandWithTimeout: true })).toMatchObject({
      code: 'not_grantable',
    });
    expect(await tell('setter', 'writeConfigFile', 'agents.entries.main.timeoutMs', 'soon')).toMatchObject({
      code: 'bad_config',
    });
    expect((await pluginInfo(gateway, 'setter')).permissions).toContainEqual(
      expect.objectContaining({ permission: 'runCommandWithTimeout', granted: false }),
    );
  });

  it('to fetch gets there where that was granted, and not to this machine with all of the internet', async () => {
    await puppet('fetcher', { net: { hosts: [`127.0.0.1:${port}`] } });
    expect(await tell('fetcher', 'fetch', `http://127.0.0.1:${port}/one`)).toEqual({
      value: { status: 200, text: 'from afar' },
    });
    await grant(gateway, 'fetcher', 'net', true);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, new URL(gateway.url).host, '169.254.169.254']) {
      const { code } = await tell('fetcher', 'fetch', `http://${host}/two`);
      expect(['permission_denied', 'not_grantable']).toContain(code);
    }
    expect(requests).toEqual(['/one']);
  });

  it('to fetch over TLS gets there where the other end proves to be the one that was named', async () => {
    const secure = createSecure({ key: readFileSync(join(dir, 'key')), cert: readFileSync(join(dir, 'cert')) });
    secure.on('request', (_request, response) => response.end('from afar, sealed'));
    await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done));
    const at = (secure.address() as AddressInfo).port;
    await puppet('sealed-fetcher', { net: { hosts: [`127.0.0.1:${at}`, `localhost:${at}`, `[::1]:${at}`] } });
    expect(await tell('sealed-fetcher', 'fetch', `https://127.0.0.1:${at}/`)).toEqual({
      value: { status: 200, text: 'from afar, sealed' },
    });
    expect(await tell('sealed-fetcher', 'fetch', `https://localhost:${at}/`)).toMatchObject({ code: 'fetch_failed' });
    secure.close();
  });

  it('to read sessions gets what people see, as text without escape sequences', async () => {
    await puppet('reader', { readSessions: true });
    const session = await ask<{ id: string }>(gateway, 'POST', '/v1/sessions', {
      argv: ['sh', '-c', String.raw`printf '\033[31mred\033[0m\033]0;title\007 plain\n'; sleep 1000`],
      name: 'shown',
    });
    await until('it has written', async () => (await tell('reader', 'sessions.read', session.id)).value !== undefined);
    await until('all of it', async () => {
      const { value } = await tell('reader', 'sessions.read', session.id);
      return (value as { text: string }).text.includes('plain');
    });
    const { value } = await tell('reader', 'sessions.read', session.id, 0);
    const { text, from, next } = value as { text: string; from: number; next: number };
    expect([text, from]).toEqual(['red plain\n', 0]);
    expect(await tell('reader', 'sessions.read', session.id, next)).toEqual({ value: { text: '', from: next, next } });
    expect(await tell('reader', 'sessions.read', session.id, next + 1)).toMatchObject({ code: 'offset_ahead' });
    const { value: list } = await tell('reader', 'sessions.list', { limit: 10 });
    expect(list).toMatchObject({ items: [{ id: session.id, name: 'shown', state: 'running' }], next: null });
    expect(await tell('reader', 'sessions.get', session.id)).toMatchObject({ value: { outputBytes: next } });
    expect(await tell('reader', 'sessions.get', 'no-such')).toMatchObject({ code: 'session_not_found' });
    expect(await tell('reader', 'conversations.list')).toMatchObject({ code: 'permission_denied' });
  });

  it('to read conversations gets all of them, newest message first', async () => {
    await puppet('listener', { readConversations: true });
    const made = await ask<{ key: string }>(gateway, 'POST', '/v1/conversations', { name: 'secret' });
    await ask(gateway, 'POST', `/v1/conversations/${encodeURIComponent(made.key)}/messages?wait=10`, { text: 'hello' });
    const { value: list } = await tell('listener', 'conversations.list');
    expect(list).toMatchObject({ items: [{ key: made.key, agent: 'main', title: 'hello' }], next: null });
    const { value: page } = await tell('listener', 'conversations.messages', made.key);
    expect(page).toMatchObject({ items: [{ role: 'assistant' }, { role: 'user', text: 'hello' }], next: null });
    expect(await tell('listener', 'conversations.messages', 'agent:main:chat:none')).toMatchObject({
      code: 'conversation_not_found',
    });
    expect(await tell('listener', 'sessions.list')).toMatchObject({ code: 'permission_denied' });
  });
});

describe('a call that may take longer than others', () => {
  const plugins = new Plugins();
  afterAll(() => plugins.close());
  const SOURCE = `export default (api) => {
    api.handle('ask', ({ method, params }) => api.call(method, params).catch((error) => error.code));
  };`;

  it('has the deadline that is said for it; others have theirs, and nobody waits for ever', async () => {
    const aborted: string[] = [];
    const { host } = await plugins.host({
      source: SOURCE,
      limits: { callMs: 100, longCallMs: 1000 },
      deadlineOf: (method, params) => (method === 'long' ? (params as { ms: number }).ms : undefined),
      call: (method, params, signal) =>
        new Promise((resolve) => {
          const { takesMs } = params as { takesMs: number };
          const timer = setTimeout(() => resolve('done'), takesMs);
          signal.addEventListener('abort', () => {
            clearTimeout(timer);
            aborted.push(`${method} ${takesMs}`);
          });
        }),
    });
    await host.start();
    const asked = async (method: string, params: object) => {
      const began = performance.now();
      const answer = await host.invoke('ask', { method, params }, 10_000);
      return [answer, performance.now() - began] as const;
    };
    const [quick, slow, long, tooLong, endless] = await Promise.all([
      asked('short', { takesMs: 1 }),
      asked('short', { takesMs: 60_001 }),
      asked('long', { ms: 900, takesMs: 300 }),
      asked('long', { ms: 200, takesMs: 60_002 }),
      asked('long', { ms: 1e9, takesMs: 60_003 }),
    ]);
    expect([quick, slow, long, tooLong, endless].map(([answer]) => answer)).toEqual([
      'done',
      'plugin_timeout',
      'done',
      'plugin_timeout',
      'plugin_timeout',
    ]);
    expect(slow[1]).toBeGreaterThanOrEqual(99);
    expect(tooLong[1]).toBeGreaterThanOrEqual(199);
    expect(endless[1]).toBeGreaterThanOrEqual(999);
    expect(endless[1]).toBeLessThan(5000);
    expect(aborted).toEqual(['short 60001', 'long 60002', 'long 60003']);
  });
});
