// T33 with real emitters: both ends are killed at random moments. What an emitter took is stored once, in order.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createEmitter } from '@binnacle/emit';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const EMIT = resolve(import.meta.dirname, '../../packages/emit/src');
const ROUNDS = count({ quick: 3, all: 8, soak: 200 });

let base: string;
let gateway: GatewayProcess;
let token: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'binnacle-emit-kill-'));
  const made = await rolldown({
    input: { emit: join(EMIT, 'index.ts') },
    platform: 'node',
    resolve: { alias: { '@binnacle/protocol': resolve(EMIT, '../../protocol/src/index.ts') } },
  });
  await made.write({ dir: base, format: 'esm', entryFileNames: '[name].mjs' });
  await made.close();
  gateway = await openGatewayProcess();
  token = (await gateway.client.tokens.create({ name: 'emitter', scope: 'ingest' })).token;
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await gateway.close();
  rmSync(base, { recursive: true, force: true });
});

function start(dir: string): { child: ChildProcess; out: () => string } {
  const args = [join(EMIT, 'killed.mjs'), join(base, 'emit.mjs'), gateway.url, dir, '', '100000'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, BINNACLE_TOKEN: token },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  let out = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  return { child, out: () => out };
}

it('emitters and the gateway killed at random moments: nothing is lost, nothing is stored twice', async () => {
  const dir = join(base, 'buffer');
  const taken = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { child, out } = start(dir);
    const most = Math.floor(Math.random() * 600);
    await until('it has emitted some', () => out().split('\n').length > 2 + most / 2);
    if (round % 2 === 0) await gateway.kill();
    await until('it has emitted more', () => out().split('\n').length > 2 + most);
    child.kill('SIGKILL');
    await once(child, 'close');
    children.delete(child);
    if (round % 2 === 0) await gateway.restart();
    const lines = out().trim().split('\n');
    taken.set((lines[0] ?? '').replace('session ', ''), Number(lines.at(-1)));
  }
  const last = createEmitter({ url: gateway.url, token, buffer: { dir } });
  expect(await last.close(30_000)).toMatchObject({ events: 0 });
  expect(last.stats).toMatchObject({ refused: 0, lostBytes: 0 });

  const sessions = await gateway.client.sessions.all();
  for (const [id, upTo] of taken) {
    const session = sessions.find(({ foreign }) => foreign?.sessionId === id);
    const text = await (await gateway.fetch(`/v1/sessions/${session?.id}/output?since=0`)).text();
    const numbers = (text.match(/\d+(?=;)/g) ?? []).map(Number);
    expect(numbers).toEqual(numbers.map((_, n) => n));
    // The one on its way when it was killed may be there, too.
    expect(numbers.length - 1).toBeGreaterThanOrEqual(upTo);
    expect(numbers.length - 1).toBeLessThanOrEqual(upTo + 1);
    const expected = numbers.map((n) => `${n};`.padEnd(10 + ((n * 7919) % 2000), '.')).join('');
    expect(text).toBe(expected);
  }
}, 600_000);
