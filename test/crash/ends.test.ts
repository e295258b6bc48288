import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { eagerClient, startFlood, Watcher } from './flooding.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess();
});

describe('honest-ends: who reads the end of a session', () => {
  it('is told in the same breath that it is closed, and how it ended', async () => {
    for (let i = 0; i < count({ quick: 4, all: 20 }); i++) {
      const mode = i % 2 === 0 ? 'pipe' : 'pty';
      const { id } = await gateway.client.sessions.create({ command: `echo ${i}; exit ${i}`, mode });
      const watcher = new Watcher(gateway.client, id);
      expect(await watcher.ended).toMatchObject({ state: 'closed', running: false, exitCode: i, signal: null });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
    }
  });
});

describe('outlives-us: a program that ends while there is no gateway', () => {
  it('on a terminal and on pipes has one exit and one end, as it was', async () => {
    const client = eagerClient(gateway);
    const start = (mode: 'pty' | 'pipe') =>
      startFlood(gateway, { label: `alone-${mode}`, mode, bytes: 100_000, endless: true });
    const floods = await Promise.all([start('pty'), start('pipe')]);
    const before = floods.map(({ id }) => new Watcher(client, id));
    await Promise.all(before.map((watcher) => watcher.reached(1)));
    await gateway.kill();
    for (const { id, stop } of floods) {
      stop();
      const exitFile = join(gateway.dir, 'sessions', id, 'exit.json');
      await until('it has ended', () => existsSync(exitFile));
    }
    await gateway.restart();
    const after = floods.map(({ id }) => new Watcher(gateway.connect(), id));
    for (const watcher of [...before, ...after]) {
      expect(await watcher.ended).toMatchObject({ state: 'closed', exitCode: 0, outputOffset: watcher.offset });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
      expect(watcher.others.find((event) => event.type === 'closed')).toMatchObject({ data: { reason: 'eof' } });
    }
    client.close();
  });
});
