// followers: whether the index and the kept screens, which follow all output in processes of their own, are felt by the
// output and by keys. Pairs of two gateways: one as it is, one whose followers do nothing.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { MIB } from '../payload.ts';
import { sleep, until } from '../processes.ts';
import { median, type Row, ranged, ratios } from '../table.ts';
import { beside, type } from './echo.ts';
import { rate, runOurs } from './pty.ts';

const MOST_SLOWER = 1.05;
/** The rate of a terminal has two levels on many machines: only many pairs show a difference. */
const LEAST_PAIRS = 11;
/** The index reports its state once a second. */
const FACTS_MS = 1100;

/** An index that is ready and does nothing, and a process of screens that draws none. */
const IDLE = `process.on('message', ({ t, n, job }) => {
  if (t === 'open') process.send({ t: 'ready', isNew: false });
  if (t === 'stop') process.exit(0);
  if (t === 'draw') process.send({ t: 'drawn', n, drawn: undefined, reached: job.head.offset });
});
process.on('disconnect', () => process.exit(0));`;

const MEASURES = ['flood', 'p50', 'p99', 'flooded', 'floodedP50', 'floodedP99'] as const;
type Columns = Readonly<Record<(typeof MEASURES)[number], number[]>>;

const columns = (): Columns => ({ flood: [], p50: [], p99: [], flooded: [], floodedP50: [], floodedP99: [] });

export async function followers(bench: Bench): Promise<readonly Row[]> {
  const pairs = bench.quick ? bench.reps : Math.max(bench.reps, LEAST_PAIRS);
  const gateway = { on: await start(bench, ''), off: await start(bench, IDLE) };
  const seen = { on: columns(), off: columns() };
  const late: number[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    // Each comes first in half of the pairs.
    for (const which of pair % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
      await measure(bench, gateway[which], seen[which]);
      late.push(await catchUp(gateway.on));
    }
    const shown = (which: 'on' | 'off'): string =>
      MEASURES.map((name) => seen[which][name].at(-1)?.toFixed(0)).join(' ');
    bench.note(`followers ${pair + 1}/${pairs}: on ${shown('on')}, off ${shown('off')}`);
  }
  await gateway.on.close();
  await gateway.off.close();
  return rowsOf(bench, seen.on, seen.off, late);
}

async function start(bench: Bench, follower: string): Promise<Gateway> {
  const library = pathToFileURL(resolve(process.env.BINNACLE_ROOT ?? '.', 'packages/server/dist/index.js')).href;
  const name = join(bench.scratch, follower === '' ? 'on' : 'off');
  let scripts = {};
  if (follower !== '') {
    writeFileSync(`${name}-follower.mjs`, follower);
    scripts = { searchScript: `${name}-follower.mjs`, screensScript: `${name}-follower.mjs` };
  }
  writeFileSync(
    `${name}.mjs`,
    `import { startGateway } from ${JSON.stringify(library)};
     const [dataDir, port] = process.argv.slice(2);
     const options = { dataDir, port: Number(port), logLevel: 'error', ...${JSON.stringify(scripts)} };
     const gateway = await startGateway(options);
     process.on('SIGTERM', () => gateway.close().then(() => process.exit(0)));
     console.log(JSON.stringify({ url: gateway.url }));`,
  );
  return await Gateway.start(bench.scratch, { launcher: `${name}.mjs` });
}

/** A flood alone, keys alone, and keys beside a flood. */
async function measure(bench: Bench, gateway: Gateway, into: Columns): Promise<void> {
  const keys = bench.quick ? 200 : 1000;
  into.flood.push(rate(await runOurs(bench, gateway, 'pty', bench.quick ? 32 * MIB : 256 * MIB)));
  const echo = await gateway.create({ command: 'stty raw -echo; exec cat' });
  const alone = await type(gateway.target(echo), keys);
  into.p50.push(alone.p50);
  into.p99.push(alone.p99);
  const payload = bench.payloads.file(16 * MIB).path;
  const flood = await gateway.create({ command: `stty -echo -opost; while :; do cat '${payload}'; done` });
  const { result, mbps } = await beside(gateway.target(flood), () => type(gateway.target(echo), keys));
  into.flooded.push(mbps);
  into.floodedP50.push(result.p50);
  into.floodedP99.push(result.p99);
  await gateway.remove(flood);
  await gateway.remove(echo);
}

/** Waits until the index has all output, and returns how long that took, in s. */
async function catchUp(gateway: Gateway): Promise<number> {
  const began = performance.now();
  await until('the index has all', async () => {
    await sleep(FACTS_MS);
    const text = await (await gateway.fetch('/metrics')).text();
    return /^binnacle_index_behind_bytes 0$/m.test(text);
  });
  return (performance.now() - began) / 1000;
}

function rowsOf(bench: Bench, on: Columns, off: Columns, late: readonly number[]): readonly Row[] {
  const row = (what: string, name: keyof Columns, unit: string): Row => {
    const factors = ratios(on[name], off[name]);
    const isRate = unit === 'MB/s';
    return {
      goal: 'followers',
      what,
      ours: ranged(on[name], unit),
      other: `with followers that do nothing ${ranged(off[name], unit)}`,
      ratio: ranged(factors),
      aim: isRate ? `>= ${(1 / MOST_SLOWER).toFixed(2)}` : `<= ${MOST_SLOWER}`,
      holds: isRate ? median(factors) >= 1 / MOST_SLOWER : median(factors) <= MOST_SLOWER,
    };
  };
  return [
    row(`PTY, ${bench.quick ? 32 : 256} MiB, 1 viewer: rate`, 'flood', 'MB/s'),
    row('echo p50, idle', 'p50', 'us'),
    row('echo p99, idle', 'p99', 'us'),
    row('a flood beside keys', 'flooded', 'MB/s'),
    row('echo p50, beside that flood', 'floodedP50', 'us'),
    row('echo p99, beside that flood', 'floodedP99', 'us'),
    {
      goal: 'followers',
      what: 'until the index has all of a pair',
      ours: ranged(late, 's'),
      other: '',
      ratio: '',
      aim: '',
    },
  ];
}
