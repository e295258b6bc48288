// G1: one terminal, one viewer.

import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { GIB, MIB } from '../payload.ts';
import { readBare, startTtyd } from '../peers.ts';
import { peakKb, resetPeak } from '../processes.ts';
import { Role } from '../role.ts';
import type { Target, ViewerReport, ViewerSpec } from '../roles/viewer.ts';
import { median, type Row, ranged, ratios } from '../table.ts';

export const rate = ({ bytes, ms }: { readonly bytes: number; readonly ms: number }): number =>
  bytes / 1e6 / (ms / 1e3);

/** Starts a viewer, lets the program go, and waits until it has all. */
export async function watch(
  spec: Omit<ViewerSpec, 'target'> & { readonly target: Target },
  release: () => void,
): Promise<ViewerReport> {
  const viewer = new Role<ViewerReport>('viewer', spec);
  try {
    await viewer.ready();
    release();
    return await viewer.done();
  } finally {
    await viewer.end();
  }
}

export interface WatchedRun extends ViewerReport {
  readonly cpuGateway: number;
  readonly cpuRunner: number;
  readonly peakMb: number;
}

/** One session of ours that prints so much, and one process of viewers on it. */
export async function runOurs(
  bench: Bench,
  gateway: Gateway,
  mode: 'pty' | 'pipe',
  bytes: number,
  viewers = 1,
  more: Partial<ViewerSpec> = {},
): Promise<WatchedRun> {
  const gate = bench.payloads.gate();
  const id = await gateway.create({ command: bench.payloads.command(bench.payloads.file(bytes), gate, mode), mode });
  resetPeak(gateway.pid);
  const before = gateway.cpu;
  const report = await watch({ target: gateway.target(id), viewers, ...more }, gate.open);
  const after = gateway.cpu;
  const peakMb = peakKb(gateway.pid) / 1024;
  await gateway.remove(id);
  return { ...report, cpuGateway: after.gateway - before.gateway, cpuRunner: after.runners - before.runners, peakMb };
}

/** Fails loudly: a rate of bytes that are not the right ones means nothing. */
export function mustBeExact(report: ViewerReport, bytes: number, crc?: number): void {
  const isWhole = report.counts.every((count) => count === bytes) && report.breaks === 0;
  const isRight = crc === undefined || report.crcs.every((each) => each === crc);
  if (isWhole && isRight) return;
  const why = `${[...new Set(report.counts)].join(', ')} of ${bytes} bytes, ${report.breaks} breaks (${report.why.join(', ')})`;
  throw new Error(`Output was not exact: ${why}.`);
}

