// A hook that fails closed goes on saying no, whatever becomes of its plugin: a guard is not got rid of by an update, a
// crash, a damaged file or a restart. And there is never more than one process of a plugin.

import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginInfo, PluginPreview } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { count, inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin, pluginFolder, pluginInfo } from './installed.fixture.ts';

const GUARD = `export default (api) => {
  api.hook('beforeInput', () => ({ veto: 'nobody types here' }), { onFailure: 'closed', deadlineMs: 2000 });
};`;
const PERMISSIONS = { hooks: { on: ['beforeInput'] } };

let gateway: GatewayProcess;
let session: string;
beforeAll(async () => {
  gateway = await openGatewayProcess({ pluginLimits: { restarts: count({ quick: 1, all: 5 }) } });
  session = (await gateway.client.sessions.create({ name: 'guarded', command: 'cat' })).id;
});

const typed = async (): Promise<number> =>
  (
    await gateway.fetch(`/v1/sessions/${session}/input`, {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'application/octet-stream' },
    })
  ).status;

async function install(source: string, version: string, wait = true): Promise<PluginInfo> {
  const dir = pluginFolder({ id: 'guard', version, source, permissions: PERMISSIONS });
  const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
  const done = ask<PluginInfo>(gateway, 'POST', '/v1/plugins', { path: dir, digest, inherit: 'all' });
  if (!wait) done.catch(() => undefined);
  const info = await done;
  rmSync(dir, { recursive: true });
  return info;
}

/** Folders that processes are loaded from: one each. */
const staged = (): string[] =>
  readdirSync(join(gateway.dir, 'plugins')).filter((name) => name.startsWith('.run-') && !name.includes('.gone'));

describe('a guard that fails closed', () => {
  beforeAll(async () => {
    await installPlugin(gateway, { id: 'guard', source: GUARD, permissions: PERMISSIONS });
  });

  it('is there while it is updated, and when the new version cannot be loaded', async () => {
    expect(await typed()).toBe(403);
    const answers: number[] = [];
    let isDone = false;
    const slow = `${GUARD.replace('export default (api)', 'export default async (api)').replace('{', '{ await new Promise((go) => setTimeout(go, 500));')}`;
    const updating = install(slow, '1.0.1').finally(() => {
      isDone = true;
    });
    while (!isDone) answers.push(await typed());
    expect((await updating).state).toBe('running');
    expect(new Set(answers)).toEqual(new Set([403]));
    await install("export default () => { throw new Error('broken'); };", '1.0.2');
    await until(
      'it is disabled',
      async () => {
        expect(await typed()).toBe(403);
        return (await pluginInfo(gateway, 'guard')).state === 'disabled';
      },
      30_000,
    );
    expect(await typed()).toBe(403);
    expect((await install(GUARD, '1.0.3')).state).toBe('running');
    expect(await typed()).toBe(403);
  }, 60_000);

  const DAMAGES: readonly [string, () => void][] = [
    ['a file of it was changed', () => appendFileSync(join(filesOf(), 'index.js'), '\n')],
    ['its record was cut', () => truncateSync(join(gateway.dir, 'plugins', 'guard', 'record.json'), 100)],
  ];
  it.each(some(DAMAGES, 1))('is there after a restart of the gateway where %s', async (_, damage) => {
    await gateway.kill();
    const file = join(filesOf(), 'index.js');
    const before = readFileSync(file);
    const record = readFileSync(join(gateway.dir, 'plugins', 'guard', 'record.json'));
    // Read-only for us as well; root would not notice.
    rmSync(file);
    writeFileSync(file, before, { mode: 0o600 });
    damage();
    await gateway.restart();
    expect((await pluginInfo(gateway, 'guard')).state).toBe('refused');
    expect(await typed()).toBe(403);
    // Whoever may decide has the last word.
    const enable = (enabled: boolean) => ask<PluginInfo>(gateway, 'PUT', '/v1/plugins/guard/enabled', { enabled });
    expect((await enable(false)).state).toBe('off');
    expect(await typed()).toBe(200);
    expect((await enable(true)).state).toBe('refused');
    expect(await typed()).toBe(403);
    await grant(gateway, 'guard', 'hooks', false);
    expect(await typed()).toBe(200);
    rmSync(file);
    writeFileSync(file, before, { mode: 0o400 });
    writeFileSync(join(gateway.dir, 'plugins', 'guard', 'record.json'), record);
    await gateway.kill();
    await gateway.restart();
    await grant(gateway, 'guard', 'hooks', PERMISSIONS.hooks);
    await until('it runs', async () => (await pluginInfo(gateway, 'guard')).state === 'running');
    expect(await typed()).toBe(403);
  });

  const filesOf = (): string => {
    const home = join(gateway.dir, 'plugins', 'guard');
    return join(home, readdirSync(home).find((name) => name.startsWith('files-')) ?? '');
  };
});

