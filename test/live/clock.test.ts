// A real gateway whose clock is set while it runs, by libfaketime (apt install faketime): the wall clock alone, as a person
// or a time server sets it. Its runners have the same.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
/** From one sweep of what is old to the next. */
const SWEEP_MS = 500;
/** Time in which some sweeps happen. */
const SWEPT_MS = 5000;
const dir = mkdtempSync(join(tmpdir(), 'binnacle-clock-'));
const offset = join(dir, 'offset');
const told: string[] = [];
const hook = createServer((request, response) => {
  let text = '';
  request.on('data', (bytes) => {
    text += String(bytes);
  });
  request.on('end', () => {
    told.push(JSON.parse(text).data.session);
    response.end();
  });
});
let gateway: GatewayProcess;

/** Written at once: what asks for the time reads the file each time. */
const setClock = (by: string): void => writeFileSync(offset, by);

beforeAll(async () => {
  if (!existsSync(LIBRARY)) throw new Error(`There is no ${LIBRARY}; get it with: apt install faketime`);
  setClock('+0');
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  const config = JSON.stringify({ notify: { webhooks: [{ url }] } });
  gateway = await openGatewayProcess({
    sweepMs: SWEEP_MS,
    prepare: (data) => writeFileSync(join(data, 'config.jsonc'), config, { mode: 0o600 }),
    env: {
      ...{ LD_PRELOAD: LIBRARY, FAKETIME_TIMESTAMP_FILE: offset, FAKETIME_NO_CACHE: '1' },
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
});
afterAll(async () => {
  await gateway.close();
  hook.close();
  rmSync(dir, { recursive: true });
});

const start = async (command: string): Promise<string> => (await gateway.client.sessions.create({ command })).id;
const ASKS = String.raw`printf '\e]9;Shall I?\a'; exec sleep 1000`;
const isTold = (id: string): Promise<void> => until(`${id} is told`, () => told.includes(id));
/** The gateway says the time once a second. */
const isAheadBy = (ms: number): Promise<void> =>
  until(`its clock is ahead by ${ms} ms`, async () => {
    const said = Date.parse((await gateway.fetch('/healthz')).headers.get('date') ?? '');
    return Math.abs(said - Date.now() - ms) < 60_000;
  });

test('people are told at once what waits, however the clock was set, and once over restarts', {
  timeout: 120_000,
}, async () => {
  const first = await start(ASKS);
  await isTold(first);
  setClock('-3h');
  await isAheadBy(-3 * 3600_000);
  const second = await start(ASKS);
  await isTold(second);
  await gateway.kill();
  await gateway.restart();
  const third = await start(ASKS);
  await isTold(third);
  setClock('+0');
  const fourth = await start(ASKS);
  await isTold(fourth);
  expect(told).toEqual([first, second, third, fourth]);
});

test('nothing is deleted for its age when the clock leaps ahead by a year, over a restart neither', {
  timeout: 120_000,
}, async () => {
  const ended = await start('true');
  await until('it has ended', async () => (await gateway.client.sessions.get(ended)).state === 'closed');
  const token = await gateway.fetch('/v1/tokens', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'a day', scope: 'view', ttlMs: 86_400_000 }),
  });
  const { token: secret } = (await token.json()) as { token: string };
  const asked = () => fetch(`${gateway.url}/v1/me`, { headers: { authorization: `Bearer ${secret}` } });
  setClock('+400d');
  await isAheadBy(400 * 86_400_000);
  await new Promise((resolve) => setTimeout(resolve, SWEPT_MS));
  await gateway.kill();
  await gateway.restart();
  // Rights end by the clock as it is.
  expect((await asked()).status).toBe(401);
  await new Promise((resolve) => setTimeout(resolve, SWEPT_MS));
  expect((await gateway.client.sessions.get(ended)).state).toBe('closed');
  setClock('+0');
  expect((await asked()).status).toBe(200);
});
