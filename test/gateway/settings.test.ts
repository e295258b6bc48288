import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { openFrames } from '../support/wire.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  const env = { BINNACLE_LEASE_TIME: '7s', BINNACLE_HEARTBEAT: '9s' };
  gateway = await openGatewayProcess({
    flags: ['--heartbeat', '2s', '--stall-time', '5s', '--lease-grace', '3s'],
    env,
  });
});

it('how long a lease lasts, and how often a connection is asked for a sign of life, are settings of serve', async () => {
  const frames = await openFrames(`${gateway.url}/v1/ws`, gateway.token);
  // A flag wins over the environment.
  expect(await frames.next()).toMatchObject({ t: 'hello', heartbeatMs: 2000 });
  const { id } = await gateway.client.sessions.create({});
  const { result } = await frames.ask({ t: 'lease', session: id, action: 'acquire' });
  expect(result.expiresInMs).toBe(7000);
  frames.ws.terminate();
});

it('a setting that makes no sense is refused with what would', () => {
  const binary = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');
  const cases = [
    ['--heartbeat', '10ms'],
    ['--lease-time', '30d'],
    ['--stall-time', 'soon'],
  ] as const;
  for (const [flag, value] of some(cases, 2)) {
    const { status, stderr } = spawnSync(process.execPath, [binary, 'serve', flag, value], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/from 1s to (1h|1d)|Write 30s/);
  }
});
