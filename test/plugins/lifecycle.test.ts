// Plugins in a real gateway: what installing, granting, changing, failing, killing and removing do to them, and that none
// of it does anything to others.

import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginAuditEntry, PluginInfo, PluginLog, PluginPreview } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { count, isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { ask, grant, installPlugin, type PluginSource, pluginFolder, pluginInfo } from './installed.fixture.ts';
import { isAlive, treeOf } from './plugin.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ pluginLimits: { restarts: count({ quick: 1, all: 5 }) } });
});

const TOOL = `export default (api) => {
  console.log('hello from', api.id, JSON.stringify(api.config ?? null));
  api.tool({ name: 'greet', description: 'Greets.', run: () => 'hi' });
};`;

const config = (): { plugins?: { entries?: Record<string, Record<string, unknown>> } } =>
  JSON.parse(readFileSync(join(gateway.dir, 'config.jsonc'), 'utf8'));
const entryOf = (id: string) => config().plugins?.entries?.[id];
const logOf = async (id: string): Promise<string> =>
  (await ask<PluginLog>(gateway, 'GET', `/v1/plugins/${id}/logs`)).lines.map(({ text }) => text).join('\n');
/** What it prints comes by another road than what it calls. */
const untilLogged = (id: string, wanted: RegExp) =>
  until(`the log of ${id} says ${wanted}`, async () => wanted.test(await logOf(id)));
const auditOf = async (id: string): Promise<PluginAuditEntry[]> =>
  (await ask<{ entries: PluginAuditEntry[] }>(gateway, 'GET', `/v1/plugins/${id}/audit?limit=1000`)).entries;
const state = async (id: string) => (await pluginInfo(gateway, id)).state;
const untilState = (id: string, wanted: PluginInfo['state'], ms = 15_000) =>
  until(`${id} is ${wanted}`, async () => (await state(id)) === wanted, ms);

async function codeOf(work: Promise<unknown>): Promise<string> {
  const message = await work.then(
    () => 'no error',
    (error: Error) => error.message,
  );
  return /"code":"([a-z_]+)"/.exec(message)?.[1] ?? message;
}

