// How long a session takes to start, and a viewer to be back after the gateway has died.

import { Agent, request } from 'node:http';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { Role } from '../role.ts';
import type { ViewerReport } from '../roles/viewer.ts';
import { percentile, type Row } from '../table.ts';

const ms = (value: number): string => `${value.toFixed(1)} ms`;
const both = (values: readonly number[]): string => {
  const sorted = [...values].sort((a, b) => a - b);
  return `p50 ${ms(percentile(sorted, 0.5))}, p99 ${ms(percentile(sorted, 0.99))} (n = ${values.length})`;
};
const p = (values: readonly number[], share: number): number =>
  percentile(
    [...values].sort((a, b) => a - b),
    share,
  );

/** The runner is there: from the request to its answer, on a connection that is open. */
export async function start(bench: Bench): Promise<readonly Row[]> {
  const times = bench.quick ? 50 : 500;
  const rows: Row[] = [];
  for (const mode of ['pty', 'pipe'] as const) {
    const gateway = await Gateway.start(bench.scratch);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const durations: number[] = [];
    for (let i = -10; i < times; i++) {
      const { id, ms: each } = await create(gateway, agent, mode);
      if (i >= 0) durations.push(each);
      await gateway.remove(id);
    }
    agent.destroy();
    await gateway.close();
    rows.push({
      goal: 'start',
      what: `${mode} session, warm runner: request to answer`,
      ours: both(durations),
      other: '',
      ratio: '',
      aim: '<= 10 ms',
      holds: p(durations, 0.5) <= 10 && p(durations, 0.99) <= 10,
    });
    bench.note(`start ${mode}: ${both(durations)}`);
  }
  return rows;
}

function create(gateway: Gateway, agent: Agent, mode: 'pty' | 'pipe'): Promise<{ id: string; ms: number }> {
  const target = gateway.target('');
  const token = target.kind === 'binnacle' ? target.token : '';
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const creation = request(
      {
        agent,
        host: '127.0.0.1',
        port: gateway.port,
        path: '/v1/sessions',
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          const durationMs = performance.now() - startedAt;
          resolve({ id: (JSON.parse(text) as { id: string }).id, ms: durationMs });
        });
      },
    );
    creation.on('error', reject);
    creation.end(JSON.stringify({ argv: ['sleep', '1000'], mode }));
  });
}

/** kill -9 of the gateway, a new one, a viewer at the offset where it was. */
export async function reattach(bench: Bench): Promise<readonly Row[]> {
  const times = bench.quick ? 10 : 100;
  const gateway = await Gateway.start(bench.scratch);
  const ids: string[] = [];
  for (let i = 0; i < 20; i++) {
    ids.push(await gateway.create({ command: 'while :; do echo 0123456789; sleep 0.02; done' }));
  }
  const ready: number[] = [];
  const attach: number[] = [];
  for (let i = 0; i < times; i++) {
    const id = ids[i % ids.length] ?? '';
    const { outputOffset } = await gateway.info(id);
    await gateway.kill();
    const startedAt = performance.now();
    await gateway.start();
    ready.push(performance.now() - startedAt);
    attach.push(await firstByte(gateway, id, outputOffset));
  }
  for (const id of ids) await gateway.remove(id);
  await gateway.close();
  bench.note(`reattach: start ${both(ready)}, viewer ${both(attach)}`);
  return [
    {
      goal: 'reattach',
      what: 'a viewer at a restarted gateway with 20 sessions: connecting to the first byte behind its offset',
      ours: both(attach),
      other: '',
      ratio: '',
      aim: 'p99 < 250 ms',
      holds: p(attach, 0.99) < 250,
    },
    {
      goal: 'reattach',
      what: "the gateway's own restart after kill -9: process start to ready, 20 sessions taken over",
      ours: both(ready),
      other: '',
      ratio: '',
      aim: '',
    },
  ];
}

async function firstByte(gateway: Gateway, id: string, offset: number): Promise<number> {
  const viewer = new Role<ViewerReport>('viewer', {
    target: gateway.target(id),
    viewers: 1,
    offsets: [offset],
    bytes: 1,
  });
  const durationMs = (await viewer.hear('first')) as number;
  await viewer.end();
  return durationMs;
}
