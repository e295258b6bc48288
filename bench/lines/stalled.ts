// G8 and slow-alone: a viewer that stops reading delays nobody.

import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { GIB, MIB } from '../payload.ts';
import { peakKb, resetPeak, sleep, until } from '../processes.ts';
import { Role } from '../role.ts';
import type { ViewerReport } from '../roles/viewer.ts';
import { median, percentile, type Row, ranged, ratios } from '../table.ts';
import { mustBeExact, rate } from './pty.ts';

const HEALTHY = 90;
const STALLED = 10;
const MANY = 200;

export async function g8(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [mode, bytes] of [
    ['pty', bench.quick ? 8 * MIB : 256 * MIB],
    ['pipe', bench.quick ? 16 * MIB : 256 * MIB],
  ] as const) {
    rows.push(...(await tenPercent(bench, mode, bytes)));
  }
  rows.push(await alone(bench));
  return rows;
}

async function tenPercent(bench: Bench, mode: 'pty' | 'pipe', bytes: number): Promise<readonly Row[]> {
  // The difference is smaller than the noise of a shared machine: more pairs than elsewhere.
  const reps = bench.quick ? bench.reps : Math.max(bench.reps, 11);
  const withStalled: number[] = [];
  const without: number[] = [];
  const extraMb: number[] = [];
  let resumed = 0;
  for (let rep = 0; rep < reps; rep++) {
    const peaks: number[] = [];
    for (const stalled of rep % 2 === 0 ? [0, STALLED] : [STALLED, 0]) {
      // A fresh one each time: what it has taken before would hide what it takes now.
      const gateway = await Gateway.start(bench.scratch);
      const gate = bench.payloads.gate();
      const payload = bench.payloads.file(bytes);
      const id = await gateway.create({ command: bench.payloads.command(payload, gate, mode), mode });
      const viewer = new Role<ViewerReport>('viewer', {
        target: gateway.target(id),
        viewers: HEALTHY + stalled,
        stalled,
        crc: false,
      });
      await viewer.ready();
      resetPeak(gateway.pid);
      gate.open();
      const report = await viewer.done();
      mustBeExact(report, bytes);
      (stalled === 0 ? without : withStalled).push(rate(report));
      peaks[stalled === 0 ? 0 : 1] = peakKb(gateway.pid) / 1024;
      if (stalled > 0) {
        viewer.say('resume');
        mustBeExact((await viewer.hear('all')) as ViewerReport, bytes);
        resumed += stalled;
      }
      await viewer.end();
      // Their content once more, by sum: one stalled viewer that resumes when all is over.
      if (stalled > 0 && rep === 0) await resumeExact(gateway, id, bytes, payload.crc);
      await gateway.close();
    }
    extraMb.push((peaks[1] ?? 0) - (peaks[0] ?? 0));
    bench.note(
      `G8 ${mode} ${rep + 1}/${reps}: ${withStalled.at(-1)?.toFixed(0)} vs ${without.at(-1)?.toFixed(0)} MB/s, peak ${peaks[1]?.toFixed(0)} vs ${peaks[0]?.toFixed(0)} MB`,
    );
  }
  const ratio = ratios(withStalled, without);
  return [
    {
      goal: 'G8',
      what: `${mode}, ${bytes / MIB} MiB to ${HEALTHY} viewers, ${STALLED} more stalled: total (all ${resumed} stalled ones finished exactly)`,
      ours: ranged(withStalled, 'MB/s'),
      other: `none stalled ${ranged(without, 'MB/s')}`,
      ratio: ranged(ratio),
      aim: '>= 0.97',
      holds: median(ratio) >= 0.97,
    },
    {
      goal: 'G8',
      what: `${mode}: the gateway's peak memory above that run`,
      ours: ranged(extraMb, 'MB'),
      other: '',
      ratio: '',
      aim: '<= 32 MB',
      holds: median(extraMb) <= 32,
    },
  ];
}

async function resumeExact(gateway: Gateway, id: string, bytes: number, crc: number): Promise<void> {
  const viewer = new Role<ViewerReport>('viewer', {
    target: gateway.target(id),
    viewers: STALLED,
    stalled: STALLED,
    crc: true,
  });
  await viewer.ready();
  viewer.say('resume');
  mustBeExact((await viewer.hear('all')) as ViewerReport, bytes, crc);
  await viewer.end();
}

/** A stalled viewer that is the only one: the program's own speed with and without it. */
async function alone(bench: Bench): Promise<Row> {
  const bytes = bench.quick ? 64 * MIB : GIB;
  const gateway = await Gateway.start(bench.scratch);
  const withOne: number[] = [];
  const without: number[] = [];
  for (let rep = 0; rep < bench.reps; rep++) {
    for (const stalled of rep % 2 === 0 ? [0, 1] : [1, 0]) {
      const gate = bench.payloads.gate();
      const id = await gateway.create({
        command: bench.payloads.command(bench.payloads.file(bytes), gate, 'pipe'),
        mode: 'pipe',
      });
      const viewer =
        stalled === 0
          ? undefined
          : new Role<ViewerReport>('viewer', { target: gateway.target(id), viewers: 1, stalled: 1 });
      await viewer?.ready();
      const startedAt = performance.now();
      gate.open();
      await gateway.closed(id);
      (stalled === 0 ? without : withOne).push(rate({ bytes, ms: performance.now() - startedAt }));
      await viewer?.end();
      await gateway.remove(id);
    }
  }
  await gateway.close();
  const ratio = ratios(withOne, without);
  return {
    goal: 'G8',
    what: `pipe, ${bytes / MIB} MiB: the program's speed with one stalled viewer and no other`,
    ours: ranged(withOne, 'MB/s'),
    other: `no viewer ${ranged(without, 'MB/s')}`,
    ratio: ranged(ratio),
    aim: '>= 0.95: never paused',
    holds: median(ratio) >= 0.95,
  };
}

