// A plugin that comes from another folder than the one of its id that is installed: a person is asked what it gets.

import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PluginInfo, PluginPreview } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BINARY } from '../mcp/mcp.fixture.ts';
import { some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { ask, installPlugin, pluginFolder } from './installed.fixture.ts';

let gateway: Gateway;
const folders: string[] = [];
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(async () => {
  await gateway.close();
  for (const dir of folders) rmSync(dir, { recursive: true });
});

const PERMISSIONS = { storage: true, tools: true };
/** Answers with what it finds that another one has kept. */
const READS = `export default (binnacle) => {
  binnacle.tool({ name: 'peek', description: 'Tells.', input: { type: 'object' }, run: async () => String(await binnacle.storage.get('secret')) });
};`;
const KEEPS = `export default async (binnacle) => {
  await binnacle.storage.set('secret', 'treasure');
};`;
const folder = (id: string, source = READS): string => {
  const dir = pluginFolder({ id, version: '2.0.0', source, permissions: PERMISSIONS });
  folders.push(dir);
  return dir;
};
const preview = async (dir: string): Promise<PluginPreview> =>
  await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
const grantedOf = ({ permissions }: PluginInfo): string[] =>
  permissions.filter(({ granted }) => granted !== false).map(({ permission }) => permission);

it('is refused by code until somebody says whether it inherits, and says what it would get', async () => {
  const first = await installPlugin(gateway, { id: 'keeper', source: KEEPS, permissions: PERMISSIONS });
  expect(grantedOf(first)).toEqual(expect.arrayContaining(['storage', 'tools']));
  const other = folder('keeper');
  const seen = await preview(other);
  expect(seen.inherits).toEqual({
    from: expect.stringMatching(/binnacle-plugin-keeper-/),
    permissions: expect.arrayContaining(['storage', 'tools']),
    settings: [],
    values: 1,
  });
  const body = { path: other, digest: seen.digest };
  const refused = await gateway.fetch('/v1/plugins', {
    ...{ method: 'POST', body: JSON.stringify(body) },
    headers: { 'content-type': 'application/json' },
  });
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({
    error: { code: 'other_origin', details: { plugin: 'keeper', inherits: seen.inherits } },
  });
  expect((await ask<PluginInfo>(gateway, 'GET', '/v1/plugins/keeper')).version).toBe('1.0.0');

  const fresh = await ask<PluginInfo>(gateway, 'POST', '/v1/plugins', { ...body, inherit: 'nothing' });
  expect([fresh.version, grantedOf(fresh)]).toEqual(['2.0.0', []]);
  // Values that the first plugin stored are gone, also where the new one is allowed to look.
  for (const permission of ['storage', 'tools']) {
    await ask(gateway, 'PUT', `/v1/plugins/keeper/permissions/${permission}`, { value: true });
  }
  const again = await preview(other);
  expect(again.inherits).toBeNull();
  expect((await preview(folder('keeper', KEEPS))).inherits).toMatchObject({
    values: 0,
    permissions: ['tools', 'storage'],
  });
});

it('gets nothing either where the grants of the one before cannot be taken away: that one stays', async () => {
  await installPlugin(gateway, { id: 'stuck', source: KEEPS, permissions: PERMISSIONS });
  const other = folder('stuck');
  const { digest } = await preview(other);
  const config = join(gateway.dir, 'config.jsonc');
  chmodSync(config, 0o400);
  try {
    const refused = await gateway.fetch('/v1/plugins', {
      ...{ method: 'POST', body: JSON.stringify({ path: other, digest, inherit: 'nothing' }) },
      headers: { 'content-type': 'application/json' },
    });
    expect(await refused.json()).toMatchObject({ error: { code: 'config_not_writable' } });
  } finally {
    chmodSync(config, 0o600);
  }
  const left = await ask<PluginInfo>(gateway, 'GET', '/v1/plugins/stuck');
  expect([left.version, grantedOf(left)]).toEqual(['1.0.0', expect.arrayContaining(['storage', 'tools'])]);
  expect((await preview(other)).inherits).toMatchObject({ values: 1 });
});

it('keeps all of it where somebody says so, and is not asked about when it comes from the same folder', async () => {
  const home = folder('mover', KEEPS);
  const { digest } = await preview(home);
  await ask(gateway, 'POST', '/v1/plugins', { path: home, digest, grants: PERMISSIONS });
  expect((await preview(home)).inherits).toBeNull();
  const other = folder('mover', KEEPS);
  const seen = await preview(other);
  expect(seen.inherits).toMatchObject({ from: home, values: 1 });
  const kept = await ask<PluginInfo>(gateway, 'POST', '/v1/plugins', {
    path: other,
    digest: seen.digest,
    inherit: 'all',
  });
  expect(grantedOf(kept)).toEqual(expect.arrayContaining(['storage', 'tools']));
  expect((await preview(home)).inherits).toMatchObject({ from: other });
});

it('the command says what it would get, and takes --yes for no answer to that', async () => {
  await installPlugin(gateway, { id: 'twice', source: KEEPS, permissions: PERMISSIONS });
  const other = folder('twice');
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [BINARY, 'plugin', 'install', other, '--data', gateway.dir, ...args]).then(
      ({ stderr }) => ({ code: 0, stderr }),
      (failed: { code: number; stderr: string }) => failed,
    );
  const refused = await run('--yes');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/another folder.*binnacle-plugin-twice-/);
  expect(refused.stderr).toMatch(/It would inherit.*tools, storage; 1 stored value/);
  expect(refused.stderr).toContain('--inherit');
  expect((await ask<PluginInfo>(gateway, 'GET', '/v1/plugins/twice')).version).toBe('1.0.0');
  const taken = await run('--yes', '--inherit', 'nothing', '--no-grant');
  expect(taken).toMatchObject({ code: 0 });
  const after = await ask<PluginInfo>(gateway, 'GET', '/v1/plugins/twice');
  expect([after.version, grantedOf(after)]).toEqual(['2.0.0', []]);
  expect(readFileSync(join(gateway.dir, 'plugins/twice/record.json'), 'utf8')).toContain(other);
});

