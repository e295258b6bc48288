// G9: appending to the log, without anything around it.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { KIB, MIB } from '../payload.ts';
import { Role } from '../role.ts';
import type { AppendReport, AppendSpec } from '../roles/append.ts';
import { median, type Row, ranged, ratios } from '../table.ts';

export async function g9(bench: Bench): Promise<readonly Row[]> {
  const bytes = (bench.quick ? 64 : 400) * MIB;
  const rows: Row[] = [];
  for (const recordBytes of [4 * KIB, 64 * KIB]) {
    const found: Record<AppendSpec['store'], number[]> = { segments: [], writev: [], sqlite: [] };
    const us: number[] = [];
    const full: number[] = [];
    const paced: number[] = [];
    for (let rep = 0; rep < bench.reps; rep++) {
      for (const store of ['segments', 'writev', 'sqlite'] as const) {
        const size = store === 'sqlite' ? bytes / 4 : bytes;
        const report = await append(bench, { store, recordBytes, bytes: size });
        found[store].push(size / 1e3 / report.ms);
        if (store !== 'segments') continue;
        us.push(report.usEach);
        full.push(report.loopP99Ms);
      }
      const slow = await append(bench, { store: 'segments', recordBytes, bytes: bytes / 5, rate: 40e6 });
      paced.push(slow.loopP99Ms);
      bench.note(
        `G9 ${recordBytes / KIB} KiB ${rep + 1}/${bench.reps}: ${found.segments.at(-1)?.toFixed(0)}, writev ${found.writev.at(-1)?.toFixed(0)}, SQLite ${found.sqlite.at(-1)?.toFixed(0)} MB/s, ${us.at(-1)?.toFixed(1)} us`,
      );
    }
    const toBare = ratios(found.segments, found.writev);
    const toSqlite = ratios(found.segments, found.sqlite);
    const what = `append of ${recordBytes / KIB} KiB`;
    rows.push(
      {
        goal: 'G9',
        what: `${what}: rate (${ranged(us, 'us each')})`,
        ours: ranged(found.segments, 'MB/s'),
        other: `bare writev loop ${ranged(found.writev, 'MB/s')}`,
        ratio: ranged(toBare),
        aim: '>= 0.9',
        holds: median(toBare) >= 0.9,
      },
      {
        goal: 'G9',
        what: `${what}: rate`,
        ours: ranged(found.segments, 'MB/s'),
        other: `SQLite WAL ${ranged(found.sqlite, 'MB/s')}`,
        ratio: ranged(toSqlite),
        aim: '>= 5',
        holds: median(toSqlite) >= 5,
      },
      {
        goal: 'G9',
        what: `${what}: event loop p99 at full rate; at 40 MB/s`,
        ours: `${ranged(full, 'ms')}; ${ranged(paced, 'ms')}`,
        other: '',
        ratio: '',
        aim: '<= 4 ms; <= 2 ms',
        holds: median(full) <= 4 && median(paced) <= 2,
      },
    );
  }
  return rows;
}

async function append(bench: Bench, spec: Omit<AppendSpec, 'dir'>): Promise<AppendReport> {
  const dir = join(bench.scratch, 'append');
  const role = new Role<AppendReport>('append', { ...spec, dir });
  const report = await role.done();
  await role.end();
  rmSync(dir, { recursive: true, force: true });
  return report;
}
