// G4 and G5: from a key to its echo, alone and beside a flood.

import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { MIB } from '../payload.ts';
import { startTtyd } from '../peers.ts';
import { sleep } from '../processes.ts';
import { Role } from '../role.ts';
import type { EchoReport } from '../roles/echo.ts';
import type { Target, ViewerReport } from '../roles/viewer.ts';
import { median, percentile, type Row, ranged, ratios } from '../table.ts';

/** The terminal does not echo by itself here: a program does, as editors and shells do. */
const ECHO = 'stty raw -echo; exec cat';
const PAUSE_MS = 2;

interface TypingTimes {
  readonly p50: number;
  readonly p99: number;
}

export async function type(target: Target, keys: number): Promise<TypingTimes> {
  const typist = new Role<EchoReport>('echo', { target, keys, pauseMs: PAUSE_MS });
  try {
    await typist.ready();
    // The program behind it sets its terminal first.
    await sleep(200);
    typist.say('go');
    const { us } = await typist.done();
    const sorted = [...us].sort((a, b) => a - b);
    return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
  } finally {
    await typist.end();
  }
}

/** Watches a flood while `during` goes on; gives the flood's rate in that time. */
export async function beside<T>(target: Target, during: () => Promise<T>): Promise<{ result: T; mbps: number }> {
  const viewer = new Role<ViewerReport>('viewer', { target, viewers: 1 });
  await viewer.ready();
  await sleep(300);
  const before = (await viewer.ask('now')) as ViewerReport;
  const startedAt = performance.now();
  const result = await during();
  const after = (await viewer.ask('now')) as ViewerReport;
  const mbps = (after.bytes - before.bytes) / 1e3 / (performance.now() - startedAt);
  await viewer.end();
  return { result, mbps };
}

export const g4 = (bench: Bench): Promise<readonly Row[]> => measure(bench, false);
export const g5 = (bench: Bench): Promise<readonly Row[]> => measure(bench, true);

async function measure(bench: Bench, isFlooded: boolean): Promise<readonly Row[]> {
  const keys = bench.quick ? 200 : 1000;
  const flood = `stty -echo -opost; while :; do cat '${bench.payloads.file(16 * MIB).path}'; done`;
  const gateway = await Gateway.start(bench.scratch);
  const ours = columns();
  const peers = columns();
  for (let rep = 0; rep < bench.reps; rep++) {
    const id = await gateway.create({ command: ECHO });
    if (isFlooded) {
      const flooding = await gateway.create({ command: flood });
      const { result, mbps } = await beside(gateway.target(flooding), () => type(gateway.target(id), keys));
      note(ours, result, mbps);
      await gateway.remove(flooding);
    } else note(ours, await type(gateway.target(id), keys));
    await gateway.remove(id);
    if (bench.peers.ttyd !== undefined) {
      // One server runs one command: a file that its first client makes selects the program.
      const marker = `${bench.scratch}/first-${rep}-${isFlooded}`;
      const command = isFlooded ? `if mkdir '${marker}' 2>/dev/null; then ${flood}; else ${ECHO}; fi` : ECHO;
      const peer = await startTtyd(bench.peers.ttyd, command);
      const target = { kind: 'ttyd', port: peer.port } as const;
      if (isFlooded) {
        const { result, mbps } = await beside(target, () => type(target, keys));
        note(peers, result, mbps);
      } else note(peers, await type(target, keys));
      await peer.close();
    }
    bench.note(
      `${isFlooded ? 'G5' : 'G4'} ${rep + 1}/${bench.reps}: p50 ${ours.p50.at(-1)?.toFixed(0)} / ${peers.p50.at(-1)?.toFixed(0)}, p99 ${ours.p99.at(-1)?.toFixed(0)} / ${peers.p99.at(-1)?.toFixed(0)} us${isFlooded ? `, flood ${ours.mbps.at(-1)?.toFixed(0)} / ${peers.mbps.at(-1)?.toFixed(0)} MB/s` : ''}`,
    );
  }
  await gateway.close();
  return rowsOf(isFlooded, ours, peers);
}

interface Columns {
  readonly p50: number[];
  readonly p99: number[];
  readonly mbps: number[];
}

const columns = (): Columns => ({ p50: [], p99: [], mbps: [] });

function note(into: Columns, typed: TypingTimes, mbps?: number): void {
  into.p50.push(typed.p50);
  into.p99.push(typed.p99);
  if (mbps !== undefined) into.mbps.push(mbps);
}

function rowsOf(isFlooded: boolean, ours: Columns, peers: Columns): readonly Row[] {
  const goal = isFlooded ? 'G5' : 'G4';
  const when = isFlooded ? 'while another session floods' : 'idle';
  const aims = isFlooded ? { p50: 1.5, p99: 3, us: 1200 } : { p50: 1.2, p99: 2, us: 600 };
  const half = ratios(ours.p50, peers.p50);
  const tail = ratios(ours.p99, peers.p99);
  const rates = ratios(ours.mbps, peers.mbps);
  const compared = peers.p50.length > 0;
  const rows: Row[] = [
    {
      goal,
      what: `echo p50, ${when}`,
      ours: ranged(ours.p50, 'us'),
      other: `ttyd ${ranged(peers.p50, 'us')}`,
      ratio: ranged(half),
      aim: `<= ${aims.p50}`,
      ...(compared ? { holds: median(half) <= aims.p50 } : {}),
    },
    {
      goal,
      what: `echo p99, ${when}`,
      ours: ranged(ours.p99, 'us'),
      other: `ttyd ${ranged(peers.p99, 'us')}`,
      ratio: ranged(tail),
      aim: `<= ${aims.p99} and <= ${aims.us} us`,
      ...(compared ? { holds: median(tail) <= aims.p99 && median(ours.p99) <= aims.us } : {}),
    },
  ];
  if (!isFlooded) return rows;
  return [
    ...rows,
    {
      goal,
      what: 'the flood meanwhile',
      ours: ranged(ours.mbps, 'MB/s'),
      other: `ttyd ${ranged(peers.mbps, 'MB/s')}`,
      ratio: ranged(rates),
      aim: '>= 0.95',
      ...(compared ? { holds: median(rates) >= 0.95 } : {}),
    },
  ];
}
