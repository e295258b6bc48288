import { beforeAll, describe, expect, it } from 'vitest';
import { count, inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { measuresAlone } from '../support/measuring.ts';
import { until } from '../support/until.ts';
import { MIB } from './flooding.fixture.ts';
import { killInFlood } from './gateway-kill.fixture.ts';

measuresAlone();

let gateway: GatewayProcess;
beforeAll(async () => {
  // The program floods until the last kill: on a slow machine that is more than is kept of a session by default.
  gateway = await openGatewayProcess({ flags: ['--retain-bytes', '16GiB'] });
});

const SLOW_MACHINE_MS = 60_000;
/** One each 30 ms: from the kill to behind the moment in which the next gateway answers. */
const ENDING = count({ quick: 40, all: 120 });
const KILLS = count({ quick: 2, all: 8 });
const MEBIBYTES = count({ quick: 6, all: 200 });
/** As many terminals as pipes, of which each stream is compared. */
const MANY = count({ quick: 4, all: 20 });
const KILLS_OF_MANY = count({ quick: 1, all: 4 });

describe('seen-means-kept, outlives-us: the gateway is killed with SIGKILL at random moments', () => {
  // Paced, so that a slow machine, where each restart takes longer, does not get gigabytes to compare.
  it.each(
    some(
      [
        ['a terminal', 'pty', MEBIBYTES, count({ quick: 4, all: 40 })],
        ['pipes, stdout and stderr each in order and complete', 'pipe', MEBIBYTES * 0.8, 16],
      ] as const,
      1,
    ),
  )(
    `${KILLS} times in ${MEBIBYTES} MiB through %s: viewer, log and generator are equal`,
    async (_, mode, mebibytes, rate) => {
      const sessions = [{ mode, label: `flood-${mode}` }];
      const plan = { kills: KILLS, sessions, bytes: mebibytes * MIB, between: (mebibytes * MIB) / 25, rate };
      const report = await killInFlood(gateway, plan);
      console.log(mode, report);
      expect(report.mebibytes).toBeGreaterThanOrEqual(MEBIBYTES);
    },
    SLOW_MACHINE_MS,
  );

  it(
    `${KILLS_OF_MANY} times while ${MANY} sessions flood at once`,
    async () => {
      const sessions = Array.from({ length: MANY }, (_, i) => ({
        mode: i % 2 === 0 ? ('pty' as const) : ('pipe' as const),
        label: `many-${i}`,
      }));
      const report = await killInFlood(gateway, {
        kills: KILLS_OF_MANY,
        sessions,
        bytes: count({ quick: 1, all: 4 }) * MIB,
        between: MIB / 2,
        rate: 1,
      });
      console.log(`${MANY} sessions`, report);
      expect(report.kills).toBe(KILLS_OF_MANY);
    },
    SLOW_MACHINE_MS,
  );

  inAll(
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