/** Of a folder as it is; agreed to. */
async function reinstall(source: PluginSource): Promise<PluginInfo> {
  const dir = pluginFolder(source);
  try {
    const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    return await ask<PluginInfo>(gateway, 'POST', '/v1/plugins', { path: dir, digest, inherit: 'all' });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('a plugin that is installed', () => {
  it('runs behind walls, and may nothing until it is granted; then without another process', async () => {
    const asks = { tools: { names: ['greet'] } };
    const fresh = await installPlugin(gateway, { id: 'greeter', source: TOOL, permissions: asks, grants: {} });
    expect(fresh).toMatchObject({
      level: 'sealed',
      state: 'running',
      problem: null,
      offers: [{ kind: 'tool', name: 'greet', inForce: false, permission: 'tools' }],
      permissions: [
        {
          permission: 'tools',
          asked: asks.tools,
          granted: false,
          missing: asks.tools,
          reason: 'For the test.',
          key: 'plugins.entries.greeter.permissions.tools',
        },
      ],
    });
    const granted = await grant(gateway, 'greeter', 'tools', asks.tools);
    expect(granted).toMatchObject({ pid: fresh.pid, offers: [{ inForce: true }], permissions: [{ missing: false }] });
    expect(entryOf('greeter')).toEqual({ permissions: { tools: asks.tools } });
    const revoked = await ask<PluginInfo>(gateway, 'DELETE', '/v1/plugins/greeter/permissions/tools');
    expect(revoked).toMatchObject({ pid: fresh.pid, offers: [{ inForce: false }] });
    await untilLogged('greeter', /^hello from greeter null$/m);
    await untilLogged('greeter', /permissions\.tools/);
    const audit = await auditOf('greeter');
    expect(audit).toContainEqual(expect.objectContaining({ what: 'install', by: 'admin', outcome: 'done' }));
    expect(audit).toContainEqual(expect.objectContaining({ what: 'tools', outcome: 'denied', target: 'greet' }));
    expect(audit.filter(({ what, by }) => what === 'grant' && by === 'admin')).toHaveLength(1);
    expect(audit.filter(({ what, by }) => what === 'revoke' && by === 'admin')).toHaveLength(1);
  });

  it('has the grants of the config file as soon as somebody writes them there', async () => {
    const { pid } = await installPlugin(gateway, {
      id: 'by-hand',
      source: TOOL,
      permissions: { tools: true },
      grants: {},
    });
    const write = (permissions: object) => {
      const now = config();
      const entries = { ...now.plugins?.entries, 'by-hand': { permissions } };
      writeFileSync(join(gateway.dir, 'config.jsonc'), JSON.stringify({ ...now, plugins: { entries } }));
    };
    write({ tools: true });
    await until('it is granted', async () => (await pluginInfo(gateway, 'by-hand')).offers[0]?.inForce === true);
    write({ tools: { names: ['another'] } });
    await until('it is not', async () => (await pluginInfo(gateway, 'by-hand')).offers[0]?.inForce === false);
    expect((await pluginInfo(gateway, 'by-hand')).pid).toBe(pid);
    const told = async () => {
      const audit = (await auditOf('by-hand')).filter(({ what }) => what === 'grant' || what === 'revoke');
      return audit.map(({ what, target, by }) => [what, target, by]).reverse();
    };
    const byHand = [
      ['grant', 'tools true', null],
      ['grant', 'tools {"names":["another"]}', null],
    ];
    expect(await told()).toEqual(byHand);
    // What a person did over the API is in the file then, and is not told twice.
    await grant(gateway, 'by-hand', 'tools', true);
    await ask(gateway, 'DELETE', '/v1/plugins/by-hand/permissions/tools');
    write({});
    write({ tools: true });
    await until('it is granted', async () => (await pluginInfo(gateway, 'by-hand')).offers[0]?.inForce === true);
    expect(await told()).toEqual([
      ...byHand,
      ['grant', 'tools true', 'admin'],
      ['revoke', 'tools false', 'admin'],
      ['grant', 'tools true', null],
    ]);
  });

  it('that is granted less than it asks for lacks nothing, and says what would be all of it', async () => {
    const asks = { net: true, tools: { names: ['greet', 'other'] } } as const;
    await installPlugin(gateway, { id: 'narrow', source: TOOL, permissions: asks, grants: {} });
    const facts = async () =>
      Object.fromEntries(
        (await pluginInfo(gateway, 'narrow')).permissions.map(({ permission, missing, narrowed, needed, both }) => [
          permission,
          { missing, narrowed, needed, both },
        ]),
      );
    expect(await facts()).toEqual({
      net: { missing: true, narrowed: false, needed: false, both: true },
      tools: { missing: asks.tools, narrowed: false, needed: true, both: asks.tools },
    });
    await grant(gateway, 'narrow', 'net', { hosts: ['127.0.0.1:9000'] });
    await grant(gateway, 'narrow', 'tools', { names: ['greet'] });
    expect(await facts()).toEqual({
      net: { missing: false, narrowed: true, needed: false, both: { hosts: ['*', '127.0.0.1:9000'] } },
      tools: { missing: { names: ['other'] }, narrowed: false, needed: false, both: asks.tools },
    });
  });

  it('says what it was denied, until somebody decides about that again', async () => {
    const source = `export default async (api) => {
      await api.fetch('https://tides.example/').catch(() => console.log('denied'));
    };`;
    await installPlugin(gateway, { id: 'wants', source, permissions: { net: true, notify: true }, grants: {} });
    await untilLogged('wants', /denied/);
    const needed = async () =>
      (await pluginInfo(gateway, 'wants')).permissions.filter((one) => one.needed).map(({ permission }) => permission);
    expect(await needed()).toEqual(['net']);
    await grant(gateway, 'wants', 'net', { hosts: ['tides.example'] });
    expect(await needed()).toEqual([]);
    await ask(gateway, 'DELETE', '/v1/plugins/wants/permissions/net');
    expect(await needed()).toEqual([]);
  });

  it('that needs settings says which, and runs once they are there', async () => {
    const schema = {
      type: 'object',
      properties: {
        secret: { type: 'string', description: 'Known to both.' },
        city: { type: 'string', default: 'Rome' },
        port: { type: 'integer' },
      },
      required: ['secret', 'city'],
    };
    const dir = pluginFolder({ id: 'needy', source: TOOL, config: schema });
    const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    const info = await ask<PluginInfo>(gateway, 'POST', '/v1/plugins', { path: dir, digest });
    rmSync(dir, { recursive: true });
    expect(info).toMatchObject({
      state: 'unset',
      problem: {
        code: 'bad_plugin_config',
        message: 'It needs settings: secret.',
        hint: 'Set plugins.entries.needy.config in the config file: {"secret": …}. It starts once they are there.',
      },
      settings: [
        { key: 'secret', description: 'Known to both.', isRequired: true, isSet: false },
        { key: 'city', description: '', isRequired: false, isSet: false },
        { key: 'port', description: '', isRequired: false, isSet: false },
      ],
    });
    const write = (settings: object) => {
      const now = config();
      const entries = { ...now.plugins?.entries, needy: { config: settings } };
      writeFileSync(join(gateway.dir, 'config.jsonc'), JSON.stringify({ ...now, plugins: { entries } }));
    };
    write({ port: 'a secret' });
    await until('the setting is set', async () => (await pluginInfo(gateway, 'needy')).settings[2]?.isSet === true);
    await untilState('needy', 'unset');
    write({ secret: 'never shown' });
    await untilState('needy', 'running');
    const text = JSON.stringify(await pluginInfo(gateway, 'needy'));
    expect(text).not.toContain('never shown');
    write({ secret: 7 });
    await untilState('needy', 'refused');
  });

  it('gets the settings that its manifest describes, and is refused with others', async () => {
    const schema = {
      type: 'object',
      properties: { city: { type: 'string', default: 'Rome' } },
      additionalProperties: false,
    };
    await installPlugin(gateway, { id: 'settled', source: TOOL, config: schema });
    await untilLogged('settled', /hello from settled \{"city":"Rome"\}/);
    const write = (settings: object) => {
      const now = config();
      const entries = { ...now.plugins?.entries, settled: { config: settings } };
      writeFileSync(join(gateway.dir, 'config.jsonc'), JSON.stringify({ ...now, plugins: { entries } }));
    };
    write({ city: 5 });
    await untilState('settled', 'refused');
    expect((await pluginInfo(gateway, 'settled')).problem).toMatchObject({ code: 'bad_plugin_config' });
    write({ city: 'Bern' });
    await untilState('settled', 'running');
    await untilLogged('settled', /hello from settled \{"city":"Bern"\}/);
  });

  it('is off when it is disabled, with no process, and comes back', async () => {
    const { pid } = await installPlugin(gateway, { id: 'switch', source: TOOL, permissions: { tools: true } });
    const set = (enabled: boolean) => ask<PluginInfo>(gateway, 'PUT', '/v1/plugins/switch/enabled', { enabled });
    expect(await set(false)).toMatchObject({ state: 'off', pid: null });
    expect(isAlive(pid ?? 0)).toBe(false);
    expect(await set(true)).toMatchObject({ state: 'running', offers: [{ inForce: true }] });
  });

  it('is refused when its files are others than those that were installed, and runs when they are again', async () => {
    await installPlugin(gateway, { id: 'touched', source: TOOL });
    const home = join(gateway.dir, 'plugins', 'touched');
    const files = readdirSync(home).find((name) => name.startsWith('files-')) ?? '';
    const entry = join(home, files, 'index.js');
    const before = readFileSync(entry, 'utf8');
    // As somebody who may: it is the user's own file.
    rmSync(entry);
    writeFileSync(entry, `${before}// and more`, { mode: 0o400 });
    expect(await ask<PluginInfo>(gateway, 'POST', '/v1/plugins/touched/restart')).toMatchObject({
      state: 'refused',
      problem: { code: 'plugin_changed', message: expect.stringContaining('index.js') },
    });
    expect(await reinstall({ id: 'touched', version: '1.0.1', source: TOOL })).toMatchObject({
      state: 'running',
      version: '1.0.1',
    });
  });

  it('is gone with its log, its grants and its files when it is removed', async () => {
    const { pid } = await installPlugin(gateway, { id: 'leaving', source: TOOL, permissions: { tools: true } });
    await ask(gateway, 'DELETE', '/v1/plugins/leaving');
    expect(isAlive(pid ?? 0)).toBe(false);
    expect(await codeOf(pluginInfo(gateway, 'leaving'))).toBe('plugin_not_found');
    expect(existsSync(join(gateway.dir, 'plugins', 'leaving'))).toBe(false);
    expect(readdirSync(join(gateway.dir, 'plugin-state')).filter((name) => name.startsWith('leaving'))).toEqual([]);
    expect(entryOf('leaving')).toBeUndefined();
    expect((await auditOf('leaving'))[0]).toMatchObject({ what: 'remove', by: 'admin' });
    expect(await codeOf(ask(gateway, 'DELETE', '/v1/plugins/leaving'))).toBe('plugin_not_found');
  });

  it('needs somebody to agree again when a new version asks for more, and keeps its grants', async () => {
    await installPlugin(gateway, { id: 'grower', source: TOOL, permissions: { tools: { names: ['greet'] } } });
    const wider = {
      id: 'grower',
      version: '2.0.0',
      source: TOOL,
      permissions: { tools: true, net: { hosts: ['a.example'] } },
    };
    const dir = pluginFolder(wider);
    const preview = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    expect(preview).toMatchObject({ replaces: '1.0.0', widens: ['tools', 'net'], version: '2.0.0' });
    // Somebody changes the folder behind the back of the person who agrees.
    appendFileSync(join(dir, 'index.js'), '\n// more');
    const agreed = { path: dir, digest: preview.digest, inherit: 'all' };
    expect(await codeOf(ask(gateway, 'POST', '/v1/plugins', agreed))).toBe('plugin_changed');
    rmSync(dir, { recursive: true });
    expect((await pluginInfo(gateway, 'grower')).version).toBe('1.0.0');
    expect(await reinstall(wider)).toMatchObject({ version: '2.0.0', state: 'running' });
    expect((await pluginInfo(gateway, 'grower')).permissions).toMatchObject([
      { permission: 'net', granted: false },
      { permission: 'tools', granted: { names: ['greet'] }, missing: false, narrowed: true },
    ]);
  });

  it('is for admins to see and to change', async () => {
    const { token } = await gateway.client.tokens.create({ name: 'watcher', scope: 'create' });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const routes = [
      ['GET', '/v1/plugins'],
      ['GET', '/v1/plugins/greeter'],
      ['GET', '/v1/plugins/greeter/logs'],
      ['GET', '/v1/plugins/greeter/audit'],
      ['POST', '/v1/plugins/preview'],
      ['POST', '/v1/plugins'],
      ['DELETE', '/v1/plugins/greeter'],
      ['POST', '/v1/plugins/greeter/restart'],
      ['PUT', '/v1/plugins/greeter/enabled'],
      ['PUT', '/v1/plugins/greeter/permissions/tools'],
    ] as const;
    for (const [method, path] of routes) {
      const body = method === 'GET' ? {} : { body: '{}' };
      expect((await gateway.fetch(path, { method, headers, ...body })).status, `${method} ${path}`).toBe(403);
    }
    expect(await state('greeter')).toBe('running');
  });

  it.each([
    ['tools', 'yes'],
    ['tools', { name: ['x'] }],
    ['runCommandWithTimeout', { commands: ['env -S'] }],
    ['net', { hosts: ['http://x'] }],
    ['everything', true],
    ['__proto__', true],
  ])('is not granted %s with %j', async (permission, value) => {
    const before = JSON.stringify(config());
    const path = `/v1/plugins/greeter/permissions/${permission}`;
    expect(await codeOf(ask(gateway, 'PUT', path, { value }))).toBe('bad_request');
    expect(JSON.stringify(config())).toBe(before);
  });
});

describe.concurrent('contained: one bad plugin hurts nobody', () => {
  it('one whose process is killed comes back by itself', async () => {
    const { pid } = await installPlugin(gateway, { id: 'victim', source: TOOL, permissions: { tools: true } });
    for (const each of treeOf(pid ?? 0)) process.kill(each, 'SIGKILL');
    await until('it runs again', async () => {
      const now = await pluginInfo(gateway, 'victim');
      return now.state === 'running' && now.pid !== pid;
    });
    expect(await pluginInfo(gateway, 'victim')).toMatchObject({ restarts: 1, offers: [{ inForce: true }] });
  });

  const BAD: [name: string, code: string, reason: string][] = [
    ['throws', "throw new Error('on purpose');", 'on purpose'],
    ['rejects later', "setTimeout(() => Promise.reject(new Error('nobody hears')), 50);", 'exit code'],
    ['offers nonsense', "api.tool({ name: 'a b', description: 'd', run() {} });", 'What it offers is wrong'],
    ['offers a name that is ours', "api.channel({ name: 'User', send: () => undefined });", 'that name is taken'],
  ];
  /** Each of its lives takes seconds. hostile.test.ts ends one life of each in `npm test`, too. */
  const SLOW: typeof BAD = [
    ['loops', 'for (;;);', 'not ready|no sign of life'],
    ['takes 2 GiB', 'const all = []; for (;;) all.push(Buffer.alloc(2 ** 26, 1));', 'MiB|exit code|signal'],
  ];
  it.each(isAll ? [...BAD, ...SLOW] : some(BAD, 2))(
    'one that %s is disabled, where that helps after some tries, with the reason, and others go on',
    async (name, code, reason) => {
      const id = `bad-${name.replaceAll(' ', '-').toLowerCase()}`;
      await reinstall({ id, source: `export default (api) => { ${code} };` });
      const witness = await installPlugin(gateway, { id: `${id}-witness`, source: TOOL });
      const session = await gateway.client.sessions.create({ name: id, command: 'sleep 60' });
      await untilState(id, 'disabled', 90_000);
      expect((await pluginInfo(gateway, id)).problem?.message).toMatch(new RegExp(reason));
      await untilLogged(id, /It is disabled(?:: it ended too often| until its files or its settings change)/);
      expect(await pluginInfo(gateway, witness.id)).toMatchObject({ pid: witness.pid, restarts: 0, state: 'running' });
      expect((await gateway.client.sessions.get(session.id)).state).toBe('running');
      await ask(gateway, 'DELETE', `/v1/plugins/${id}`);
    },
    100_000,
  );

  it('one that was disabled is tried again when somebody says so', async () => {
    await reinstall({ id: 'once', source: "export default () => { throw new Error('still'); };" });
    await untilState('once', 'disabled', 60_000);
    expect(await reinstall({ id: 'once', version: '1.0.1', source: TOOL })).toMatchObject({
      state: 'running',
      restarts: 0,
    });
  }, 70_000);
});
