// Every permission of the table, from end to end: a plugin without it is denied, the denial names a key and a value of the
// config file, and with just that value there the same call is allowed.

import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { PluginLog } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PERMISSION_NAMES } from '../../packages/server/src/plugins/grant/permissions.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ask, installPlugin, pluginInfo } from './installed.fixture.ts';

let gateway: Gateway;
let server: Server;
let port = 0;
beforeAll(async () => {
  gateway = await openGateway();
  server = createServer((_, response) => response.end('here'));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  await gateway.close();
  server.close();
});

const source = () => `export default (api) => {
  api.tool({ name: 'lookup', description: 'A tool.', run: () => '' });
  api.hook('afterRun', () => undefined);
  api.route('GET', '/page', () => ({ body: 'x' }));
  api.command({ name: 'deploy', description: 'A command.', run: () => '' });
  const channel = api.channel({ name: 'radio', send: () => undefined });
  api.driver({ name: 'own', run: () => 'x' });
  api.schedule({ name: 'often', everyMs: 60000, run: () => undefined });
  const calls = {
    runCommandWithTimeout: () => api.runCommandWithTimeout(['true']),
    writeConfigFile: () => api.writeConfigFile('agents.entries.main.model', 'small'),
    readConfigFile: () => api.readConfigFile('agents.entries.main.driver'),
    net: () => api.fetch('http://127.0.0.1:${port}/'),
    notify: () => api.notify({ title: 'hello' }),
    readSessions: () => api.sessions.list(),
    readConversations: () => api.conversations.list(),
    storage: () => api.storage.set('a', 1),
    channels: () => channel.receive({ text: 'hello', peer: { kind: 'direct', id: 'x' } }),
  };
  void (async () => {
    for (const [name, call] of Object.entries(calls)) {
      const said = await call().then(() => ({ code: 'allowed' }), ({ code, details }) => ({ code, ...details }));
      console.log('TOLD ' + JSON.stringify({ name, ...said }));
    }
    console.log('TOLD all');
  })();
};`;

interface Told {
  readonly name: string;
  readonly code: string;
  readonly permission?: string;
  readonly key?: string;
  readonly value?: unknown;
}

async function told(after: number): Promise<{ readonly calls: Told[]; readonly next: number }> {
  let log: PluginLog | undefined;
  const texts = (): string[] => (log?.lines ?? []).map(({ text }) => text).filter((text) => text.startsWith('TOLD '));
  await until('the plugin has tried everything', async () => {
    log = await ask<PluginLog>(gateway, 'GET', `/v1/plugins/asker/logs?after=${after}`);
    return texts().includes('TOLD all');
  });
  const calls = texts().filter((text) => text !== 'TOLD all');
  return { calls: calls.map((text) => JSON.parse(text.slice(5)) as Told), next: log?.next ?? 0 };
}

it('a denial names what grants the call, for every permission that there is', async () => {
  await installPlugin(gateway, { id: 'asker', source: source() });
  const denied = await told(0);
  const keys = new Map<string, unknown>();
  for (const { name, code, permission, key, value } of denied.calls) {
    expect([name, code, permission]).toEqual([name, 'permission_denied', name]);
    expect(key).toBe(`plugins.entries.asker.permissions.${name}`);
    keys.set(name, value);
  }
  const { offers } = await pluginInfo(gateway, 'asker');
  for (const { inForce, permission } of offers) {
    expect([permission, inForce]).toEqual([permission, false]);
    if (!keys.has(permission)) keys.set(permission, true);
  }
  expect([...keys.keys()].sort()).toEqual([...PERMISSION_NAMES].sort());

  const path = join(gateway.dir, 'config.jsonc');
  const agents = { entries: { main: { driver: 'echo', default: true } } };
  const permissions = Object.fromEntries(keys);
  writeFileSync(path, JSON.stringify({ agents, plugins: { entries: { asker: { permissions } } } }));
  await until('all is in force', async () =>
    (await pluginInfo(gateway, 'asker')).offers.every(({ inForce }) => inForce),
  );
  await ask(gateway, 'POST', '/v1/plugins/asker/restart');
  const allowed = await told(denied.next);
  expect(allowed.calls.map(({ name, code }) => [name, code])).toEqual(
    denied.calls.map(({ name }) => [name, 'allowed']),
  );
  expect(JSON.parse(readFileSync(path, 'utf8')).agents.entries.main.model).toBe('small');
});
