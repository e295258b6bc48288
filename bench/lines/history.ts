// G10: reading a long log again.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { MIB } from '../payload.ts';
import { startTtyd } from '../peers.ts';
import { peakKb, resetPeak, rssKb } from '../processes.ts';
import { Role } from '../role.ts';
import type { ViewerReport } from '../roles/viewer.ts';
import { median, type Row, ranged, ratios } from '../table.ts';
import { type } from './echo.ts';
import { mustBeExact, rate, runOurs } from './pty.ts';

const LAGGARDS = 90;

export async function g10(bench: Bench): Promise<readonly Row[]> {
  // As much as the default retention (1 GiB of log, headers and all) keeps of one session.
  const bytes = bench.quick ? 128 * MIB : 960 * MIB;
  const lagBytes = bench.quick ? 8 * MIB : 32 * MIB;
  const gateway = await Gateway.start(bench.scratch);
  const id = await gateway.create({ argv: ['cat', bench.payloads.file(bytes).path], mode: 'pipe' });
  await gateway.closed(id);
  const echo = await gateway.create({ command: 'stty raw -echo; exec cat' });
  const segments = segmentsOf(gateway, id);
  const warm: number[] = [];
  const cold: number[] = [];
  const dd: number[] = [];
  const ten: number[] = [];
  const behind: number[] = [];
  const inRing: number[] = [];
  const growth: number[] = [];
  const p99: number[] = [];
  const p99Ttyd: number[] = [];
  for (let rep = 0; rep < bench.reps; rep++) {
    resetPeak(gateway.pid);
    const before = rssKb(gateway.pid);
    warm.push(await read(gateway, id, 1, bytes));
    forgetPages(segments);
    dd.push(readWithDd(segments));
    forgetPages(segments);
    cold.push(await read(gateway, id, 1, bytes));
    ten.push(await read(gateway, id, 10, bytes));
    // Each begins elsewhere, so that no two are on the same page unless they meet.
    const step = Math.floor((bytes - lagBytes) / LAGGARDS);
    const offsets = Array.from({ length: LAGGARDS }, (_, i) => i * step);
    behind.push(await read(gateway, id, LAGGARDS, lagBytes, offsets));
    growth.push((peakKb(gateway.pid) - before) / 1024);
    const live = await runOurs(bench, gateway, 'pipe', lagBytes, LAGGARDS);
    mustBeExact(live, lagBytes);
    inRing.push(rate(live));
    const { typed, mbps } = await typeBeside(gateway, id, echo, bench.quick ? 100 : 500);
    p99.push(typed.p99);
    if (bench.peers.ttyd !== undefined) p99Ttyd.push(await ttydBesideFlood(bench));
    bench.note(
      `G10 ${rep + 1}/${bench.reps}: warm ${warm.at(-1)?.toFixed(0)}, cold ${cold.at(-1)?.toFixed(0)} of dd ${dd.at(-1)?.toFixed(0)}, 10: ${ten.at(-1)?.toFixed(0)}, behind ${behind.at(-1)?.toFixed(0)} of ${inRing.at(-1)?.toFixed(0)} MB/s, + ${growth.at(-1)?.toFixed(0)} MB, echo p99 ${p99.at(-1)?.toFixed(0)} us beside ${mbps.toFixed(0)} MB/s`,
    );
  }
  await gateway.close();
  const toDd = ratios(cold, dd);
  const toRing = ratios(behind, inRing);
  const toTtyd = ratios(p99, p99Ttyd);
  const what = `history of ${bytes / MIB} MiB from offset 0`;
  return [
    {
      goal: 'G10',
      what: `${what}, warm`,
      ours: ranged(warm, 'MB/s'),
      other: '',
      ratio: '',
      aim: '>= 1800 MB/s',
      holds: median(warm) >= 1800,
    },
    {
      goal: 'G10',
      what: `${what}, cold`,
      ours: ranged(cold, 'MB/s'),
      other: `dd ${ranged(dd, 'MB/s')}`,
      ratio: ranged(toDd),
      aim: '>= 0.6',
      holds: median(toDd) >= 0.6,
    },
    {
      goal: 'G10',
      what: `${what}, 10 viewers: total`,
      ours: ranged(ten, 'MB/s'),
      other: '',
      ratio: '',
      aim: '>= 3500 MB/s',
      holds: median(ten) >= 3500,
    },
    {
      goal: 'G10',
      what: `${LAGGARDS} viewers behind, each elsewhere, ${lagBytes / MIB} MiB: total`,
      ours: ranged(behind, 'MB/s'),
      other: `${LAGGARDS} live on a pipe ${ranged(inRing, 'MB/s')}`,
      ratio: ranged(toRing),
      aim: '>= 0.75',
      holds: median(toRing) >= 0.75,
    },
    {
      goal: 'G10',
      what: "growth of the gateway's memory in all of this",
      ours: ranged(growth, 'MB'),
      other: '',
      ratio: '',
      aim: '<= 64 MB',
      holds: median(growth) <= 64,
    },
    {
      goal: 'G10',
      what: 'echo p99 while one reads history',
      ours: ranged(p99, 'us'),
      other: `ttyd beside a flood ${ranged(p99Ttyd, 'us')}`,
      ratio: ranged(toTtyd),
      aim: '<= 3 and <= 1200 us',
      ...(p99Ttyd.length > 0 ? { holds: median(toTtyd) <= 3 && median(p99) <= 1200 } : {}),
    },
  ];
}

