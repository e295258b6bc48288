// The process of the index: killed, stopped, begun anew, outlived. The gateway never notices more than a refused search.

import { describe, expect, it } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { indexPidOf, isThere, Searchers, startFlood } from './index-process.fixture.ts';

let gateway: GatewayProcess;
const open = async (options = {}): Promise<void> => {
  gateway = await openGatewayProcess(options);
};

const finds = async (): Promise<boolean> => {
  const { status, json } = await gateway.ask('/v1/search?q=needle');
  return status === 200 && json.hits.length > 0;
};

describe('the index of a gateway', () => {
  inAll('is begun anew under a flood and searches, and takes nothing along', async () => {
    await open();
    const { pid } = gateway;
    await startFlood(gateway);
    const searchers = await Searchers.start(gateway, 2);
    for (let i = 0; i < count({ quick: 1, all: 2 }); i += 1) {
      await until('it finds the flood', finds);
      expect((await gateway.ask('/v1/search/rebuild', { method: 'POST' })).status).toBe(202);
    }
    await until('it finds the flood again', finds);
    await searchers.stop();
    expect(isThere(pid)).toBe(true);
    expect([...searchers.answers.keys()].filter((one) => one !== '200' && one !== 'index_unavailable')).toEqual([]);
  });

  inAll('goes on after a pause of the gateway that is longer than a search may take', async () => {
    await open({ searchMs: 1000 });
    // An index that does not grow: a search of it is far from its limit, however busy the machine is.
    await gateway.create({ command: `seq 1 20000 | sed 's/^/needle in line /'`, mode: 'pipe' });
    await until('it finds the flood', finds);
    const { pid } = gateway;
    const index = indexPidOf(pid);
    const searchers = await Searchers.start(gateway, 2);
    await until('searches are under way', () => (searchers.answers.get('200') ?? 0) > 5);
    process.kill(pid, 'SIGSTOP');
    // Longer than the 1000 ms of a search and the 1500 ms of grace.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    process.kill(pid, 'SIGCONT');
    const before = searchers.answers.get('200') ?? 0;
    await until('searches go on', () => (searchers.answers.get('200') ?? 0) > before + 5);
    await searchers.stop();
    expect([...searchers.answers.keys()]).toEqual(['200']);
    expect(indexPidOf(pid)).toBe(index);
  });

  it('comes back after a kill, and ends with a gateway that is killed', async () => {
    await open();
    await gateway.create({ command: 'echo needle', mode: 'pipe' });
    await until('it finds it', finds);
    const first = indexPidOf(gateway.pid) ?? -1;
    process.kill(first, 'SIGKILL');
    await until('another finds it', async () => indexPidOf(gateway.pid) !== undefined && (await finds()));
    const second = indexPidOf(gateway.pid) ?? -1;
    expect(second).not.toBe(first);
    await gateway.kill();
    await until('it is gone', () => !isThere(second));
    await gateway.start();
    await until('the next gateway finds it once', finds);
    expect((await gateway.ask('/v1/search?q=needle')).json.hits).toHaveLength(1);
  });
});
