import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { eagerClient, startFlood, Watcher } from './flooding.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ flags: [] });
});

describe('honest-ends: who reads the end of a session', () => {
  it('is told in the same breath that it is closed, and how it ended', async () => {
    for (let i = 0; i < count({ quick: 6, all: 20 }); i++) {
      const mode = i % 2 === 0 ? 'pipe' : 'pty';
      const { id } = await gateway.client.sessions.create({ command: `echo ${i}; exit ${i}`, mode });
      const watcher = new Watcher(gateway.client, id);
      expect(await watcher.ended).toMatchObject({ state: 'closed', running: false, exitCode: i, signal: null });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
    }
  });
});

describe('outlives-us: a program that ends while there is no gateway', () => {
  it.each(['pty', 'pipe'] as const)('on a %s has one exit and one end, as it was', async (mode) => {
    const flooding = await startFlood(gateway, { label: `alone-${mode}`, mode, bytes: 100_000, endless: true });
    const client = eagerClient(gateway);
    const before = new Watcher(client, flooding.id);
    await before.reached(1);
    await gateway.kill();
    flooding.stop();
    const exitFile = join(gateway.dir, 'sessions', flooding.id, 'exit.json');
    while (!existsSync(exitFile)) await new Promise((resolve) => setTimeout(resolve, 5));
    await gateway.restart();
    const after = new Watcher(gateway.connect(), flooding.id);
    for (const watcher of [before, after]) {
      expect(await watcher.ended).toMatchObject({ state: 'closed', exitCode: 0, outputOffset: watcher.offset });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
      expect(watcher.others.find((event) => event.type === 'closed')).toMatchObject({ data: { reason: 'eof' } });
    }
    client.close();
  });
});