describe('one process', () => {
  const NOISY = `export default (api) => {
    const tell = () => api.notify({ title: 'still here' }).catch(() => undefined);
    setInterval(tell, 50);
  };`;

  inAll(
    'is all that there is of a plugin, however it is installed, restarted and configured at once, and none after that',
    async () => {
      const source = { id: 'noisy', source: NOISY, permissions: { notify: true } };
      await installPlugin(gateway, source);
      const before = staged().filter((name) => name.startsWith('.run-noisy')).length;
      expect(before).toBe(1);
      const path = join(gateway.dir, 'config.jsonc');
      const configure = (n: number): void => {
        const config = JSON.parse(readFileSync(path, 'utf8'));
        config.plugins.entries.noisy.config = { n };
        writeFileSync(path, JSON.stringify(config));
      };
      const dir = pluginFolder({ ...source, version: '1.1.0' });
      const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
      const grants = { notify: true };
      for (let round = 0; round < count({ quick: 2, all: 5 }); round++) {
        configure(round);
        await Promise.all([
          ask(gateway, 'POST', '/v1/plugins', { path: dir, digest, grants, inherit: 'all' }),
          ask(gateway, 'POST', '/v1/plugins/noisy/restart'),
          ask(gateway, 'POST', '/v1/plugins', { path: dir, digest, grants, inherit: 'all' }),
          ask(gateway, 'POST', '/v1/plugins/noisy/restart'),
          ask(gateway, 'PUT', '/v1/plugins/noisy/enabled', { enabled: true }),
        ]);
      }
      rmSync(dir, { recursive: true });
      await until('it runs', async () => (await pluginInfo(gateway, 'noisy')).state === 'running');
      expect(staged().filter((name) => name.startsWith('.run-noisy'))).toHaveLength(1);
      await ask(gateway, 'DELETE', '/v1/plugins/noisy');
      expect(staged().filter((name) => name.startsWith('.run-noisy'))).toEqual([]);
      const notices = async () => (await ask<{ notices: unknown[] }>(gateway, 'GET', '/v1/notices')).notices.length;
      const last = await notices();
      for (let turn = 0; turn < 20; turn++) await pluginInfo(gateway, 'guard');
      expect(await notices()).toBe(last);
    },
    60_000,
  );

  it('that hangs at its start keeps nobody from revoking what another is granted', async () => {
    await installPlugin(gateway, { id: 'other', source: 'export default () => {};', permissions: { notify: true } });
    const dir = pluginFolder({ id: 'hangs', source: 'export default () => new Promise(() => {});' });
    const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    let isInstalled = false;
    const installing = ask(gateway, 'POST', '/v1/plugins', { path: dir, digest, inherit: 'all' }).finally(() => {
      isInstalled = true;
    });
    await until(
      'it hangs',
      async () => (await pluginInfo(gateway, 'hangs').catch(() => undefined))?.state === 'starting',
    );
    await ask(gateway, 'DELETE', '/v1/plugins/other/permissions/notify');
    expect(isInstalled).toBe(false);
    await ask(gateway, 'DELETE', '/v1/plugins/hangs');
    await installing.catch(() => undefined);
    rmSync(dir, { recursive: true });
  });

  it('leaves no grant behind for the next plugin of its name when its removal is cut off', async () => {
    await installPlugin(gateway, { id: 'cut-off', source: 'export default () => {};', permissions: { storage: true } });
    void ask(gateway, 'DELETE', '/v1/plugins/cut-off').catch(() => undefined);
    const config = () => JSON.parse(readFileSync(join(gateway.dir, 'config.jsonc'), 'utf8'));
    await until('its grants are gone', () => config().plugins.entries['cut-off'] === undefined);
    await gateway.kill();
    await gateway.restart();
    expect(config().plugins.entries['cut-off']).toBeUndefined();
    const { permissions } = await pluginInfo(gateway, 'cut-off').catch(() => ({ permissions: [] }));
    for (const { granted } of permissions) expect(granted).toBe(false);
  });
});
