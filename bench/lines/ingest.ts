// ingest: events that are emitted over HTTP and kept, against keeping them without a gateway.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { KIB, MIB } from '../payload.ts';
import { Role } from '../role.ts';
import type { EmittersReport } from '../roles/emitters.ts';
import type { RowsReport, RowsSpec } from '../roles/rows.ts';
import { digits, median, type Row, ranged, ratios } from '../table.ts';

const SMALL = 100;
const LARGE = 64 * KIB;
const PRODUCERS = [1, 16, 200];
const FLAGS = [
  ...['--emit-events-per-second', '1000000', '--emit-bytes-per-second', '100GiB'],
  ...['--new-foreign-per-second', '100000', '--max-foreign-sessions', '100000'],
];

type Load = Omit<RowsSpec, 'store' | 'dir'>;

/** Requests cost most where batches are small, and events where they are large: each runs for a second or so. */
function loads(quick: boolean): Load[] {
  const found: Load[] = [];
  for (const producers of PRODUCERS) {
    for (const [batch, chunkBytes, total] of [
      [1, SMALL, 4000],
      [100, SMALL, 60_000],
      [1000, SMALL, 200_000],
      [1, LARGE, 2000],
      [32, LARGE, 3200],
    ] as const) {
      const batches = Math.max(1, Math.round(total / (quick ? 10 : 1) / batch / producers));
      found.push({ producers, batches, batch, chunkBytes });
    }
  }
  return found;
}

export async function ingest(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const load of loads(bench.quick)) {
    const ours: number[] = [];
    const sqlite: number[] = [];
    const files: number[] = [];
    const { producers, batches, batch, chunkBytes } = load;
    const events = producers * batches * batch;
    // A fresh one for each load: it keeps a log open for each session.
    const gateway = await Gateway.start(bench.scratch, { flags: FLAGS });
    for (let rep = 0; rep < bench.reps; rep += 1) {
      const { port, token } = gateway.target('') as { port: number; token: string };
      const role = new Role<EmittersReport>('emitters', { ...load, port, token, run: `run-${rep}`, final: true });
      await role.ready();
      role.say('go');
      const report = await role.done();
      await role.end();
      for (const id of report.sessions) await gateway.remove(id);
      ours.push((events / report.ms) * 1000);
      sqlite.push((events / (await plain(bench, { ...load, store: 'sqlite' })).ms) * 1000);
      files.push((events / (await plain(bench, { ...load, store: 'files' })).ms) * 1000);
      bench.note(
        `ingest ${producers} × ${batch} × ${chunkBytes} B ${rep + 1}/${bench.reps}: ${[ours, sqlite, files].map((each) => each.at(-1)?.toFixed(0)).join(', ')} events/s`,
      );
    }
    await gateway.close();
    const mb = (each: readonly number[]): string => `${digits((median(each) * chunkBytes) / 1e6)} MB/s`;
    const size = chunkBytes >= KIB ? `${chunkBytes / KIB} KiB` : `${chunkBytes} B`;
    const what = `${producers} producer${producers === 1 ? '' : 's'}, batches of ${batch}, ${size} each (${digits((events * chunkBytes) / MIB)} MiB)`;
    for (const [name, other] of [
      ['SQLite, a transaction for each batch', sqlite],
      ['appendFile, a call for each batch', files],
    ] as const) {
      rows.push({
        goal: 'ingest',
        what,
        ours: `${ranged(ours, 'events/s')}, ${mb(ours)}`,
        other: `${name} ${ranged(other, 'events/s')}, ${mb(other)}`,
        ratio: ranged(ratios(ours, other)),
        aim: '',
      });
    }
  }
  return rows;
}

async function plain(bench: Bench, spec: Omit<RowsSpec, 'dir'>): Promise<RowsReport> {
  const dir = join(bench.scratch, 'rows');
  const role = new Role<RowsReport>('rows', { ...spec, dir });
  const report = await role.done();
  await role.end();
  rmSync(dir, { recursive: true, force: true });
  return report;
}
