// guard: counts that do not depend on the hour, compared with the committed ones (bench/guard.json).

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { MIB } from '../payload.ts';
import { readBare } from '../peers.ts';
import { type Counts, childrenOf, countsOf, sleep, threads, until } from '../processes.ts';
import { Role } from '../role.ts';
import type { EchoReport } from '../roles/echo.ts';
import { digits, type Row } from '../table.ts';
import { idleSessions } from './memory.ts';
import { runOurs } from './pty.ts';

interface Guarded {
  /** The value when the limit was set. */
  readonly was: number;
  readonly most: number;
}

/** V8 collects and compiles for some 20 s after a start. */
const SETTLE_MS = 20_000;
const IDLE_MS = 8000;
const KEYS = 100;
/** Rounds of keys and of floods: the least of each count is compared, because other programs only add to the counts. */
const ROUNDS = 3;
/** The first keys of a typist are not timed, but they are typed (roles/echo.ts). */
const WARM_UP_KEYS = 50;
/** Long enough for each key to be handled alone. */
const KEY_PAUSE_MS = 20;
const FLOOD_BYTES = 64 * MIB;
/** Sessions with a viewer each. */
const FEW = 10;
const MANY = 50;

export async function guard(bench: Bench): Promise<readonly Row[]> {
  const root = process.env.BINNACLE_ROOT ?? '.';
  const limits = JSON.parse(readFileSync(join(root, 'bench/guard.json'), 'utf8')) as Record<string, Guarded>;
  const gateway = await Gateway.start(bench.scratch);
  try {
    const session = await gateway.create({ command: 'stty raw -echo; exec cat' });
    const [objects] = await Promise.all([retained(bench), sleep(SETTLE_MS)]);
    const found = { ...bundles(root), ...(await running(bench, gateway, session)), ...objects };
    return rowsOf(found, limits);
  } finally {
    await gateway.close();
  }
}

function rowsOf(found: Record<string, number>, limits: Record<string, Guarded>): readonly Row[] {
  return Object.entries(found).map(([what, value]) => {
    const limit = limits[what];
    return {
      goal: 'guard',
      what,
      ours: digits(value),
      other: limit === undefined ? 'no limit in bench/guard.json' : `was ${digits(limit.was)}`,
      ratio: limit === undefined ? '' : digits(value / limit.was),
      aim: limit === undefined ? '' : `<= ${digits(limit.most)}`,
      holds: limit !== undefined && value <= limit.most,
    };
  });
}

/** Bytes and sources of what is loaded at the start: a bundle with its static imports. */
function bundles(root: string): Record<string, number> {
  const serve = closureOf(join(root, 'packages/server/dist'), 'server.mjs');
  const commands = closureOf(join(root, 'packages/cli/dist'), 'binnacle.mjs');
  const runner = closureOf(join(root, 'packages/server/dist'), 'runner.mjs');
  return {
    'gateway: kB of code at the start': serve.bytes / 1000,
    'gateway: sources at the start': serve.sources,
    'command line: kB of code at the start': commands.bytes / 1000,
    'command line: sources at the start': commands.sources,
    'runner: kB of code': runner.bytes / 1000,
  };
}

