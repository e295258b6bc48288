// Golden transcript: plugins. How one is installed and granted, its routes, commands, tools, hooks and notices.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { type Json, openTranscript, type Transcript } from './transcript.fixture.ts';

const SOURCE = `export default (api) => {
  console.log('I am here.');
  api.route('GET', '/hello/:name', ({ params, caller }) => ({ body: { to: params.name, caller } }), { public: true });
  api.route('POST', '/tell', async ({ body }) => {
    await api.notify({ title: 'Told', text: Buffer.from(body).toString() });
    await api.storage.set('told', 1);
    return { status: 201, headers: { 'content-type': 'text/plain' }, body: 'told' };
  });
  for (const method of ['PUT', 'PATCH', 'DELETE']) api.route(method, '/all', () => ({ body: { method } }));
  api.command({ name: 'deploy', description: 'Deploys.', run: ({ args, by }) => 'deployed ' + args + ' for ' + by });
  api.tool({ name: 'count', description: 'Counts letters.', readOnly: true,
    input: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'], additionalProperties: false },
    run: ({ word }) => ({ letters: word.length }) });
  api.hook('beforeRun', ({ text }) => (text.includes('forbidden') ? { veto: 'No such words.' } : undefined));
};`;
const permissions = {
  httpRoutes: true,
  notify: true,
  commands: true,
  tools: true,
  hooks: true,
  storage: true,
} as const;

function folder(t: Transcript, version: string, source = SOURCE): string {
  const dir = join(t.root, `plugin-${version}`);
  mkdirSync(dir, { recursive: true });
  const asks = Object.entries(permissions).map(([name]) => [name, { reason: 'For the test.' }]);
  const manifest = { id: 'teller', version, entry: 'index.js', permissions: Object.fromEntries(asks) };
  writeFileSync(join(dir, 'binnacle.plugin.json'), JSON.stringify(manifest));
  writeFileSync(join(dir, 'index.js'), source);
  return dir;
}

it('plugins are answered as they were', async () => {
  const t = await openTranscript('plugins', {
    config: { agents: { entries: { main: { driver: 'echo', default: true } } } },
  });
  try {
    const viewer = { token: await t.token('view'), as: 'a viewer' };
    const path = folder(t, '1.0.0');
    const of = '/v1/plugins/teller';
    const isRunning = async (): Promise<boolean> => (await t.need(`GET ${of}`)).state === 'running';
    t.part('installing');
    await t.ask('GET /v1/plugins');
    await t.ask('GET /v1/plugins', viewer);
    const { json: preview } = await t.ask('POST /v1/plugins/preview', { body: { path } });
    await t.ask('POST /v1/plugins/preview', { body: { path: join(t.root, 'none') } });
    await t.ask('POST /v1/plugins', { body: { path, digest: 'another' } });
    const { status } = await t.ask('POST /v1/plugins', { body: { path, digest: preview.digest }, show: stateless });
    if (status !== 201) throw new Error('It is not installed.');
    await t.until('it waits or runs', async () => (await t.need(`GET ${of}`)).state !== 'starting');
    for (const name of Object.keys(permissions)) {
      const show = name === 'storage' ? stateless : () => 'as behind';
      await t.ask(`PUT ${of}/permissions/${name}`, { body: { value: true }, show });
    }
    await t.ask(`PUT ${of}/permissions/nosuchpermission`, { body: { value: true } });
    await t.until('it runs', isRunning);
    await t.ask(`GET ${of}`, { show: stateless });
    await t.ask('GET /v1/plugins/nobody');

    t.part('its routes');
    await t.ask('GET /plugins/teller/hello/you', { token: null });
    await t.ask('GET /plugins/teller/hello/you', viewer);
    await t.ask('GET /plugins/teller/nowhere', viewer);
    await t.ask('GET /plugins/teller', viewer);
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      await t.ask(`${method} /plugins/teller/all`, viewer);
      await t.ask(`${method} /plugins/teller/all`, { token: null });
      await t.ask(`${method} /plugins/teller`, viewer);
    }
    const socket = await t.socket('/v1/ws', { name: 'viewer', laneOf: ({ t: kind, ref }) => (ref ? 'answers' : kind) });
    await socket.ask({ t: 'watch_notices', on: true });
    await t.ask('POST /plugins/teller/tell', { ...viewer, body: 'ahoy' });
    await t.ask('POST /plugins/teller/tell', { token: null, body: 'ahoy' });
    await t.ask('POST /plugins/teller', { ...viewer, body: 'ahoy' });
    await socket.gets(({ t: kind }) => kind === 'notice');
    await socket.end();
    await t.ask('GET /v1/notices');
    await t.ask('GET /v1/notices?after=x');

    t.part('its command and its hook');
    await t.ask('GET /v1/commands');
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'plans' } });
    const ofKey = `/v1/conversations/${encodeURIComponent(key)}`;
    await t.ask(`POST ${ofKey}/messages?wait=10000`, { body: { id: 'm1', text: '/deploy the web' } });
    await t.ask(`POST ${ofKey}/messages?wait=10000`, { body: { id: 'm2', text: 'hello' } });
    await t.ask(`POST ${ofKey}/messages?wait=10000`, { body: { id: 'm3', text: 'forbidden words' } });
    await t.ask(`GET ${ofKey}/events?follow=0`);

    t.part('its tool');
    const rpc = { headers: { Accept: 'application/json, text/event-stream' } };
    const call = (args: object) => ({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'teller_count', arguments: args },
    });
    await t.ask('POST /mcp', { ...rpc, body: call({ word: 'ahoy' }) });
    await t.ask('POST /mcp', { ...rpc, body: call({}) });

    t.part('what is kept of it');
    await t.ask(`GET ${of}/logs`, { show: ({ lines }) => lines.filter(({ text }: Json) => text === 'I am here.') });
    await t.ask(`GET ${of}/logs?after=x`);
    await t.ask(`GET ${of}/audit?limit=3`);
    await t.ask(`GET ${of}/audit?limit=0`);
    await t.ask(`POST ${of}/restart`, { show: stateless });
    await t.ask('POST /v1/plugins/nobody/restart');
    const other = folder(t, '2.0.0');
    const { digest } = await t.need('POST /v1/plugins/preview', { body: { path: other } });
    await t.ask('POST /v1/plugins', { body: { path: other, digest } });
    await t.ask(`PUT ${of}/enabled`, { body: { enabled: false }, show: stateless });
    await t.ask(`PUT ${of}/enabled`, { body: { enabled: 'no' } });
    await t.ask(`DELETE ${of}/permissions/tools`, { show: stateless });
    await t.ask(`DELETE ${of}/permissions/nosuchpermission`);
    await t.ask(`DELETE ${of}`);
    await t.ask(`DELETE ${of}`);
    t.compare();
  } finally {
    await t.close();
  }
});

/** Without what the machine decides: which walls it has, how far a start has come, and what it takes. */
const stateless = ({ level, state, pid, memoryBytes: _, ...rest }: Json): unknown => ({
  level: typeof level,
  state: typeof state,
  pid: typeof pid,
  ...rest,
});
