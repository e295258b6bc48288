import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { floodBytes } from './flood.mjs';
import { random, startFlood, Watcher } from './flooding.fixture.ts';

const BYTES = 600_000;
let gateway: Gateway;
let id: string;

beforeAll(async () => {
  gateway = await openGateway();
  ({ id } = await startFlood(gateway, { label: 'flipped', mode: 'pty', bytes: BYTES }));
  await new Watcher(gateway.client, id).ended;
  // A new gateway has nothing in its cache.
  await gateway.stop();
  const dir = join(gateway.dir, 'sessions', id, 'log');
  const file = join(dir, readdirSync(dir).find((name) => name.endsWith('.log')) ?? '');
  const bytes = readFileSync(file);
  const at = 200_000 + random(200_000);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  writeFileSync(file, bytes);
  await gateway.start();
});

describe('exact-resume: a flipped bit in the log', () => {
  let gap: { from: number; to: number };

  it('is told to a viewer as a gap with its range, and everything around it is exact', async () => {
    const parts: Buffer[] = [];
    const gaps: { from: number; to: number; reason: string }[] = [];
    let offset = 0;
    for await (const event of gateway.connect().session(id).attach('start')) {
      if (event.type === 'output') {
        expect(event.offset).toBe(offset);
        offset += event.bytes.length;
        parts.push(Buffer.from(event.bytes));
      } else if (event.type === 'gap') {
        expect(event.from).toBe(offset);
        offset = event.to;
        gaps.push(event);
      }
    }
    expect(gaps).toMatchObject([{ reason: 'damaged' }]);
    gap = { from: gaps[0]?.from ?? -1, to: gaps[0]?.to ?? -1 };
    expect(gap.to - gap.from).toBeLessThan(70_000);
    expect(offset).toBe(BYTES);
    const expected = [floodBytes('flipped', 0, gap.from), floodBytes('flipped', gap.to, BYTES)];
    expect(Buffer.concat(parts).equals(Buffer.concat(expected))).toBe(true);
  });

  it('is told to who asks for raw bytes by its code, with its range, before any byte', async () => {
    const response = await gateway.fetch(`/v1/sessions/${id}/output?since=0`);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: 'log_damaged', details: gap } });
  });

  it('leaves the ranges around it readable', async () => {
    const before = await gateway.fetch(`/v1/sessions/${id}/output?since=0&limit=${gap.from}`);
    expect(Buffer.from(await before.arrayBuffer()).equals(floodBytes('flipped', 0, gap.from))).toBe(true);
    const behind = await gateway.fetch(`/v1/sessions/${id}/output?since=${gap.to}`);
    expect(Buffer.from(await behind.arrayBuffer()).equals(floodBytes('flipped', gap.to, BYTES))).toBe(true);
  });
});