it('what a tool or a command calls itself holds no letter that nobody sees', async () => {
  const unseen: readonly [string, string][] = [
    [
      `tool({ name: 'x', title: 'Look\\u202Eup', description: 'd', input: { type: 'object' }, run: async () => '' })`,
      'U+202E',
    ],
    [
      `tool({ name: 'x', description: 'Looks up.\\u{E0049}\\u{E0067}', input: { type: 'object' }, run: async () => '' })`,
      'U+E0049',
    ],
    [
      `tool({ name: 'x', description: 'd', input: { type: 'object', properties: { a: { type: 'string', description: 'A\\u001b[8m' } } }, run: async () => '' })`,
      'U+001B',
    ],
    [`command({ name: 'x', description: 'Tells\\u200B.', run: async () => '' })`, 'U+200B'],
  ];
  for (const [offer, letter] of some(unseen, 2)) {
    const source = `export default (binnacle) => { binnacle.${offer}; };`;
    const dir = pluginFolder({ id: 'unseen', source, permissions: { tools: true, commands: true } });
    folders.push(dir);
    const { digest } = await preview(dir);
    const asked = { path: dir, digest, inherit: 'all', grants: { tools: true, commands: true } };
    const info = await ask<PluginInfo>(gateway, 'POST', '/v1/plugins', asked);
    expect.soft(info.state).toBe('disabled');
    expect.soft(JSON.stringify(info.problem)).toContain(letter);
  }
  const plain = `export default (binnacle) => { binnacle.command({ name: 'x', description: 'Zeigt ⚙️ – “alles”.\\n\\tUnd mehr.', run: async () => '' }); };`;
  const info = await installPlugin(gateway, { id: 'seen', source: plain, permissions: { commands: true } });
  expect(info.state).toBe('running');
});
