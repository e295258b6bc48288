// Many producers at once, with faults on the way and kills of the gateway; and whether all of it is kept, once.

import { createHash } from 'node:crypto';
import { connect } from '@binnacle/client';
import type { TrafficEvent } from '@binnacle/protocol';
import { expect } from 'vitest';
import { random, Watcher } from '../crash/flooding.fixture.ts';
import { socketOf } from '../support/gateway-access.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { deliver, type Faults, keptOf, Told, Wire } from './traffic.fixture.ts';

/** Told apart wherever it is cut, of a length that follows from its number. */
const textOf = (session: string, seq: number): string =>
  `<${session}:${seq}>`.padEnd(20 + ((seq * 7919) % 150), '.') + (seq % 10 === 0 ? '\0€\r\n' : '\n');

const eventOf = (session_id: string, seq: number, last: number): TrafficEvent => ({
  session_id,
  seq,
  ...(seq === 0 ? { command: `run ${session_id}`, source: 'storm' } : {}),
  response: textOf(session_id, seq),
  ...(seq === last ? { is_final: true, exit_code: seq % 256 } : {}),
});

const eventsOf = (session: string, count: number): TrafficEvent[] =>
  Array.from({ length: count }, (_, seq) => eventOf(session, seq, count - 1));

/** Our ids by those of the emitters. */
async function idsOf(gateway: GatewayProcess): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (let after = ''; ; ) {
    const { json } = await gateway.ask(`/v1/sessions?limit=1000${after}`);
    for (const { id, foreign } of json.sessions) ids.set(foreign.sessionId, id);
    if (json.next === null) return ids;
    after = `&after=${json.next}`;
  }
}

async function expectKept(gateway: GatewayProcess, counts: ReadonlyMap<string, number>): Promise<number> {
  const ids = await idsOf(gateway);
  expect([...ids.keys()].sort()).toEqual([...counts.keys()].sort());
  let bytes = 0;
  for (const [session, count] of counts) {
    const id = ids.get(session) ?? '';
    const { output, marks, kinds } = await keptOf(gateway, id);
    const wanted = Buffer.from(Array.from({ length: count }, (_, seq) => textOf(session, seq)).join(''));
    if (!output.equals(wanted)) expect(output.toString()).toBe(wanted.toString());
    expect(marks.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, seq) => seq));
    expect(kinds.slice(-3)).toEqual(['event', 'exit', 'closed']);
    bytes += output.length;
    await until(`${session} is closed`, async () => (await gateway.info(id)).state === 'closed');
    expect(await gateway.info(id)).toMatchObject({ exitCode: (count - 1) % 256, outputOffset: output.length });
  }
  return bytes;
}

export interface StormPlan {
  readonly producers: number;
  /** Of each. */
  readonly events: number;
  readonly batch: number;
  readonly faults: Faults;
}

export interface StormReport extends Told {
  readonly bytes: number;
  readonly offeredPerSecond: number;
  readonly storedPerSecond: number;
}

export async function storm(gateway: GatewayProcess, plan: StormPlan): Promise<StormReport> {
  const told = new Told();
  const counts = new Map<string, number>();
  const began = performance.now();
  await Promise.all(
    Array.from({ length: plan.producers }, async (_, n) => {
      const session = `storm-${n}`;
      counts.set(session, plan.events);
      const wire = new Wire(() => gateway);
      const producer = { id: `producer-${n}`, epoch: 1 };
      await deliver(wire, producer, eventsOf(session, plan.events), { ...plan, told });
      wire.close();
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const bytes = await expectKept(gateway, counts);
  expect(told.stored).toBe(plan.producers * plan.events);
  return {
    ...told,
    bytes,
    offeredPerSecond: Math.round(told.offered / seconds),
    storedPerSecond: Math.round(told.stored / seconds),
  };
}

export interface KillsPlan {
  readonly kills: number;
  readonly producers: number;
  /** Ms that a gateway lives, at most. */
  readonly lifeMs: number;
}

export interface KillsReport extends Told {
  readonly kills: number;
  readonly sessions: number;
  readonly events: number;
  readonly bytes: number;
}

/** Each producer has one long session, which is watched, and besides it short ones that begin and end all the time. */
export async function killWhileEmitting(gateway: GatewayProcess, plan: KillsPlan): Promise<KillsReport> {
  const told = new Told();
  const counts = new Map<string, number>();
  const faults = { duplicates: 0.05, reordered: 0.05 };
  const client = connect({
    url: gateway.url,
    token: gateway.token,
    makeSocket: socketOf,
    backoff: { baseMs: 25, capMs: 50, steadyMs: 1 },
  });
  let isOver = false;
  const emitting = Array.from({ length: plan.producers }, async (_, n) => {
    const producer = { id: `producer-${n}`, epoch: 3 };
    const long = `long-${n}`;
    const send = async (events: readonly TrafficEvent[], batch: number): Promise<void> => {
      const wire = new Wire(() => gateway);
      await deliver(wire, producer, events, { batch, faults, told });
      wire.close();
    };
    const shorts = async (): Promise<void> => {
      for (let i = 0; !isOver; i += 1) {
        const session = `short-${n}-${i}`;
        const count = 1 + random(6);
        counts.set(session, count);
        await send(eventsOf(session, count), 1 + random(4));
      }
    };
    const longOne = async (): Promise<void> => {
      let count = 0;
      for (; !isOver; count += 8) {
        await send(
          Array.from({ length: 8 }, (_, i) => eventOf(long, count + i, -1)),
          1 + random(8),
        );
      }
      counts.set(long, count + 1);
      await send([eventOf(long, count, count)], 1);
    };
    await Promise.all([shorts(), longOne()]);
  });
  const failed = Promise.all(emitting);
  failed.catch(() => undefined);
  try {
    const longs = Array.from({ length: plan.producers }, (_, n) => `long-${n}`);
    await until('all have begun', async () => {
      const ids = await idsOf(gateway);
      return longs.every((long) => ids.has(long));
    });
    const ids = await idsOf(gateway);
    const watchers = longs.map((long) => new Watcher(client, ids.get(long) ?? ''));
    for (let kill = 0; kill < plan.kills; kill += 1) {
      const before = told.stored;
      await Promise.race([until('something is stored', () => told.stored > before + 20, 30_000), failed]);
      await new Promise((resolve) => setTimeout(resolve, random(plan.lifeMs)));
      await gateway.kill();
      await gateway.start();
    }
    isOver = true;
    await failed;
    for (const [n, watcher] of watchers.entries()) {
      const info = await watcher.ended;
      const count = counts.get(longs[n] ?? '') ?? 0;
      const wanted = Array.from({ length: count }, (_, seq) => textOf(longs[n] ?? '', seq)).join('');
      expect(info).toMatchObject({ state: 'closed', outputOffset: Buffer.byteLength(wanted) });
      expect(watcher.digest('tty')).toEqual(digestOf(wanted));
    }
    const bytes = await expectKept(gateway, counts);
    const events = [...counts.values()].reduce((sum, count) => sum + count, 0);
    return { ...told, kills: plan.kills, sessions: counts.size, events, bytes };
  } finally {
    isOver = true;
    client.close();
  }
}

const digestOf = (text: string): { bytes: number; sha256: string } => {
  const bytes = Buffer.from(text);
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
};
