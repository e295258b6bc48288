// `npm run bench`: runs the lines that are asked for and prints one table. Each ratio is of runs made side by side.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, Line } from './bench.ts';
import { g9 } from './lines/append.ts';
import { delta, streams } from './lines/delta.ts';
import { g4, g5 } from './lines/echo.ts';
import { escapes } from './lines/escapes.ts';
import { g2 } from './lines/exact.ts';
import { g6 } from './lines/fan-out.ts';
import { followers } from './lines/followers.ts';
import { guard } from './lines/guard.ts';
import { g10 } from './lines/history.ts';
import { ingest } from './lines/ingest.ts';
import { g11 } from './lines/memory.ts';
import { page } from './lines/page.ts';
import { plugins } from './lines/plugins.ts';
import { g1, g3 } from './lines/pty.ts';
import { routes } from './lines/routes.ts';
import { left, runs } from './lines/run.ts';
import { screen } from './lines/screen.ts';
import { retention, search, searchLarge } from './lines/search.ts';
import { g8, slowAlone } from './lines/stalled.ts';
import { reattach, start } from './lines/start.ts';
import { trafficSlow } from './lines/traffic.ts';
import { Payloads } from './payload.ts';
import { findPeers } from './peers.ts';
import { format, type Row } from './table.ts';

const LINES: Readonly<Record<string, Line>> = {
  G1: g1,
  G2: g2,
  G3: g3,
  G4: g4,
  G5: g5,
  G6: g6,
  G8: g8,
  'slow-alone': slowAlone,
  G9: g9,
  G10: g10,
  G11: g11,
  start,
  reattach,
  run: runs,
  left,
  delta,
  streams,
  routes,
  ingest,
  'traffic-slow': trafficSlow,
  search,
  'search-large': searchLarge,
  retention,
  followers,
  screen,
  escapes,
  plugins,
  page,
  guard,
};

/** Lines that run only when they are named: 11 GB on the disk, and some ten minutes. */
const BY_NAME = ['search-large'];

/** Loaded by name, so that a viewer does not load what only an append needs. */
const ROLES: Readonly<Record<string, () => Promise<{ main(spec: never): unknown }>>> = {
  viewer: () => import('./roles/viewer.ts'),
  echo: () => import('./roles/echo.ts'),
  flood: () => import('./roles/flood.ts'),
  'child-pipe': () => import('./roles/child-pipe.ts'),
  'node-pty': () => import('./roles/node-pty.ts'),
  ceiling: () => import('./roles/ceiling.ts'),
  append: () => import('./roles/append.ts'),
  routes: () => import('./roles/routes.ts'),
  listeners: () => import('./roles/listeners.ts'),
  'child-times': () => import('./roles/child-times.ts'),
  emitters: () => import('./roles/emitters.ts'),
  rows: () => import('./roles/rows.ts'),
  search: () => import('./roles/search.ts'),
  'talking-model': () => import('./roles/talking-model.ts'),
};

const USAGE = `Usage: npm run bench -- [NAME…] [--reps N] [--quick] [--dir DIR]

  NAME      ${Object.keys(LINES).join(', ')}; without one, all but ${BY_NAME.join(', ')}
  --reps N  pairs of runs (default 7)
  --quick   small payloads and few runs: shows that it works, not how fast it is
  --dir     where data is kept during the bench: the disk that is measured (default: the temporary directory)

Peers are looked for on PATH, or named by $TTYD, $TTY_SHARE and $BINNACLE_CHROMIUM. Without them their lines say so.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      reps: { type: 'string' },
      quick: { type: 'boolean', default: false },
      dir: { type: 'string', default: tmpdir() },
      help: { type: 'boolean', default: false },
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(LINES).filter((name) => !BY_NAME.includes(name));
  const unknown = names.filter((name) => LINES[name] === undefined);
  if (values.help || unknown.length > 0) {
    console.error(unknown.length > 0 ? `There is no line ${unknown.join(', ')}.\n\n${USAGE}` : USAGE);
    return values.help ? 0 : 2;
  }
  const scratch = mkdtempSync(join(resolve(values.dir), 'binnacle-bench-'));
  const peers = findPeers(process.env.BINNACLE_ROOT ?? '.', scratch);
  const bench: Bench = {
    reps: Number(values.reps ?? (values.quick ? 3 : 7)),
    quick: values.quick,
    scratch,
    peers,
    payloads: new Payloads(scratch),
    note: (text) => console.error(`  ${text}`),
  };
  const rows: Row[] = [];
  const failed: string[] = [];
  try {
    for (const name of names) {
      console.error(`${name} …`);
      try {
        rows.push(...((await LINES[name]?.(bench)) ?? []));
      } catch (error) {
        failed.push(name);
        console.error(error);
        rows.push({
          goal: name,
          what: error instanceof Error ? error.message : String(error),
          ours: 'failed',
          other: '',
          ratio: '',
          aim: '',
          holds: false,
        });
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(header(bench));
  console.log(format(rows));
  const worse = rows.filter(({ goal, holds }) => goal === 'guard' && holds === false);
  for (const { what, ours, aim } of worse) console.error(`Worse than committed: ${what}: ${ours}, aim ${aim}.`);
  return failed.length + worse.length === 0 ? 0 : 1;
}

function header({ reps, quick, scratch, peers }: Bench): string {
  const disk = fileSystemOf(scratch);
  return [
    `Node ${process.version} (libuv ${process.versions.uv}), kernel ${release()}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${disk}.`,
    `The built gateway and runner with default settings, durable log on (sync every 50 ms). Median of ${reps} runs or more, ranges in brackets, ratios of interleaved pairs.`,
    `Load average at the end: ${readFileSync('/proc/loadavg', 'latin1').split(' ').slice(0, 3).join(' ')}.${quick ? ' QUICK: small payloads, not to be quoted.' : ''}`,
    `Missing: ${peers.missing.length === 0 ? 'nothing' : peers.missing.join('; ')}.`,
    '',
  ].join('\n');
}

function fileSystemOf(dir: string): string {
  try {
    return execFileSync('stat', ['-f', '-c', '%T', join(dir, '..')], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown file system';
  }
}

if (process.argv[2] === '--role') {
  const [, , , name = '', spec = '{}'] = process.argv;
  (await ROLES[name]?.())?.main(JSON.parse(spec) as never);
} else process.exitCode = await main();
