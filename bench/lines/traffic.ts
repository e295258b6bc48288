// traffic-slow: one viewer of a flooded foreign session that reads nothing, and 20 that do.

import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { KIB, MIB } from '../payload.ts';
import { Role } from '../role.ts';
import type { EmittersReport } from '../roles/emitters.ts';
import type { ViewerReport } from '../roles/viewer.ts';
import { median, percentile, type Row, ranged, ratios } from '../table.ts';
import { mustBeExact } from './pty.ts';

const CHUNK = 64 * KIB;
const FAST = 20;
/** Of the flood: below what the machine does, else a queue is measured. */
const RATE = 8 * MIB;

export async function trafficSlow(bench: Bench): Promise<readonly Row[]> {
  const bytes = (bench.quick ? 16 : 128) * MIB;
  const lag: Record<'with' | 'without', number[]> = { with: [], without: [] };
  const answer: Record<'with' | 'without', number[]> = { with: [], without: [] };
  for (let rep = 0; rep < bench.reps; rep += 1) {
    for (const which of rep % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      const run = await flood(bench, bytes, which === 'with' ? 1 : 0);
      lag[which].push(run.lagMs);
      answer[which].push(run.answerMs);
    }
    bench.note(
      `traffic-slow ${rep + 1}/${bench.reps}: lag p99 ${lag.with.at(-1)?.toFixed(1)} vs ${lag.without.at(-1)?.toFixed(1)} ms, answer p99 ${answer.with.at(-1)?.toFixed(1)} vs ${answer.without.at(-1)?.toFixed(1)} ms`,
    );
  }
  const what = `${bytes / MIB} MiB emitted at ${RATE / MIB} MiB/s, ${FAST} viewers and one that reads nothing`;
  const ratio = ratios(lag.with, lag.without);
  return [
    {
      goal: 'traffic-slow',
      what: `${what}: from emitting to the viewer, p99 of the ${FAST}`,
      ours: ranged(lag.with, 'ms'),
      other: `without the slow one ${ranged(lag.without, 'ms')}`,
      ratio: ranged(ratio),
      aim: '<= 1.25',
      holds: median(ratio) <= 1.25,
    },
    {
      goal: 'traffic-slow',
      what: `${what}: p99 of the answer to the emitter`,
      ours: ranged(answer.with, 'ms'),
      other: `without the slow one ${ranged(answer.without, 'ms')}`,
      ratio: ranged(ratios(answer.with, answer.without)),
      aim: '',
    },
  ];
}

async function flood(
  bench: Bench,
  bytes: number,
  stalled: number,
): Promise<{ readonly lagMs: number; readonly answerMs: number }> {
  const gateway = await Gateway.start(bench.scratch, { flags: ['--emit-bytes-per-second', '100GiB'] });
  const { port, token } = gateway.target('') as { port: number; token: string };
  const emitter = new Role<EmittersReport>('emitters', {
    ...{ port, token, run: 'flood', producers: 1, batch: 1, chunkBytes: CHUNK, batches: bytes / CHUNK },
    ...{ rate: RATE, stamps: true, final: true },
  });
  const [id = ''] = (await emitter.ready()) as string[];
  const sleeper =
    stalled === 0
      ? undefined
      : new Role<ViewerReport>('viewer', { target: gateway.target(id), viewers: stalled, stalled });
  await sleeper?.ready();
  const fast = new Role<ViewerReport>('viewer', { target: gateway.target(id), viewers: FAST, stamps: true });
  await fast.ready();
  emitter.say('go');
  const [sent, report] = await Promise.all([emitter.done(), fast.done()]);
  mustBeExact(report, bytes);
  await Promise.all([sleeper?.end(), fast.end(), emitter.end()]);
  await gateway.close();
  const p99 = (values: readonly number[]): number =>
    percentile(
      [...values].sort((a, b) => a - b),
      0.99,
    );
  return { lagMs: p99(report.lagMs), answerMs: p99(sent.msEach) };
}
