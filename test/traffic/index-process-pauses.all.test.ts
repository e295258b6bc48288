// Does many times, with the default limits, what index-process.test.ts does once. A pause takes 13 s: three in
// `npm run test:all`, thirty in `npm run soak`.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { isThere, Searchers, startFlood } from './index-process.fixture.ts';

const REBUILDS = 30;
const PAUSES = count({ quick: 1, all: 3, soak: 30 });
/** Longer than a search may take with its grace. */
const PAUSE_MS = 13_000;

let gateway: GatewayProcess;
beforeEach(async () => {
  gateway = await openGatewayProcess();
});
afterEach(async () => {
  await gateway.close();
});

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('the index of a gateway, many times', () => {
  it('is begun anew at any moment of catching up', async () => {
    await startFlood(gateway);
    const searchers = await Searchers.start(gateway, 4);
    let survived = 0;
    for (let i = 0; i < REBUILDS; i += 1) {
      expect((await gateway.ask('/v1/search/rebuild', { method: 'POST' })).status).toBe(202);
      // From before it has started to the middle of catching up.
      await wait(i * 40);
      survived += isThere(gateway.pid) ? 1 : 0;
    }
    await searchers.stop();
    expect(survived).toBe(REBUILDS);
  }, 300_000);

  it('is there after a pause of the gateway under searches', async () => {
    await startFlood(gateway);
    await until('there is an index', async () => (await gateway.ask('/v1/search?q=needle')).status === 200);
    const searchers = await Searchers.start(gateway, 4);
    const found = (): number => searchers.answers.get('200') ?? 0;
    let survived = 0;
    for (let i = 0; i < PAUSES; i += 1) {
      const before = found();
      await until('searches are under way', () => found() > before + 5, 60_000);
      process.kill(gateway.pid, 'SIGSTOP');
      await wait(PAUSE_MS);
      process.kill(gateway.pid, 'SIGCONT');
      const after = found();
      await until('searches go on', () => found() > after + 5, 60_000);
      survived += isThere(gateway.pid) ? 1 : 0;
    }
    await searchers.stop();
    expect(survived).toBe(PAUSES);
    expect([...searchers.answers.keys()]).toEqual(['200']);
  }, 900_000);
});
