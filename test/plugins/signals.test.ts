// A plugin that is restricted, not sealed, can send signals: one of them makes Node open its inspector to everybody.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runnerPidOf } from '../crash/flooding.fixture.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ flags: [] });
});
afterAll(() => gateway.close());

/** Ports that a process listens at. */
function listening(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return readFileSync(`/proc/${pid}/net/tcp`, 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode ?? ''))
    .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16));
}

it('SIGUSR1 opens no inspector, neither in the gateway nor in a runner', async () => {
  const info = await gateway.client.sessions.create({ name: 'usr1', command: 'sleep 60' });
  const runner = runnerPidOf(info);
  for (const pid of [gateway.pid, runner]) process.kill(pid, 'SIGUSR1');
  // Both have had their turns since.
  for (let turn = 0; turn < 20; turn++) await gateway.client.sessions.get(info.id);
  expect(listening(gateway.pid)).toEqual([Number(new URL(gateway.url).port)]);
  expect(listening(runner)).toEqual([]);
  expect((await gateway.client.sessions.get(info.id)).state).toBe('running');
});
