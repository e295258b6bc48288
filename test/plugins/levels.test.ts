// How well plugins are shut in, where this machine can do less: a gateway that finds no bubblewrap.

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PluginInfo, PluginPreview } from '@binnacle/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { ask, pluginFolder, pluginInfo } from './installed.fixture.ts';

const CLOSES_NETWORK = Number(process.versions.node.split('.')[0]) >= 25;

let gateway: GatewayProcess;
let tools: string;
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'binnacle-path-'));
  for (const name of ['bash', 'sh', 'kill', 'prlimit', 'setpriv', 'stty']) {
    symlinkSync(join('/usr/bin', name), join(tools, name));
  }
  gateway = await openGatewayProcess({ flags: [], env: { PATH: tools } });
});
afterAll(async () => {
  await gateway.close();
  rmSync(tools, { recursive: true });
});

const entry = (settings: object): void => {
  const text = {
    agents: { entries: { main: { driver: 'echo', default: true } } },
    plugins: { entries: { shut: settings } },
  };
  writeFileSync(join(gateway.dir, 'config.jsonc'), JSON.stringify(text));
};
const untilIt = (what: Partial<PluginInfo>) =>
  until(`the plugin is ${JSON.stringify(what)}`, async () => {
    const info = await pluginInfo(gateway, 'shut');
    return Object.entries(what).every(([key, value]) => info[key as keyof PluginInfo] === value);
  });

it.skipIf(CLOSES_NETWORK)(
  `a plugin without the network is not loaded where that cannot be closed, until the operator says so${CLOSES_NETWORK ? ` (not tried: Node ${process.versions.node} closes it itself)` : ''}`,
  async () => {
    const dir = pluginFolder({ id: 'shut', source: 'export default () => {};' });
    const preview = await ask<PluginPreview>(gateway, 'POST', '/v1/plugins/preview', { path: dir });
    expect(preview).toMatchObject({ level: null, problem: { code: 'plugin_refused' } });
    await ask(gateway, 'POST', '/v1/plugins', { path: dir, digest: preview.digest });
    rmSync(dir, { recursive: true });
    expect(await pluginInfo(gateway, 'shut')).toMatchObject({
      state: 'refused',
      level: null,
      problem: { code: 'plugin_refused', hint: expect.stringContaining('plugins.entries.shut.allowRestricted') },
    });
    entry({ allowRestricted: true });
    await untilIt({ state: 'running', level: 'restricted' });
    entry({});
    await untilIt({ state: 'refused', level: null, pid: null });
    // Who may reach every host anyway has nothing to gain from it.
    entry({ permissions: { net: true } });
    await untilIt({ state: 'running', level: 'restricted' });
    entry({ permissions: { net: ['a.example'] } });
    await untilIt({ state: 'refused', pid: null });
    entry({ trusted: true });
    await untilIt({ state: 'running', level: 'trusted' });
    entry({ trusted: 'yes' });
    await untilIt({ state: 'refused', pid: null });
  },
);
