import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { MIB } from './flooding.fixture.ts';
import { killInFlood } from './gateway-kill.fixture.ts';

let gateway: GatewayProcess;
beforeEach(async () => {
  // The program floods until the last kill: on a slow machine that is more than is kept of a session by default.
  gateway = await openGatewayProcess({ flags: ['--retain-bytes', '16GiB'] });
});
afterEach(() => gateway.close());

const SLOW_MACHINE_MS = 60_000;
/** One each 30 ms: from the kill to behind the moment in which the next gateway answers. */
const ENDING = 120;

describe('seen-means-kept, outlives-us: the gateway is killed with SIGKILL at random moments', () => {
  // Paced, so that a slow machine, where each restart takes longer, does not get gigabytes to compare.
  it.each([
    ['a terminal', 'pty', 200, 40],
    ['pipes, stdout and stderr each in order and complete', 'pipe', 160, 32],
  ] as const)(
    '8 times in 200 MiB through %s: viewer, log and generator are equal',
    async (_, mode, mebibytes, rate) => {
      const sessions = [{ mode, label: 'flood' }];
      const plan = { kills: 8, sessions, bytes: mebibytes * MIB, between: 8 * MIB, rate };
      const report = await killInFlood(gateway, plan);
      console.log(mode, report);
      expect(report.mebibytes).toBeGreaterThanOrEqual(200);
    },
    SLOW_MACHINE_MS,
  );

  it(
    '4 times while 20 sessions flood at once',
    async () => {
      const sessions = Array.from({ length: 20 }, (_, i) => ({
        mode: i % 2 === 0 ? ('pty' as const) : ('pipe' as const),
        label: `many-${i}`,
      }));
      const report = await killInFlood(gateway, { kills: 4, sessions, bytes: 4 * MIB, between: MIB / 2, rate: 1 });
      console.log('20 sessions', report);
      expect(report.kills).toBe(4);
    },
    SLOW_MACHINE_MS,
  );

  it(
    'and comes back while one program after the other ends: each is told to have ended, with how',
    async () => {
      const ids = await Promise.all(
        Array.from({ length: ENDING }, async (_, i) => {
          const command = `sleep ${(i * 0.03).toFixed(2)}; exit ${i % 7}`;
          return (await gateway.client.sessions.create({ command, mode: i % 2 === 0 ? 'pty' : 'pipe' })).id;
        }),
      );
      await gateway.kill();
      await gateway.restart();
      for (const [i, id] of ids.entries()) {
        await until('it has ended', async () => (await gateway.client.sessions.get(id)).state === 'closed');
        expect((await gateway.client.sessions.get(id)).exitCode).toBe(i % 7);
      }
    },
    SLOW_MACHINE_MS,
  );
});