function closureOf(dir: string, entry: string): { readonly bytes: number; readonly sources: number } {
  const files = new Set([entry]);
  let bytes = 0;
  let sources = 0;
  for (const file of files) {
    const text = readFileSync(join(dir, file), 'utf8');
    bytes += Buffer.byteLength(text);
    sources += (JSON.parse(readFileSync(join(dir, `${file}.map`), 'utf8')) as { sources: string[] }).sources.length;
    for (const [, imported] of text.matchAll(/^import [^'"]*["']\.\/([^"']+)["'];?$/gm)) {
      if (imported !== undefined && !imported.includes('rolldown-runtime')) files.add(imported);
    }
  }
  return { bytes, sources };
}

/** Wake-ups of processes with nothing to do, and what the kernel does for a key and for a flood. */
async function running(bench: Bench, gateway: Gateway, session: string): Promise<Record<string, number>> {
  const [runner = -1] = gateway.runners.filter((pid) => childrenOf(pid).length > 0);
  const index = childrenOf(gateway.pid).filter((pid) => !gateway.runners.includes(pid));
  const count = () => ({ gateway: countsOf([gateway.pid]), runner: countsOf([runner]), index: countsOf(index) });

  const before = count();
  await sleep(IDLE_MS);
  const idle = differences(before, count(), IDLE_MS / 1000);

  const rounds: CountsOf[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const typist = new Role<EchoReport>('echo', {
      target: gateway.target(session),
      keys: KEYS,
      pauseMs: KEY_PAUSE_MS,
    });
    await typist.ready();
    const quiet = count();
    typist.say('go');
    await typist.done();
    rounds.push(differences(quiet, count(), KEYS + WARM_UP_KEYS));
    await typist.end();
  }
  const least = (process: keyof CountsOf, what: keyof Counts): number =>
    Math.min(...rounds.map((round) => round[process][what]));

  const floods: { readonly gateway: number; readonly runner: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const gate = bench.payloads.gate();
    const command = bench.payloads.command(bench.payloads.file(FLOOD_BYTES), gate, 'pty');
    const flood = await runOurs(bench, gateway, 'pty', FLOOD_BYTES);
    const bare = await readBare(bench.peers, command, gate.open);
    floods.push({ gateway: flood.cpuGateway / bare.ms, runner: flood.cpuRunner / bare.ms });
  }
  return {
    'gateway: wake-ups a second with nothing to do': idle.gateway.wakeUps,
    'runner: wake-ups a second with nothing to do': idle.runner.wakeUps,
    'index: wake-ups a second with nothing to do': idle.index.wakeUps,
    'gateway: wake-ups a key': least('gateway', 'wakeUps'),
    'runner: wake-ups a key': least('runner', 'wakeUps'),
    'gateway: reads and writes a key': least('gateway', 'calls'),
    'runner: reads and writes a key': least('runner', 'calls'),
    'gateway: bytes to the disk a key': least('gateway', 'diskBytes'),
    'runner: bytes to the disk a key': least('runner', 'diskBytes'),
    'index: bytes to the disk a key': least('index', 'diskBytes'),
    'gateway: threads': threads(gateway.pid),
    'runner: threads': threads(runner),
    'gateway: processor time of a terminal flood, of the time of a bare reader': Math.min(
      ...floods.map((flood) => flood.gateway),
    ),
    'runner: processor time of a terminal flood, of the time of a bare reader': Math.min(
      ...floods.map((flood) => flood.runner),
    ),
  };
}

type CountsOf = Readonly<Record<'gateway' | 'runner' | 'index', Counts>>;

function differences(before: CountsOf, after: CountsOf, times: number): CountsOf {
  const less = (name: keyof CountsOf): Counts => ({
    wakeUps: (after[name].wakeUps - before[name].wakeUps) / times,
    calls: (after[name].calls - before[name].calls) / times,
    diskBytes: (after[name].diskBytes - before[name].diskBytes) / times,
  });
  return { gateway: less('gateway'), runner: less('runner'), index: less('index') };
}

/** Objects that a gateway keeps for nothing, and for each idle session with its viewer, from snapshots of the heap. */
async function retained(bench: Bench): Promise<Record<string, number>> {
  const gateway = await Gateway.start(bench.scratch, { nodeFlags: ['--heapsnapshot-signal=SIGUSR2'] });
  const viewers: Role<unknown>[] = [];
  try {
    const base = await heapBytes(gateway);
    viewers.push(await idleSessions(gateway, FEW));
    const few = await heapBytes(gateway);
    viewers.push(await idleSessions(gateway, MANY));
    const many = await heapBytes(gateway);
    return {
      'gateway: MB of objects with nothing to do': base / 1e6,
      'gateway: kB of objects for a session with its viewer': (many - few) / MANY / 1000,
    };
  } finally {
    await Promise.all(viewers.map((viewer) => viewer.end()));
    await gateway.close();
  }
}

/** Sum of the sizes of all live objects: the snapshot collects garbage first. */
async function heapBytes(gateway: Gateway): Promise<number> {
  process.kill(gateway.pid, 'SIGUSR2');
  let bytes = 0;
  await until('the snapshot is written', () => {
    const name = readdirSync(gateway.dir).find((one) => one.endsWith('.heapsnapshot'));
    if (name === undefined) return false;
    const path = join(gateway.dir, name);
    try {
      const { snapshot, nodes } = JSON.parse(readFileSync(path, 'utf8')) as {
        readonly snapshot: { readonly meta: { readonly node_fields: readonly string[] } };
        readonly nodes: readonly number[];
      };
      const { node_fields: fields } = snapshot.meta;
      for (let at = fields.indexOf('self_size'); at < nodes.length; at += fields.length) bytes += nodes[at] ?? 0;
    } catch {
      return false; // It is not complete yet.
    }
    rmSync(path);
    return true;
  });
  return bytes;
}
