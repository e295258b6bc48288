// The plugins of examples/, each in its process and behind its walls; the test stands where the gateway stands. With a
// gateway around them: examples-gateway.test.ts.

import { createHmac } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import swc from '@swc/wasm-typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { Gate } from '../../packages/server/src/plugins/grant/gate.ts';
import { thisMachine } from '../../packages/server/src/plugins/grant/world.ts';
import { readManifestIn, requestedGrants } from '../../packages/server/src/plugins/install/manifest.ts';
import { needOf, type Offer, OffersShape } from '../../packages/server/src/plugins/offers/offers.ts';
import { until } from '../support/until.ts';
import { Plugins } from './plugin.fixture.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples/plugins');

const plugins = new Plugins();
afterAll(() => plugins.close());
let count = 0;

interface Asked {
  readonly method: string;
  readonly params: unknown;
}

/** Its process, with what it asks for, and answers to that. */
async function load(name: string, settings: unknown, answer: (asked: Asked) => unknown = () => null) {
  count += 1;
  const dir = join(plugins.root, `${name}-${count}`);
  cpSync(join(EXAMPLES, name), dir, { recursive: true });
  const manifest = await readManifestIn(dir);
  const entry = manifest.entry.replace(/\.ts$/, '.js');
  if (entry !== manifest.entry) {
    const typed = readFileSync(join(dir, manifest.entry), 'utf8');
    writeFileSync(join(dir, entry), swc.transformSync(typed, { mode: 'strip-only', module: true }).code);
  }
  const calls: Asked[] = [];
  let offers: readonly Offer[] = [];
  const { host, output, stops } = await plugins.host({
    dir,
    entry,
    config: manifest.config?.check(manifest.id, settings) ?? null,
    call: async (method, params) => {
      calls.push({ method, params });
      return answer({ method, params });
    },
    ready: (_, given) => {
      offers = OffersShape.parse(given);
    },
  });
  await host.start();
  return { manifest, calls, output, stops, offers, invoke: host.invoke.bind(host) };
}

const net = (status: number) => ({ status, headers: {}, body: '' });
const bodyOf = ({ params }: Asked): unknown => JSON.parse((params as { body: string }).body);

const SECRET = 'a secret of sixteen and more';
const SETTINGS: Readonly<Record<string, unknown>> = {
  webhook: { secret: SECRET, replyUrl: 'https://chat.example.com/replies' },
  notify: { topic: 'mine', desktop: true, sessions: true },
};

