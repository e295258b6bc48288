// What one command costs through us, against starting it oneself; and what 500 sessions leave behind.

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { promisify } from 'node:util';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { childrenOf, rssKb, threads, until } from '../processes.ts';
import { percentile, type Row } from '../table.ts';

const run = promisify(execFile);
/** Upstream's daemon sleeps this long at the end of each foreground command. */
const UPSTREAM_EXTRA_MS = 1000;

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const both = (values: readonly number[]): string =>
  `p50 ${percentile(sorted(values), 0.5).toFixed(2)}, p99 ${percentile(sorted(values), 0.99).toFixed(2)} ms`;

/** `true`, by turns: as a child of this process, through /command, as a run on pipes and in a terminal. */
export async function runs(bench: Bench): Promise<readonly Row[]> {
  const times = bench.quick ? 30 : 300;
  const gateway = await Gateway.start(bench.scratch);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const pipe = await gateway.create({ runs: true, mode: 'pipe' });
  const pty = await gateway.create({ runs: true, mode: 'pty' });
  const ways = {
    bare: () => run('/bin/bash', ['-c', 'true']),
    command: () => stream(gateway, agent, '/command', { command: 'true', background: false }, 'execution_complete'),
    pipe: () => stream(gateway, agent, `/v1/sessions/${pipe}/runs`, { command: 'true' }, 'event: end'),
    pty: () => stream(gateway, agent, `/v1/sessions/${pty}/runs`, { command: 'true' }, 'event: end'),
  };
  type Way = keyof typeof ways;
  const durations: Record<Way, number[]> = { bare: [], command: [], pipe: [], pty: [] };
  for (let i = -5; i < times; i++) {
    for (const way of Object.keys(ways) as Way[]) {
      const startedAt = performance.now();
      await ways[way]();
      if (i >= 0) durations[way].push(performance.now() - startedAt);
    }
    // A session that /command leaves for inspection counts as a session.
    if (i % 50 === 0) await removeEnded(gateway);
  }
  agent.destroy();
  await gateway.close();
  for (const way of Object.keys(ways) as Way[]) bench.note(`runs ${way}: ${both(durations[way])}`);
  const bare = percentile(sorted(durations.bare), 0.5);
  const row = (way: Exclude<Way, 'bare'>, what: string, limitMs: number): Row => {
    const more = percentile(sorted(durations[way]), 0.5) - bare;
    return {
      goal: 'run',
      what: `${what}: request to the end of the answer (n = ${times})`,
      ours: both(durations[way]),
      other: `bash -c true of child_process: ${both(durations.bare)}`,
      ratio: `${more >= 0 ? '+' : ''}${more.toFixed(2)} ms`,
      aim: `<= +${limitMs} ms (upstream: more than +${UPSTREAM_EXTRA_MS} ms)`,
      holds: more <= limitMs,
    };
  };
  return [
    row('command', 'true through /command', 10),
    row('pipe', 'true as a run on pipes', 5),
    row('pty', 'true as a run in a terminal', 10),
  ];
}

/** Sends a command and reads the answer to its end, which must hold `last`. */
function stream(gateway: Gateway, agent: Agent, path: string, body: object, last: string): Promise<void> {
  const target = gateway.target('');
  const token = target.kind === 'binnacle' ? target.token : '';
  return new Promise((resolve, reject) => {
    const creation = request(
      {
        agent,
        host: '127.0.0.1',
        port: gateway.port,
        path,
        method: 'POST',
        headers: {
          Authorization: `Bearer ${token}`,
          'Content-Type': 'application/json',
          Accept: 'text/event-stream',
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          if (text.includes(last)) resolve();
          else reject(new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 300)}`));
        });
      },
    );
    creation.on('error', reject);
    creation.end(JSON.stringify(body));
  });
}

async function removeEnded(gateway: Gateway): Promise<void> {
  const { sessions } = (await (await gateway.fetch('/v1/sessions?limit=1000')).json()) as {
    sessions: { id: string; running: boolean }[];
  };
  for (const { id, running } of sessions) if (!running) await gateway.remove(id);
}

interface Residue {
  readonly processes: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly rssKb: number;
}

/** 500 sessions that take runs are started, used and deleted, ten at a time. */
export async function left(bench: Bench): Promise<readonly Row[]> {
  const times = bench.quick ? 50 : 500;
  const gateway = await Gateway.start(bench.scratch, { flags: ['--max-sessions', '200'] });
  const round = async (count: number) => {
    for (let i = 0; i < count; i += 10) await Promise.all(Array.from({ length: 10 }, (_, k) => use(gateway, i + k)));
    // Empty runners stay for later sessions; everything that sessions had must be gone.
    await until('programs are gone', () => residueOf(gateway).processes <= 1 + gateway.runners.length);
  };
  // Until what is kept for reuse (connections, pages, compiled code, V8's heap) has its size: 800 sessions on Node 20.
  await round(times * 2);
  const before = residueOf(gateway);
  await round(times);
  const after = residueOf(gateway);
  await gateway.close();
  bench.note(`left: before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  const more = (key: keyof Residue) => after[key] - before[key];
  return [
    {
      goal: 'left',
      what: `${times} sessions with a run each, started and deleted: processes, descriptors and threads left`,
      ours: `${more('processes')}, ${more('descriptors')}, ${more('threads')}`,
      other: '',
      ratio: '',
      aim: '0, 0, 0',
      holds: more('processes') <= 0 && more('descriptors') <= 0 && more('threads') <= 0,
    },
    {
      goal: 'left',
      what: `the same: memory of the gateway and its runners, from ${(before.rssKb / 1024).toFixed(0)} MB`,
      ours: `${(more('rssKb') / 1024).toFixed(1)} MB`,
      other: '',
      ratio: '',
      aim: `< 10 MB`,
      holds: more('rssKb') < 10 * 1024,
    },
  ];
}

async function use(gateway: Gateway, n: number): Promise<void> {
  const id = await gateway.create({ runs: true, mode: n % 2 === 0 ? 'pipe' : 'pty' });
  const answer = await gateway.fetch(`/v1/sessions/${id}/runs?wait=30000`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ command: `(exit ${n % 200})` }),
  });
  const ended = (await answer.json()) as { state: string; exitCode: number };
  if (ended.state !== 'ended' || ended.exitCode !== n % 200) throw new Error(`Not so: ${JSON.stringify(ended)}`);
  await gateway.remove(id);
}

/** Of the gateway, its runners and all that descends from them. */
function residueOf(gateway: Gateway): Residue {
  const pids = [gateway.pid, ...gateway.runners];
  const sum = (each: (pid: number) => number) => pids.reduce((total, pid) => total + each(pid), 0);
  return {
    // A runner is a child of the gateway that started it.
    processes: new Set([...pids, ...pids.flatMap(childrenOf)]).size,
    descriptors: sum(descriptorsOf),
    threads: sum(threads),
    rssKb: sum(rssKb),
  };
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // It has just left.
  }
}
