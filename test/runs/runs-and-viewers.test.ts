import type { OutputKind, RunInfo } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { allOf, bytesOf, eventsOf, Shell } from './runs.fixture.ts';

const RUNS = count({ quick: 16, all: 100 });
const VIEWERS = count({ quick: 6, all: 20 });
/** Runs that are asked for at once: the rest of them waits in the queue of the shell. */
const AT_ONCE = 10;

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

interface Wanted {
  readonly id: string;
  readonly command: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** State of the shell is part of what is asked for: each run counts up what the one before it left. */
function wanted(n: number): Wanted {
  const lines = 1 + ((n * 37) % 60);
  const text = (stream: string) =>
    Array.from({ length: lines }, (_, line) => `${stream} ${n} ${line} ${'é'.repeat((n * line) % 40)}\n`).join('');
  const stdout = text('out');
  const stderr = n % 3 === 0 ? text('err') : '';
  const exitCode = (n * 7) % 200;
  const pieces = stdout.split('\n').slice(0, -1);
  const say = pieces.map((piece, i) => `echo '${piece}'${i % 7 === 6 ? '; sleep 0.002' : ''}`).join('\n');
  const complain = stderr === '' ? '' : `printf %s '${stderr}' >&2`;
  return { id: `run-${n}`, command: `${say}\n${complain}\n(exit ${exitCode})`, stdout, stderr, exitCode };
}

/** What a viewer got, and where it belongs. */
interface Piece {
  readonly from: number;
  readonly bytes: Buffer;
  readonly way: string;
}

const random = (below: number): number => Math.floor(Math.random() * below);

describe('many viewers of one session', () => {
  it(`${RUNS} runs in one session while ${VIEWERS} viewers join and leave at random: every viewer’s bytes are a range of the log, and each run’s output and exit code are right`, async () => {
    const shell = await Shell.open(gateway);
    const all = Array.from({ length: RUNS }, (_, n) => wanted(n));
    const pieces: Piece[] = [];
    const begun: string[] = [];
    const ended: RunInfo[] = [];
    let isOver = false;

    const ask = async (run: Wanted, n: number): Promise<void> => {
      const { id, command } = run;
      if (n % 4 === 0) {
        // Started and left alone, looked at by its id later.
        await shell.start({ id, command });
        begun.push(id);
        ended.push(await shell.ended(id));
      } else if (n % 4 === 1) {
        const started = gateway.client.session(shell.id).run(command, { id });
        const parts: Record<string, Uint8Array[]> = { stdout: [], stderr: [] };
        for await (const event of started) {
          if (event.type === 'run') begun.push(id);
          if (event.type === 'output') parts[event.kind]?.push(event.bytes);
        }
        expect(Buffer.concat(parts.stdout ?? []).toString()).toBe(run.stdout);
        expect(Buffer.concat(parts.stderr ?? []).toString()).toBe(run.stderr);
        ended.push(await started.ended);
      } else {
        const events = [];
        for await (const event of eventsOf(await shell.stream({ id, command }))) {
          if (events.length === 0) begun.push(id);
          events.push(event);
        }
        expect(bytesOf(events, 'stdout').toString()).toBe(run.stdout);
        expect(bytesOf(events, 'stderr').toString()).toBe(run.stderr);
        ended.push(events.at(-1)?.data.run as RunInfo);
      }
    };

    const sumSeen = (): number => pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const viewer = async (): Promise<void> => {
      let outputOffset = 0;
      // Where the runs were quick, they join behind the last one until that is enough to compare.
      while (!isOver || sumSeen() <= outputOffset) {
        ({ outputOffset } = await shell.info());
        const from = random(outputOffset + 1);
        pieces.push(await look(shell, WAYS[random(WAYS.length)] ?? 'raw', from, 1 + random(20_000), begun));
      }
    };
    const viewers = Array.from({ length: VIEWERS }, viewer);
    const queue = [...all.entries()];
    for (const one of viewers) one.catch(() => undefined); // told of at the end
    const askers = Array.from({ length: AT_ONCE }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await ask(next[1], next[0]);
    });
    await Promise.all(askers);
    isOver = true;
    await Promise.all(viewers);

    const log = await shell.log();
    for (const { from, bytes, way } of pieces) {
      if (!log.subarray(from, from + bytes.length).equals(bytes)) throw new Error(`${way} from ${from}: other bytes.`);
    }
    const runs = new Map((await shell.runs()).map((run) => [run.id as string, run]));
    expect(runs.size).toBe(RUNS);
    for (const { id, stdout, stderr, exitCode } of all) {
      const run = runs.get(id);
      expect(run).toMatchObject({ state: 'ended', outcome: 'exited', exitCode });
      expect(ended.find((known) => known.id === id)).toEqual(run);
      const bytes = log.subarray(run?.startOffset ?? 0, run?.endOffset ?? 0);
      expect(await (await shell.raw(id)).text()).toBe(bytes.toString());
      const events = await allOf(await shell.events(id));
      expect(bytesOf(events)).toEqual(bytes);
      expect(bytesOf(events, 'stdout').toString()).toBe(stdout);
      expect(bytesOf(events, 'stderr').toString()).toBe(stderr);
    }
    // One after the other, and nothing between them.
    const order = [...runs.values()].sort((a, b) => (a.startOffset ?? 0) - (b.startOffset ?? 0));
    for (const [i, run] of order.entries()) expect(run.startOffset).toBe(order[i - 1]?.endOffset ?? 0);
    expect(order.at(-1)?.endOffset).toBe(log.length);
    const seen = sumSeen();
    const ways = Object.fromEntries(WAYS.map((way) => [way, pieces.filter((piece) => piece.way === way).length]));
    console.log(`${pieces.length} joins saw ${seen} bytes of ${log.length}`, ways);
    expect(pieces.length).toBeGreaterThan(VIEWERS);
    expect(seen).toBeGreaterThan(log.length);
  }, 120_000);
});

