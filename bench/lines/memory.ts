// G11: what an idle session, an idle viewer and a flood cost in memory and threads.

import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { GIB, MIB } from '../payload.ts';
import { startTtyd } from '../peers.ts';
import { pssKb, rssKb, sleep, threads } from '../processes.ts';
import { Role } from '../role.ts';
import { median, type Row, ranged, ratios } from '../table.ts';
import { runOurs } from './pty.ts';

/** Twice as many as this are as many as a gateway takes by default. */
const SESSIONS = 100;
const VIEWERS = 1000;
/** The garbage of starting goes, the heap settles. */
const SETTLE_MS = 1500;

export async function g11(bench: Bench): Promise<readonly Row[]> {
  const base: number[] = [];
  const perSession: number[] = [];
  const perRunnerSession: number[] = [];
  const perTtyd: number[] = [];
  const perViewer: number[] = [];
  const threadsAll: number[] = [];
  const threadsGateway: number[] = [];
  const flood: number[] = [];
  const sessions = bench.quick ? 20 : SESSIONS;
  const viewerCount = bench.quick ? 200 : VIEWERS;
  for (let rep = 0; rep < bench.reps; rep++) {
    const gateway = await Gateway.start(bench.scratch);
    await sleep(SETTLE_MS);
    base.push(rssKb(gateway.pid) / 1024);
    const runnersBefore = sum(gateway.runners.map(pssKb));
    // Half of them first: what the heap grows by while it warms up is no cost of each.
    const early = await idleSessions(gateway, sessions);
    await sleep(SETTLE_MS);
    const before = rssKb(gateway.pid);
    const late = await idleSessions(gateway, sessions);
    await sleep(SETTLE_MS);
    perSession.push((rssKb(gateway.pid) - before) / sessions);
    perRunnerSession.push((sum(gateway.runners.map(pssKb)) - runnersBefore) / (2 * sessions));
    threadsGateway.push(threads(gateway.pid));
    threadsAll.push(threads(gateway.pid) + sum(gateway.runners.map(threads)));
    await Promise.all([early.end(), late.end()]);
    await gateway.close();

    const crowd = await Gateway.start(bench.scratch);
    const watched = await crowd.create({ argv: ['sleep', '1000'] });
    const first = await idle(crowd, watched, viewerCount / 2);
    await sleep(SETTLE_MS);
    const beforeCrowd = rssKb(crowd.pid);
    const many = await idle(crowd, watched, viewerCount);
    await sleep(SETTLE_MS);
    perViewer.push((rssKb(crowd.pid) - beforeCrowd) / viewerCount);
    await Promise.all([first.end(), many.end()]);
    await crowd.close();

    const flooded = await Gateway.start(bench.scratch);
    flood.push((await runOurs(bench, flooded, 'pipe', bench.quick ? 128 * MIB : GIB)).peakMb);
    await flooded.close();

    if (bench.peers.ttyd !== undefined) perTtyd.push(await ttyd(bench.peers.ttyd, sessions));
    bench.note(
      `G11 ${rep + 1}/${bench.reps}: base ${base.at(-1)?.toFixed(1)} MB, session ${perSession.at(-1)?.toFixed(1)} + ${perRunnerSession.at(-1)?.toFixed(0)} (ttyd ${perTtyd.at(-1)?.toFixed(1)}), viewer ${perViewer.at(-1)?.toFixed(1)} kB, ${threadsAll.at(-1)} threads, flood ${flood.at(-1)?.toFixed(0)} MB`,
    );
  }
  const toTtyd = ratios(perSession, perTtyd);
  return [
    {
      goal: 'G11',
      what: 'base: the gateway with nothing to do',
      ours: ranged(base, 'MB'),
      other: '',
      ratio: '',
      aim: '<= 60 MB',
      holds: median(base) <= 60,
    },
    {
      goal: 'G11',
      what: `idle session with its viewer, in the gateway (of ${sessions})`,
      ours: ranged(perSession, 'kB'),
      other: `ttyd ${ranged(perTtyd, 'kB')}`,
      ratio: ranged(toTtyd),
      aim: '<= 24 kB and <= 1.6',
      holds: median(perSession) <= 24 && (toTtyd.length === 0 || median(toTtyd) <= 1.6),
    },
    {
      goal: 'G11',
      what: 'idle session, its share of the runners (8 in each)',
      ours: ranged(perRunnerSession, 'kB'),
      other: '',
      ratio: '',
      aim: '',
    },
    {
      goal: 'G11',
      what: `threads with ${2 * sessions} idle sessions: gateway; with all runners`,
      ours: `${ranged(threadsGateway)}; ${ranged(threadsAll)}`,
      other: '',
      ratio: '',
      aim: '<= 20',
      holds: median(threadsAll) <= 20,
    },
    {
      goal: 'G11',
      what: `idle viewer (of ${viewerCount})`,
      ours: ranged(perViewer, 'kB'),
      other: '',
      ratio: '',
      aim: '<= 8 kB',
      holds: median(perViewer) <= 8,
    },
    {
      goal: 'G11',
      what: "the gateway's peak in a pipe flood of 1 GiB to 1 viewer",
      ours: ranged(flood, 'MB'),
      other: '',
      ratio: '',
      aim: '<= 110 MB',
      holds: median(flood) <= 110,
    },
  ];
}

/** Sessions that do nothing, each with a viewer. */
export async function idleSessions(gateway: Gateway, count: number): Promise<Role<unknown>> {
  const sessions: string[] = [];
  while (sessions.length < count) sessions.push(await gateway.create({ argv: ['sleep', '1000'] }));
  return await idle(gateway, '', count, sessions);
}

async function idle(gateway: Gateway, id: string, viewers: number, sessions?: string[]): Promise<Role<unknown>> {
  const some = sessions === undefined ? {} : { sessions };
  const viewer = new Role('viewer', { target: gateway.target(id), viewers, ...some });
  await viewer.ready();
  return viewer;
}

async function ttyd(path: string, sessions: number): Promise<number> {
  const peer = await startTtyd(path, 'exec sleep 1000');
  const target = { kind: 'ttyd', port: peer.port } as const;
  const first = new Role('viewer', { target, viewers: sessions });
  await first.ready();
  await sleep(SETTLE_MS);
  const before = rssKb(peer.pid);
  const many = new Role('viewer', { target, viewers: sessions });
  await many.ready();
  await sleep(SETTLE_MS);
  const each = (rssKb(peer.pid) - before) / sessions;
  await Promise.all([first.end(), many.end()]);
  await peer.close();
  return each;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
