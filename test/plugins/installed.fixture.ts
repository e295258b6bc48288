// Plugins installed into a real gateway, the way the command line does it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { PluginGrantValue, PluginInfo, PluginPreview } from '@binnacle/protocol';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { atFileEnd } from '../support/teardown.ts';
import { until } from '../support/until.ts';

export interface PluginSource {
  readonly id: string;
  readonly version?: string;
  /** Text of index.js. */
  readonly source: string;
  /** Asked for by the manifest, and granted unless `grants` says otherwise. */
  readonly permissions?: Readonly<Record<string, PluginGrantValue>>;
  readonly grants?: Readonly<Record<string, PluginGrantValue>>;
  /** JSON Schema of its settings. */
  readonly config?: object;
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * Makes a folder that can be installed, and removes it at the end of the file: the end of a test would take the folders
 * of tests that run beside it.
 */
export function pluginFolder({
  id,
  version = '1.0.0',
  source,
  permissions = {},
  config,
  files = {},
}: PluginSource): string {
  const dir = mkdtempSync(join(tmpdir(), `binnacle-plugin-${id}-`));
  atFileEnd(() => rmSync(dir, { recursive: true, force: true }));
  const asks = Object.entries(permissions).map(([name, value]) => [
    name,
    { ...(typeof value === 'object' ? value : {}), reason: 'For the test.' },
  ]);
  const manifest = {
    id,
    version,
    entry: 'index.js',
    permissions: Object.fromEntries(asks),
    ...(config === undefined ? {} : { config }),
  };
  const all = { 'binnacle.plugin.json': JSON.stringify(manifest), 'index.js': source, ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

/** Installs it, grants, and waits until it runs. */
export async function installPlugin(gateway: GatewayAccess, plugin: PluginSource): Promise<PluginInfo> {
  const dir = pluginFolder(plugin);
  try {
    const { digest } = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    const grants = plugin.grants ?? plugin.permissions ?? {};
    // Each time another folder: what a test installs twice is the same plugin.
    await ask(gateway, 'POST', '/v1/plugins', { path: dir, digest, inherit: 'all', grants });
  } finally {
    rmSync(dir, { recursive: true });
  }
  let info = await pluginInfo(gateway, plugin.id);
  await until(`the plugin ${plugin.id} runs`, async () => {
    info = await pluginInfo(gateway, plugin.id);
    return info.state === 'running';
  });
  return info;
}

export const grant = (
  gateway: GatewayAccess,
  id: string,
  permission: string,
  value: PluginGrantValue,
): Promise<PluginInfo> => ask(gateway, 'PUT', `/v1/plugins/${id}/permissions/${permission}`, { value });

export const pluginInfo = (gateway: GatewayAccess, id: string): Promise<PluginInfo> =>
  ask(gateway, 'GET', `/v1/plugins/${id}`);

/** Throws what the gateway says where it is no success. */
export async function ask<T>(gateway: GatewayAccess, method: string, path: string, body?: object): Promise<T> {
  const answer = await gateway.fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