/** Total MB/s of viewers that read so much each. */
async function read(
  gateway: Gateway,
  id: string,
  viewers: number,
  bytes: number,
  offsets?: readonly number[],
): Promise<number> {
  const viewer = new Role<ViewerReport>('viewer', {
    target: gateway.target(id),
    viewers,
    bytes,
    ...(offsets === undefined ? {} : { offsets }),
  });
  try {
    const report = await viewer.done();
    if (report.breaks > 0 || report.counts.some((count) => count < bytes)) throw new Error('History was not exact.');
    return rate(report);
  } finally {
    await viewer.end();
  }
}

/** Types while one viewer after the other reads the history. */
async function typeBeside(
  gateway: Gateway,
  history: string,
  echo: string,
  keys: number,
): Promise<{ typed: { p99: number }; mbps: number }> {
  let isOver = false;
  let bytes = 0;
  const startedAt = performance.now();
  const reading = (async () => {
    while (!isOver) {
      const viewer = new Role<ViewerReport>('viewer', { target: gateway.target(history), viewers: 1 });
      bytes += (await viewer.done()).bytes;
      await viewer.end();
    }
  })();
  const typed = await type(gateway.target(echo), keys);
  isOver = true;
  await reading;
  return { typed, mbps: bytes / 1e3 / (performance.now() - startedAt) };
}

async function ttydBesideFlood(bench: Bench): Promise<number> {
  const marker = `${bench.scratch}/first-${Math.random().toString(36).slice(2)}`;
  const flood = `stty -echo -opost; while :; do cat '${bench.payloads.file(16 * MIB).path}'; done`;
  const peer = await startTtyd(
    bench.peers.ttyd ?? '',
    `if mkdir '${marker}' 2>/dev/null; then ${flood}; else stty raw -echo; exec cat; fi`,
  );
  const target = { kind: 'ttyd', port: peer.port } as const;
  const viewer = new Role<ViewerReport>('viewer', { target, viewers: 1 });
  await viewer.ready();
  const { p99 } = await type(target, bench.quick ? 100 : 500);
  await viewer.end();
  await peer.close();
  return p99;
}

function segmentsOf(gateway: Gateway, id: string): string[] {
  const dir = join(gateway.dir, 'sessions', id, 'log');
  return readdirSync(dir).map((name) => join(dir, name));
}

/** Makes the kernel forget what it has of these files in memory; needs no rights. */
function forgetPages(paths: readonly string[]): void {
  for (const path of paths) {
    execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
  }
}

function readWithDd(paths: readonly string[]): number {
  let ms = 0;
  let bytes = 0;
  for (const path of paths) {
    // LC_ALL: the number's decimal point is the locale's.
    const output = execFileSync('sh', ['-c', 'dd if="$1" of=/dev/null bs=1M 2>&1', 'sh', path], {
      env: { ...process.env, LC_ALL: 'C' },
      encoding: 'utf8',
    });
    const found = /(\d+) bytes .* copied, ([\d.e-]+) s/.exec(output);
    bytes += Number(found?.[1] ?? 0);
    ms += Number(found?.[2] ?? 0) * 1000;
  }
  return bytes / 1e3 / ms;
}
