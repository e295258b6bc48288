import type { SessionInfo } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { familyOf } from '../../packages/server/src/process/session-processes.ts';
import { count, inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { eagerClient, isRunning, MIB, runnerPidOf, startFlood, threeWays, Watcher } from './flooding.fixture.ts';

const open = (flags: string[] = []): Promise<GatewayProcess> => openGatewayProcess({ flags });
/** How long programs live without a gateway. */
const ORPHANS_MS = count({ quick: 600, all: 2000 });
/** The same where a gateway comes back in that time: its start takes above a second on a busy machine. */
const RETURN_MS = 2000;

const families = (id: string) => familyOf({ pid: -1, startTime: '' }, id).length;

describe.each(some(['SIGTERM', 'SIGHUP'] as const, 1))('outlives-us: the gateway is stopped by %s', (signal) => {
  it('within 3 s; programs go on, viewers are told to come back and miss nothing', async () => {
    const gateway = await open();
    const flooding = await startFlood(gateway, {
      label: signal,
      mode: 'pty',
      bytes: count({ quick: 1, all: 8 }) * MIB,
      rate: 8,
      endless: true,
    });
    const client = eagerClient(gateway);
    const watcher = new Watcher(client, flooding.id);
    const url = gateway.url.replace('http', 'ws');
    const headers = { authorization: `Bearer ${gateway.token}` };
    const codes = [`${url}/v1/ws`, `${url}/ws/session/${flooding.id}`].map(
      (address) =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(address, { headers });
          socket.on('error', reject);
          socket.on('close', resolve);
        }),
    );
    const followers = [{}, { accept: 'text/event-stream' }].map(async (accept) => {
      const path = `/v1/sessions/${flooding.id}/output?follow=1`;
      const response = await gateway.fetch(path, { headers: accept });
      let bytes = 0;
      try {
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length;
      } catch {
        // Cut, as there is no other word for "not the end" in plain HTTP.
      }
      return bytes;
    });
    await watcher.reached(count({ quick: 0.5, all: 2 }) * MIB);
    const { pid, outputOffset } = await gateway.client.sessions.get(flooding.id);
    const old = gateway.pid;
    process.kill(old, signal);
    const asked = performance.now();
    await until('the gateway has ended', () => !isRunning(old), 5000);
    const took = performance.now() - asked;
    console.log(`${signal}: ended within ${took.toFixed(0)} ms`);
    expect(took).toBeLessThan(3000);
    expect(await Promise.all(codes)).toEqual([1012, 1012]);
    for (const bytes of await Promise.all(followers)) expect(bytes).toBeGreaterThan(0);
    expect(isRunning(pid ?? -1)).toBe(true);
    await gateway.restart();
    const info = await gateway.client.sessions.get(flooding.id);
    expect(info).toMatchObject({ state: 'running', pid });
    expect(info.outputOffset).toBeGreaterThan(outputOffset);
    await watcher.reached(info.outputOffset + count({ quick: 0.25, all: 1 }) * MIB);
    flooding.stop();
    await watcher.ended;
    for (const { viewer, log, generator } of await threeWays(gateway, flooding, watcher)) {
      expect(log).toEqual(generator);
      expect(viewer).toEqual(generator);
    }
    client.close();
  });
});

describe('outlives-us: programs without a gateway', () => {
  const command = `trap '' HUP; setsid sleep 1010 & exec sleep 1011`;
  const start = async (gateway: GatewayProcess): Promise<SessionInfo> => {
    const { id } = await gateway.client.sessions.create({ command });
    await until('both run', () => families(id) === 2);
    return gateway.client.sessions.get(id);
  };

  it('are ended after the time that --orphans names', async () => {
    const strict = await open(['--orphans', `${ORPHANS_MS}ms`]);
    const ended = await start(strict);
    const runner = runnerPidOf(ended);
    await strict.kill();
    const killed = performance.now();
    await until('the orphans are ended', () => families(ended.id) === 0, 8000);
    const took = performance.now() - killed;
    console.log(`orphans ended after ${took.toFixed(0)} ms`);
    expect(took).toBeGreaterThan(ORPHANS_MS - 100);
    await until('their runner has ended', () => !isRunning(runner), 3000);
    await strict.restart();
    const gone = await strict.client.sessions.get(ended.id);
    expect(gone).toMatchObject({ state: 'closed', running: false, exitCode: null });
    expect(['SIGTERM', 'SIGKILL', 'SIGHUP']).toContain(gone.signal);
    const watcher = new Watcher(strict.client, ended.id);
    await watcher.ended;
    expect(watcher.types().slice(-3)).toEqual(['exit', 'closed', 'end']);
  });

  inAll('are kept by default, for longer than others name', async () => {
    const gateway = await open();
    const { id, pid } = await start(gateway);
    await gateway.kill();
    const killed = performance.now();
    await until('others would have ended them', () => performance.now() - killed > ORPHANS_MS + 1500);
    expect(families(id)).toBe(2);
    await gateway.restart();
    expect(await gateway.client.sessions.get(id)).toMatchObject({ state: 'running', pid });
  });

  inAll('are kept when a gateway comes back in time', async () => {
    const gateway = await open(['--orphans', `${RETURN_MS}ms`]);
    const { id, pid } = await start(gateway);
    await gateway.kill();
    const killed = performance.now();
    await gateway.restart();
    // Beyond the time at which they would have been ended.
    await until('the time is over', () => performance.now() - killed > RETURN_MS + count({ quick: 400, all: 1500 }));
    expect(families(id)).toBe(2);
    expect(await gateway.client.sessions.get(id)).toMatchObject({ state: 'running', pid });
  });
});
