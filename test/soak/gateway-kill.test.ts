import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../crash/flooding.fixture.ts';
import { killInFlood } from '../crash/gateway-kill.fixture.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';

const GIB = 1024 * MIB;
let gateway: GatewayProcess;
beforeEach(async () => {
  // Nothing of a flood is to fall to retention.
  gateway = await openGatewayProcess({ flags: ['--retain-bytes', '16GiB', '--retain-total', '64GiB'] });
});
afterEach(() => gateway.close());

describe('seen-means-kept, outlives-us: the gateway is killed with SIGKILL at random moments', () => {
  it.each([
    ['pty', undefined],
    // Unbridled, a pipe is five times as fast as a viewer who is cut every second, and only fills the disk.
    ['pipe', 60],
  ] as const)('25 times in 1 GiB on a %s; viewers are back within 250 ms (p99)', async (mode, rate) => {
    const plan = { kills: 25, sessions: [{ mode, label: 'soak' }], bytes: GIB, between: 40 * MIB };
    const report = await killInFlood(gateway, rate === undefined ? plan : { ...plan, rate });
    console.log(mode, report);
    expect(report.reattach.p99).toBeLessThan(250);
  });

  it('25 times while 20 sessions flood 1 GiB together', async () => {
    const sessions = Array.from({ length: 20 }, (_, i) => ({
      mode: i % 2 === 0 ? ('pty' as const) : ('pipe' as const),
      label: `soak-${i}`,
    }));
    const report = await killInFlood(gateway, { kills: 25, sessions, bytes: GIB / 20, between: MIB / 2, rate: 1.5 });
    console.log('20 sessions', report);
    expect(report.kills).toBe(25);
  });
});
