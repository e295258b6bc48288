// How long a word of an agent takes to a viewer, and how many can be talked with at once.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { cpuMs, rssKb } from '../processes.ts';
import { Role } from '../role.ts';
import type { ListenersReport } from '../roles/listeners.ts';
import { percentile, type Row } from '../table.ts';

const ms = (values: readonly number[], share: number): string => `${percentile(values, share).toFixed(2)} ms`;
const both = (values: readonly number[]): string => `p50 ${ms(values, 0.5)}, p99 ${ms(values, 0.99)}`;

/** A program that writes the time, again and again. The clock is the machine's, the same for all processes. */
const WRITER = `let n = 0; const timer = setInterval(() => {
  process.stdout.write('@' + process.hrtime.bigint() + ' ');
  if (++n === COUNT) clearInterval(timer);
}, 10);`;

/** From the agent's write to the viewer's socket, against a parent that reads the same program by a pipe. */
export async function delta(bench: Bench): Promise<readonly Row[]> {
  const count = bench.quick ? 100 : 500;
  const command = [process.execPath, '-e', WRITER.replace('COUNT', String(count))];
  const gateway = await Gateway.start(bench.scratch, {
    flags: ['--config', configFile(bench, { driver: 'command', command })],
  });
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let rep = 0; rep < bench.reps; rep++) {
    const pipe = new Role<ListenersReport>('child-times', { command });
    bare.push(...(await pipe.done()).latenciesMs);
    await pipe.end();
    const [key] = await conversations(gateway, 1);
    const spec = { ...gateway.target(''), conversations: [key], perConversation: 1, deltaIntervalMs: 0 };
    const viewer = new Role<ListenersReport>('listeners', spec);
    await viewer.ready();
    await send(gateway, key ?? '');
    ours.push(...(await viewer.done()).latenciesMs);
    await viewer.end();
  }
  await gateway.close();
  const [mine, theirs] = [sorted(ours), sorted(bare)];
  bench.note(`delta: ${both(mine)}; pipe ${both(theirs)}`);
  const row = (share: number): Row => ({
    goal: 'delta',
    what: `a delta from the agent's write to a viewer's socket, unpaced: p${share * 100} (n = ${mine.length})`,
    ours: ms(mine, share),
    other: `the same program by a bare pipe: ${ms(theirs, share)}`,
    ratio: (percentile(mine, share) / percentile(theirs, share)).toFixed(1),
    aim: '',
  });
  return [row(0.5), row(0.99)];
}

/** 200 conversations whose agents all talk, each followed by five connections, at the default pace. */
export async function streams(bench: Bench): Promise<readonly Row[]> {
  const [talking, each] = bench.quick ? [20, 5] : [200, 5];
  const wordCount = bench.quick ? 50 : 400;
  const model = new Role<undefined>('talking-model', { wordCount, everyMs: 50 });
  const { port } = (await model.ready()) as { readonly port: number };
  const agent = { driver: 'openai', url: `http://127.0.0.1:${port}/v1`, model: 'mock' };
  const gateway = await Gateway.start(bench.scratch, { flags: ['--config', configFile(bench, agent)] });
  const keys = await conversations(gateway, talking);
  const spec = { ...gateway.target(''), conversations: keys, perConversation: each, wordCount };
  const viewers = new Role<ListenersReport>('listeners', spec);
  await viewers.ready();
  const cpuBefore = cpuMs([gateway.pid]);
  const startedAt = performance.now();
  await Promise.all(keys.map((key) => send(gateway, key)));
  const heard = await viewers.done();
  const durationMs = performance.now() - startedAt;
  const busy = (cpuMs([gateway.pid]) - cpuBefore) / durationMs;
  const memory = rssKb(gateway.pid) / 1024;
  await viewers.end();
  await model.end();
  await gateway.close();
  const late = sorted(heard.latenciesMs);
  bench.note(`streams: ${both(late)}, ${heard.missing} missing, gateway ${(busy * 100).toFixed(0)} % of a core`);
  const lost = heard.missing + heard.wrong;
  return [
    {
      goal: 'streams',
      what: `${talking} conversations streaming 20 words a second each to ${talking * each} connections: model's write to the viewer's socket (n = ${late.length})`,
      ours: `${both(late)}; max ${ms(late, 1)}`,
      other: `of which the pace is up to 50 ms; gateway ${(busy * 100).toFixed(0)} % of a core, ${memory.toFixed(0)} MB`,
      ratio: '',
      aim: 'p99 < 150 ms',
      holds: percentile(late, 0.99) < 150,
    },
    {
      goal: 'streams',
      what: 'the same: words that a viewer did not get, and texts that are not as the end says',
      ours: `${heard.missing}, ${heard.wrong}`,
      other: '',
      ratio: '',
      aim: '0, 0',
      holds: lost === 0,
    },
  ];
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

function configFile(bench: Bench, agent: object): string {
  const path = join(bench.scratch, `config-${Date.now()}.jsonc`);
  writeFileSync(path, JSON.stringify({ agents: { entries: { main: { ...agent, default: true } } } }));
  return path;
}

async function conversations(gateway: Gateway, count: number): Promise<string[]> {
  const keys: string[] = [];
  for (let i = 0; i < count; i++)
    keys.push(((await (await post(gateway, '/v1/conversations', {})).json()) as { key: string }).key);
  return keys;
}

async function send(gateway: Gateway, key: string): Promise<void> {
  const response = await post(gateway, `/v1/conversations/${encodeURIComponent(key)}/messages`, { text: 'talk' });
  if (response.status !== 202) throw new Error(`A message was refused: ${await response.text()}`);
  await response.arrayBuffer();
}

const post = (gateway: Gateway, path: string, body: object): Promise<Response> =>
  gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