describe.each(readdirSync(EXAMPLES))('the example %s', (name) => {
  it('offers nothing that its manifest does not ask for, and asks for nothing that it does not use', async () => {
    const { manifest, offers, stops } = await load(name, SETTINGS[name]);
    const gate = new Gate({
      plugin: name,
      grants: requestedGrants(manifest),
      world: thisMachine('/usr/bin'),
      audit: () => undefined,
    });
    expect(offers.length).toBeGreaterThan(0);
    for (const offer of offers) {
      const { permission, args } = needOf(offer);
      expect(gate.allow(permission, args), JSON.stringify(offer)).toBeTruthy();
    }
    const source = readFileSync(join(EXAMPLES, name, manifest.entry), 'utf8');
    const used: Readonly<Record<string, RegExp>> = {
      tools: /api\.tool\(/,
      channels: /api\.channel\(/,
      httpRoutes: /api\.route\(/,
      hooks: /api\.hook\(/,
      net: /api\.fetch\(/,
      notify: /api\.notify\(/,
      runCommandWithTimeout: /api\.runCommandWithTimeout\(/,
    };
    for (const permission of manifest.asks.keys())
      expect(source, permission).toMatch(used[permission] ?? 'no use known');
    expect(stops).toEqual([]);
  });

  it('has a README that names each of its permissions and settings', async () => {
    const manifest = await readManifestIn(join(EXAMPLES, name));
    const readme = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8');
    const settings = Object.keys((manifest.config?.json.properties ?? {}) as object);
    for (const word of [...manifest.asks.keys(), ...settings]) expect(readme).toContain(`\`${word}\``);
  });
});

describe('the example hello', () => {
  it('has 20 lines at most, and greets', async () => {
    expect(readFileSync(join(EXAMPLES, 'hello/index.mjs'), 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(
      20,
    );
    const { invoke } = await load('hello', undefined);
    const call = { input: { name: 'Ada' }, caller: 'main', via: 'mcp' };
    expect(await invoke('tool:greet', call, 5000)).toBe('Hello, Ada!');
  });
});

describe('the example webhook', () => {
  const sign = (body: string): string => `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  const request = (body: string, signature: string | undefined) => ({
    method: 'POST',
    path: '/in',
    params: {},
    query: {},
    headers: signature === undefined ? {} : { 'x-signature': signature },
    body: Buffer.from(body).toString('base64'),
    caller: null,
  });
  const good = JSON.stringify({ id: 'm1', text: 'Good morning. ✓', from: 'ada' });
  let refusing: ReturnType<typeof load> | undefined;

  it('brings in what is signed, with the id of the sender', async () => {
    const { invoke, calls } = await load('webhook', SETTINGS.webhook, () => ({
      conversation: 'agent:main:x',
      run: 'r1',
    }));
    expect(await invoke('route:POST /in', request(good, sign(good)), 5000)).toMatchObject({
      status: 202,
      body: Buffer.from('{"conversation":"agent:main:x","run":"r1"}').toString('base64'),
    });
    const message = {
      id: 'm1',
      text: 'Good morning. ✓',
      from: 'ada',
      peer: { kind: 'direct', id: 'ada' },
      replyTo: 'm1',
    };
    expect(calls).toEqual([{ method: 'channels', params: { channel: 'webhook', message } }]);
  });

  it.each([
    ['without a signature', good, undefined, 401],
    ['with an empty one', good, '', 401],
    ['with that of another text', good, sign('another'), 401],
    ['with one that is cut', good, sign(good).slice(0, -1), 401],
    ['with one of letters that are none', good, 'é'.repeat(71), 401],
    ['changed on its way', good.replace('morning', 'evening'), sign(good), 401],
    ['of no JSON', '{', sign('{'), 400],
    ['of null', 'null', sign('null'), 400],
    ['of no object', '[1]', sign('[1]'), 400],
    ['without an id', '{"text":"x","from":"ada"}', sign('{"text":"x","from":"ada"}'), 400],
    ['without a text', '{"id":"m1","from":"ada"}', sign('{"id":"m1","from":"ada"}'), 400],
    ['from nobody', '{"id":"m1","text":"x"}', sign('{"id":"m1","text":"x"}'), 400],
  ])('refuses one %s, and asks nothing of the gateway', async (_, body, signature, status) => {
    refusing ??= load('webhook', SETTINGS.webhook);
    const { invoke, calls } = await refusing;
    expect(await invoke('route:POST /in', request(body, signature), 5000)).toMatchObject({ status });
    expect(calls).toEqual([]);
  });

  it('posts the answer with its signature, and fails when the other side does', async () => {
    let status = 200;
    const { invoke, calls } = await load('webhook', SETTINGS.webhook, () => net(status));
    const reply = { id: 'r1', to: 'm1', conversation: 'agent:main:x', state: 'final', text: 'Good morning!' };
    await invoke('channel:webhook', reply, 5000);
    const [call = { method: '', params: null }] = calls;
    const { url, method, headers, body } = call.params as Record<'url' | 'method' | 'body', string> & {
      headers: string[][];
    };
    expect([call.method, url, method]).toEqual(['net', 'https://chat.example.com/replies', 'POST']);
    expect(Object.fromEntries(headers)).toEqual({ 'content-type': 'application/json', 'x-signature': sign(body) });
    const { to, ...same } = reply;
    expect(JSON.parse(body)).toEqual({ ...same, inReplyTo: to });
    status = 503;
    await expect(invoke('channel:webhook', reply, 5000)).rejects.toThrow(/answered 503/);
  });

  it('does not load without its settings', async () => {
    await expect(load('webhook', {})).rejects.toMatchObject({ code: 'bad_plugin_config' });
    await expect(load('webhook', { secret: 'short', replyUrl: 'https://x' })).rejects.toMatchObject({
      details: { key: 'plugins.entries.webhook.config.secret' },
    });
  });
});

describe('the example notify', () => {
  const waits = {
    conversation: 'agent:main:main',
    run: 'r1',
    title: 'Push to <main>',
    detail: 'git push origin main',
    options: [],
  };
  const ran = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '', truncated: false };
  const answers = ({ method }: Asked): unknown =>
    method === 'net' ? net(200) : method === 'runCommandWithTimeout' ? ran : null;

  it('tells on the page alone, without a word of details and of sessions, as long as nothing is set', async () => {
    const { invoke, calls, offers } = await load('notify', undefined, answers);
    expect(offers).toMatchObject([{ kind: 'hook', on: 'agentWaits', onFailure: 'open' }]);
    await invoke('hook:agentWaits', waits, 5000);
    expect(calls).toEqual([{ method: 'notify', params: { title: 'An agent waits for you', text: 'Push to <main>' } }]);
  });

  it('tells by ntfy and on the desktop, with details where they are wanted', async () => {
    const settings = { topic: 'mine', token: 'tk_1', desktop: true, details: true };
    const { invoke, calls } = await load('notify', settings, answers);
    await invoke('hook:agentWaits', waits, 5000);
    expect(calls.map(({ method }) => method).sort()).toEqual(['net', 'notify', 'runCommandWithTimeout']);
    const ntfy = calls.find(({ method }) => method === 'net');
    expect(ntfy?.params).toMatchObject({
      url: 'https://ntfy.sh',
      method: 'POST',
      headers: [
        ['content-type', 'application/json'],
        ['authorization', 'Bearer tk_1'],
      ],
    });
    const message = 'Push to <main>\ngit push origin main';
    expect(ntfy === undefined ? undefined : bodyOf(ntfy)).toEqual({
      topic: 'mine',
      title: 'An agent waits for you',
      message,
    });
    expect(calls.find(({ method }) => method === 'runCommandWithTimeout')?.params).toEqual({
      argv: [
        'notify-send',
        '--app-name=Binnacle',
        '--',
        'An agent waits for you',
        message.replace('<main>', '&lt;main&gt;'),
      ],
      timeoutMs: 4000,
    });
  });

  it('tells the other ways when one fails, and says so in its log', async () => {
    const { invoke, calls, output } = await load('notify', { topic: 'mine', desktop: true }, (call) => {
      if (call.method === 'notify') throw new BinnacleError('permission_denied', { message: 'It may not notify.' });
      return call.method === 'net' ? net(500) : { ...ran, exitCode: 1, stderr: 'no display' };
    });
    await invoke('hook:agentWaits', waits, 5000);
    expect(calls.length).toBe(3);
    await until('all three are told', () => output.length >= 3);
    expect(output.sort()).toEqual([
      'stderr: It may not notify.',
      'stderr: notify-send ended with 1: no display',
      'stderr: ntfy at https://ntfy.sh answered 500.',
    ]);
  });

  it('tells of sessions that have ended where that is wanted, but not of those that did not tell how', async () => {
    const { invoke, calls } = await load('notify', { sessions: true }, answers);
    const end = { session: 's1', name: 'npm test', state: 'closed', exitCode: 1, signal: null };
    await invoke('hook:sessionEnd', end, 5000);
    await invoke('hook:sessionEnd', { ...end, exitCode: null, signal: 'SIGKILL' }, 5000);
    await invoke('hook:sessionEnd', { ...end, state: 'lost', exitCode: null }, 5000);
    expect(calls.map(({ params }) => params)).toEqual([
      { title: 'npm test has ended', text: 'Exit code 1' },
      { title: 'npm test has ended', text: 'Signal SIGKILL' },
    ]);
  });
});