/** What the kernel takes for a socket that nobody reads is 4 MiB by default: after this much all of them are full. */
const FILL_BYTES = 8 * MIB;

/** 200 stalled viewers and one that reads, in a flood of 1 GiB. */
export async function slowAlone(bench: Bench): Promise<readonly Row[]> {
  const bytes = bench.quick ? 64 * MIB : GIB;
  const speeds: Record<'with' | 'without', number[]> = { with: [], without: [] };
  const lag: Record<'with' | 'without', number[]> = { with: [], without: [] };
  const growthMb: number[] = [];
  const fillMs: number[] = [];
  for (let rep = 0; rep < bench.reps; rep++) {
    for (const which of rep % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      const run = await flood(bench, bytes, which === 'with' ? MANY : 0);
      speeds[which].push(run.mbps);
      lag[which].push(run.lagMs);
      if (which === 'without') continue;
      growthMb.push(run.growthMb);
      fillMs.push(run.fillMs);
    }
    bench.note(
      `slow-alone ${rep + 1}/${bench.reps}: ${speeds.with.at(-1)?.toFixed(1)} vs ${speeds.without.at(-1)?.toFixed(1)} MB/s, + ${growthMb.at(-1)?.toFixed(0)} MB, lag p99 ${lag.with.at(-1)?.toFixed(1)} vs ${lag.without.at(-1)?.toFixed(1)} ms, full after ${fillMs.at(-1)?.toFixed(0)} ms`,
    );
  }
  const ratio = ratios(speeds.with, speeds.without);
  const what = `PTY flood of ${bytes / MIB} MiB, ${MANY} stalled viewers, 1 healthy`;
  return [
    {
      goal: 'slow-alone',
      what: `${what}: the program's speed`,
      ours: ranged(speeds.with, 'MB/s'),
      other: `none stalled ${ranged(speeds.without, 'MB/s')}`,
      ratio: ranged(ratio),
      aim: '>= 0.95',
      holds: median(ratio) >= 0.95,
    },
    {
      goal: 'slow-alone',
      what: `${what}: growth of the gateway's memory`,
      ours: ranged(growthMb, 'MB'),
      other: '',
      ratio: '',
      aim: '< 100 MB',
      holds: median(growthMb) < 100,
    },
    {
      goal: 'slow-alone',
      what: `${what}: lag p99 of the healthy one`,
      ours: ranged(lag.with, 'ms'),
      other: `none stalled ${ranged(lag.without, 'ms')}`,
      ratio: ranged(ratios(lag.with, lag.without)),
      aim: '< 100 ms',
      holds: median(lag.with) < 100,
    },
    {
      goal: 'slow-alone',
      what: `how long the gateway is busy until all ${MANY} sockets are full (${FILL_BYTES / MIB} MiB of output before)`,
      ours: ranged(fillMs, 'ms'),
      other: '',
      ratio: '',
      aim: '',
    },
  ];
}

interface FloodRun {
  readonly mbps: number;
  readonly lagMs: number;
  readonly growthMb: number;
  readonly fillMs: number;
}

async function flood(bench: Bench, bytes: number, stalled: number): Promise<FloodRun> {
  const gateway = await Gateway.start(bench.scratch);
  const before = peakKb(gateway.pid);
  const gate = bench.payloads.gate();
  const spec = JSON.stringify({ bytes, gate: gate.path });
  const id = await gateway.create({
    command: `stty -echo -opost; cat '${bench.payloads.file(FILL_BYTES).path}'; exec '${process.execPath}' '${process.argv[1]}' --role flood '${spec}'`,
  });
  await until('the output before it is there', async () => (await gateway.info(id)).outputOffset >= FILL_BYTES);
  const startedAt = performance.now();
  const sleepers =
    stalled === 0
      ? undefined
      : new Role<ViewerReport>('viewer', { target: gateway.target(id), viewers: stalled, stalled });
  await sleepers?.ready();
  const fillMs = (await quiet(gateway)) - startedAt;
  const healthy = new Role<ViewerReport>('viewer', { target: gateway.target(id, 'now'), viewers: 1, stamps: true });
  await healthy.ready();
  resetPeak(gateway.pid);
  gate.open();
  const report = await healthy.done();
  mustBeExact(report, bytes);
  const growthMb = (peakKb(gateway.pid) - before) / 1024;
  await Promise.all([sleepers?.end(), healthy.end()]);
  await gateway.close();
  const sorted = [...report.lagMs].sort((a, b) => a - b);
  return { mbps: rate(report), lagMs: percentile(sorted, 0.99), growthMb, fillMs };
}

/** When the gateway has last used the processor, once it has not for a while. */
async function quiet(gateway: Gateway): Promise<number> {
  for (let last = performance.now(), used = gateway.cpu.gateway; ; ) {
    await sleep(20);
    const now = gateway.cpu.gateway;
    if (now > used) last = performance.now();
    used = now;
    if (performance.now() - last > 300) return last;
  }
}