export async function g1(bench: Bench): Promise<readonly Row[]> {
  const bytes = bench.quick ? 32 * MIB : 256 * MIB;
  // The rate of a terminal has two levels on many machines: only many pairs show a difference.
  const reps = bench.quick ? bench.reps : Math.max(bench.reps, 11);
  const { crc } = bench.payloads.file(bytes);
  const gateway = await Gateway.start(bench.scratch);
  const ours: number[] = [];
  const bare: number[] = [];
  const ttyd: number[] = [];
  const cpuGateway: number[] = [];
  const cpuBoth: number[] = [];
  const cpuTtyd: number[] = [];
  let shortOfTtyd = 0;
  const frameBytes: number[] = [];
  const mb = bytes / 1e6;
  for (let rep = 0; rep < reps; rep++) {
    const run = await runOurs(bench, gateway, 'pty', bytes, 1, { crc: true });
    mustBeExact(run, bytes, crc);
    ours.push(rate(run));
    cpuGateway.push(run.cpuGateway / mb);
    cpuBoth.push((run.cpuGateway + run.cpuRunner) / mb);
    frameBytes.push(run.bytes / run.frames);
    const gate = bench.payloads.gate();
    const command = bench.payloads.command(bench.payloads.file(bytes), gate, 'pty');
    bare.push(rate(await readBare(bench.peers, command, gate.open)));
    if (bench.peers.ttyd !== undefined) {
      const its = bench.payloads.gate();
      const peer = await startTtyd(bench.peers.ttyd, bench.payloads.command(bench.payloads.file(bytes), its, 'pty'));
      const before = peer.cpu();
      const report = await watch({ target: { kind: 'ttyd', port: peer.port }, viewers: 1, crc: true }, its.open);
      cpuTtyd.push((peer.cpu() - before) / (report.bytes / 1e6));
      ttyd.push(rate(report));
      if (report.bytes < bytes) shortOfTtyd += 1;
      await peer.close();
    }
    bench.note(
      `G1 ${rep + 1}/${reps}: ${ours.at(-1)?.toFixed(1)} bare ${bare.at(-1)?.toFixed(1)} ttyd ${ttyd.at(-1)?.toFixed(1)} MB/s`,
    );
  }
  await gateway.close();
  const what = `PTY, ${bytes / MIB} MiB, 1 viewer`;
  const toTtyd = ratios(ours, ttyd);
  const toBare = ratios(ours, bare);
  const cpu = ratios(cpuGateway, cpuTtyd);
  const both = ratios(cpuBoth, cpuTtyd);
  return [
    {
      goal: 'G1',
      what: `${what}: rate (CRC exact in all ${reps}, frames of ${(median(frameBytes) / 1024).toFixed(0)} KiB)`,
      ours: ranged(ours, 'MB/s'),
      other: `ttyd ${ranged(ttyd, 'MB/s')}${ttyd.length > 0 ? `, short of bytes in ${shortOfTtyd} of ${reps}` : ''}`,
      ratio: ranged(toTtyd),
      aim: '>= 1.0',
      ...(toTtyd.length > 0 ? { holds: median(toTtyd) >= 1 } : {}),
    },
    {
      goal: 'G1',
      what: `${what}: rate`,
      ours: ranged(ours, 'MB/s'),
      other: `${bench.peers.reader === undefined ? 'node-pty' : 'C poll reader'} ${ranged(bare, 'MB/s')}`,
      ratio: ranged(toBare),
      aim: '>= 0.95',
      holds: median(toBare) >= 0.95,
    },
    {
      goal: 'G1',
      what: `${what}: CPU of the gateway`,
      ours: ranged(cpuGateway, 'ms/MB'),
      other: `ttyd ${ranged(cpuTtyd, 'ms/MB')}`,
      ratio: ranged(cpu),
      aim: '<= 0.75',
      ...(cpu.length > 0 ? { holds: median(cpu) <= 0.75 } : {}),
    },
    {
      goal: 'G1',
      what: `${what}: CPU of gateway and runner`,
      ours: ranged(cpuBoth, 'ms/MB'),
      other: `ttyd ${ranged(cpuTtyd, 'ms/MB')}`,
      ratio: ranged(both),
      aim: '',
    },
  ];
}

/** G3: the same on pipes. */
export async function g3(bench: Bench): Promise<readonly Row[]> {
  const bytes = bench.quick ? 128 * MIB : GIB;
  const gateway = await Gateway.start(bench.scratch);
  const ours: number[] = [];
  const bare: number[] = [];
  const pty: number[] = [];
  const peaks: number[] = [];
  const { crc } = bench.payloads.file(bytes);
  for (let rep = 0; rep < bench.reps; rep++) {
    // The sum of 1 GiB costs the viewer a quarter of a second of a core that others need; the last run is checked.
    const isChecked = rep === bench.reps - 1;
    const run = await runOurs(bench, gateway, 'pipe', bytes);
    mustBeExact(run, bytes);
    ours.push(rate(run));
    peaks.push(run.peakMb);
    if (isChecked) mustBeExact(await runOurs(bench, gateway, 'pipe', bytes, 1, { crc: true }), bytes, crc);
    const gate = bench.payloads.gate();
    const role = new Role<{ bytes: number; ms: number }>('child-pipe', {
      command: bench.payloads.command(bench.payloads.file(bytes), gate, 'pipe'),
    });
    await role.ready();
    gate.open();
    bare.push(rate(await role.done()));
    await role.end();
    pty.push(rate(await runOurs(bench, gateway, 'pty', bytes / 32)));
    bench.note(
      `G3 ${rep + 1}/${bench.reps}: ${ours.at(-1)?.toFixed(0)} bare ${bare.at(-1)?.toFixed(0)} pty ${pty.at(-1)?.toFixed(1)} MB/s`,
    );
  }
  await gateway.close();
  const toBare = ratios(ours, bare);
  const toPty = ratios(ours, pty);
  return [
    {
      goal: 'G3',
      what: `pipe, ${bytes / MIB} MiB, 1 viewer: rate (exact; gateway's peak ${median(peaks).toFixed(0)} MB)`,
      ours: ranged(ours, 'MB/s'),
      other: `Node child_process ${ranged(bare, 'MB/s')}`,
      ratio: ranged(toBare),
      aim: '>= 0.6, or 1200 MB/s',
      holds: median(toBare) >= 0.6 || median(ours) >= 1200,
    },
    {
      goal: 'G3',
      what: 'pipe against our own PTY',
      ours: ranged(ours, 'MB/s'),
      other: `PTY ${ranged(pty, 'MB/s')}`,
      ratio: ranged(toPty),
      aim: '>= 10',
      holds: median(toPty) >= 10,
    },
  ];
}
