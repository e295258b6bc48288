// G6: one terminal, many viewers.

import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { MIB } from '../payload.ts';
import { startTtyShare } from '../peers.ts';
import { Role } from '../role.ts';
import type { ViewerReport } from '../roles/viewer.ts';
import { median, type Row, ranged, ratios } from '../table.ts';
import { mustBeExact, rate, runOurs, watch } from './pty.ts';

/** What a bare server sends to so many viewers, in MB/s. */
export async function ceiling(viewers: number, bytes: number): Promise<number> {
  const server = new Role('ceiling', { bytes });
  const port = (await server.ready()) as number;
  const report = await watch({ target: { kind: 'plain', port }, viewers, bytes }, () => server.say('go'));
  await server.end();
  return rate(report);
}

async function ttyShare(bench: Bench, path: string, viewers: number, bytes: number): Promise<number> {
  const gate = bench.payloads.gate();
  const peer = await startTtyShare(
    path,
    bench.payloads.command(bench.payloads.file(bytes), gate, 'pty'),
    bench.scratch,
  );
  const viewer = new Role<ViewerReport>('viewer', { target: { kind: 'tty-share', port: peer.port }, viewers });
  await viewer.ready();
  gate.open();
  // It ends with its program; what it has sent by then counts.
  const report = await viewer.done();
  await viewer.end();
  await peer.close();
  return rate(report);
}

export async function g6(bench: Bench): Promise<readonly Row[]> {
  const bytes = bench.quick ? 8 * MIB : 64 * MIB;
  const gateway = await Gateway.start(bench.scratch);
  const one: number[] = [];
  const ten: number[] = [];
  const hundred: number[] = [];
  const most: number[] = [];
  const share: number[] = [];
  const frames: number[] = [];
  for (let rep = 0; rep < bench.reps; rep++) {
    for (const [viewers, rates] of [
      [1, one],
      [10, ten],
      [100, hundred],
    ] as const) {
      const run = await runOurs(bench, gateway, 'pty', bytes, viewers);
      mustBeExact(run, bytes);
      rates.push(rate(run));
      if (viewers === 100) frames.push(run.bytes / run.frames / 1024);
    }
    most.push(await ceiling(100, bytes));
    if (bench.peers.ttyShare !== undefined) share.push(await ttyShare(bench, bench.peers.ttyShare, 100, bytes / 16));
    bench.note(
      `G6 ${rep + 1}/${bench.reps}: 1 ${one.at(-1)?.toFixed(0)}, 10 ${ten.at(-1)?.toFixed(0)}, 100 ${hundred.at(-1)?.toFixed(0)} of ${most.at(-1)?.toFixed(0)} MB/s, tty-share ${share.at(-1)?.toFixed(0)}`,
    );
  }
  await gateway.close();
  const each = ratios(
    ten.map((total) => total / 10),
    one,
  );
  const toMost = ratios(hundred, most);
  const toShare = ratios(hundred, share);
  return [
    {
      goal: 'G6',
      what: `PTY, ${bytes / MIB} MiB to 10 viewers: rate of each`,
      ours: ranged(
        ten.map((total) => total / 10),
        'MB/s',
      ),
      other: `1 viewer ${ranged(one, 'MB/s')}`,
      ratio: ranged(each),
      aim: '>= 0.95',
      holds: median(each) >= 0.95,
    },
    {
      goal: 'G6',
      what: `PTY to 100 viewers: total (frames of ${median(frames).toFixed(0)} KiB)`,
      ours: ranged(hundred, 'MB/s'),
      other: `bare WebSocket server ${ranged(most, 'MB/s')}`,
      ratio: ranged(toMost),
      aim: '>= 0.6 and 2800 MB/s',
      holds: median(toMost) >= 0.6 && median(hundred) >= 2800,
    },
    {
      goal: 'G6',
      what: 'PTY to 100 viewers: total',
      ours: ranged(hundred, 'MB/s'),
      other: `tty-share ${ranged(share, 'MB/s')}`,
      ratio: ranged(toShare),
      aim: '>= 30',
      ...(share.length > 0 ? { holds: median(toShare) >= 30 } : {}),
    },
  ];
}
