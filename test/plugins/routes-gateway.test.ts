// Routes of plugins in the gateway as it is served: by the config file, through a kill of the gateway, and each plugin for
// itself.

import type { PluginAuditEntry, PluginLog } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin, pluginInfo } from './installed.fixture.ts';
import { isAlive, treeOf } from './plugin.fixture.ts';

const source = `export default (api) => {
  console.log('hello from', api.id);
  api.route('GET', '/hello/:name', ({ params, caller }) => ({ body: { from: api.id, to: params.name, caller } }), { public: true });
  api.route('POST', '/', ({ body, caller }) => ({ status: 201, body: { bytes: body.length, caller } }));
};`;
const permissions = { httpRoutes: true } as const;

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
  for (const id of ['one', 'two']) await installPlugin(gateway, { id, source, permissions });
});
afterAll(() => gateway?.close());

const get = (path: string) => fetch(gateway.url + path);
const greeting = async (id: string): Promise<unknown> => await (await get(`/plugins/${id}/hello/you`)).json();

describe('routes of plugins', () => {
  it('are served, each below the id of its plugin, and those that are not public with a token alone', async () => {
    expect(await greeting('one')).toEqual({ from: 'one', to: 'you', caller: null });
    expect(await greeting('two')).toEqual({ from: 'two', to: 'you', caller: null });
    for (const path of ['/plugins/one', '/plugins/one/']) {
      const answer = await gateway.fetch(path, { method: 'POST', body: 'four' });
      expect(answer.status).toBe(201);
      expect(await answer.json()).toEqual({ bytes: 4, caller: 'admin' });
      expect((await fetch(gateway.url + path, { method: 'POST', body: 'four' })).status).toBe(401);
    }
  });

  it('are in force while the config file grants them, without another process', async () => {
    const { pid } = await pluginInfo(gateway, 'one');
    await grant(gateway, 'one', 'httpRoutes', false);
    expect((await gateway.fetch('/plugins/one/hello/you')).status).toBe(404);
    expect((await get('/plugins/one/hello/you')).status).toBe(401);
    expect((await get('/plugins/two/hello/you')).status).toBe(200);
    await grant(gateway, 'one', 'httpRoutes', true);
    expect((await get('/plugins/one/hello/you')).status).toBe(200);
    expect((await pluginInfo(gateway, 'one')).pid).toBe(pid);
  });

  it('are there again after a kill -9 of the gateway, and say 503 until they are; no process of the one before is left', async () => {
    const tree = treeOf((await pluginInfo(gateway, 'one')).pid ?? 0);
    await gateway.kill();
    await until('its processes are gone', () => tree.every((one) => !isAlive(one)));
    await gateway.restart();
    const seen = new Set<number>();
    // With a token: without one, each 401 counts as a failed login, and the limiter answers 429 after some.
    await until('both answer', async () => {
      const statuses = await Promise.all(
        ['one', 'two'].map(async (id) => (await gateway.fetch(`/plugins/${id}/hello/you`)).status),
      );
      for (const status of statuses) seen.add(status);
      return statuses.every((status) => status === 200);
    });
    // A plugin whose offers are not known yet has no route, as an address that does not exist.
    for (const status of seen) expect.soft([200, 503, 404]).toContain(status);
    for (const id of ['one', 'two']) expect((await get(`/plugins/${id}/hello/you`)).status).toBe(200);
    expect(await pluginInfo(gateway, 'one')).toMatchObject({
      state: 'running',
      offers: [{ inForce: true }, { inForce: true }],
    });
    const { entries } = await ask<{ entries: PluginAuditEntry[] }>(gateway, 'GET', '/v1/plugins/one/audit?limit=1000');
    expect(entries.some(({ what }) => what === 'install')).toBe(true);
    await until('it says hello again', async () => {
      const { lines } = await ask<PluginLog>(gateway, 'GET', '/v1/plugins/one/logs');
      return lines.some(({ text }) => text.includes('hello from one'));
    });
  });

  it('are none of the gateway’s own: its description leaves them out, and none of its addresses is taken by one', async () => {
    const { paths } = (await (await get('/openapi.json')).json()) as { paths: object };
    expect(Object.keys(paths).filter((path) => path.startsWith('/plugins'))).toEqual([]);
    expect((await gateway.fetch('/v1/plugins')).status).toBe(200);
    expect((await get('/plugins')).status).toBe(404);
  });
});