const WAYS = ['raw', 'events', 'attach', 'run', 'run events'] as const;

/** Joins, takes some bytes, and leaves. */
async function look(
  shell: Shell,
  way: (typeof WAYS)[number],
  from: number,
  wantedBytes: number,
  begun: readonly string[],
): Promise<Piece> {
  const abort = new AbortController();
  const parts: Uint8Array[] = [];
  let got = 0;
  const take = (bytes: Uint8Array): boolean => {
    parts.push(bytes);
    got += bytes.length;
    return got >= wantedBytes;
  };
  const piece = (at: number): Piece => {
    abort.abort();
    return { from: at, bytes: Buffer.concat(parts), way };
  };
  // The end of what there is may never come: nobody waits longer than a moment for more.
  const patience = setTimeout(() => abort.abort(), 20 + random(200));
  try {
    if (way === 'run' || way === 'run events') {
      const id = begun[random(begun.length)];
      // Asked before the run: if that goes on then, this much is its own.
      const { outputOffset } = await shell.info();
      const run = id === undefined ? undefined : await shell.run(id);
      if (run?.startOffset === null || run === undefined || id === undefined) return piece(from);
      const length = (run.endOffset ?? outputOffset) - run.startOffset;
      const since = run.startOffset + random(Math.max(0, length) + 1);
      const format = way === 'run' ? 'raw&follow=1' : 'sse';
      const path = `${shell.path}/runs/${id}/output?since=${since}&encoding=base64&format=${format}`;
      await read(shell.gateway.fetch(path, { signal: abort.signal }), way === 'run', since, take);
      return piece(since);
    }
    if (way === 'attach') {
      const client = shell.gateway.connect();
      abort.signal.addEventListener('abort', () => client.close());
      for await (const event of client.session(shell.id).attach({ offset: from })) {
        if (event.type === 'output' && take(event.bytes)) break;
      }
      client.close();
      return piece(from);
    }
    const format = way === 'raw' ? 'raw&follow=1' : 'sse';
    const path = `${shell.path}/output?since=${from}&encoding=base64&format=${format}`;
    await read(shell.gateway.fetch(path, { signal: abort.signal }), way === 'raw', from, take);
    return piece(from);
  } finally {
    clearTimeout(patience);
  }
}

async function read(
  asked: Promise<Response>,
  isRaw: boolean,
  from: number,
  take: (bytes: Uint8Array) => boolean,
): Promise<void> {
  let at = from;
  try {
    const response = await asked;
    expect(response.status).toBe(200);
    if (isRaw) {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) if (take(chunk)) return;
      return;
    }
    for await (const { event, data } of eventsOf(response)) {
      if (event !== 'output') continue;
      expect(data as { kind: OutputKind; offset: number }).toMatchObject({ offset: at });
      const bytes = Buffer.from(data.base64 as string, 'base64');
      at += bytes.length;
      if (take(bytes)) return;
    }
  } catch (error) {
    // Left in the middle, which is what this viewer does.
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
  }
}
