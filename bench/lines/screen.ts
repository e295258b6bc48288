// screen: opening a session that has written 1 GB, until its screen stands, against reading all of it; what it showed at
// any offset, and its timeline.

import { connect } from '@binnacle/client';
import { WebSocket } from 'ws';
import { Emulator } from '../../packages/server/src/screen/emulator.ts';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { MIB } from '../payload.ts';
import { until } from '../processes.ts';
import { digits, percentile, type Row } from '../table.ts';

export async function screen(bench: Bench): Promise<readonly Row[]> {
  const bytes = bench.quick ? 128 * MIB : 960 * MIB;
  const gateway = await Gateway.start(bench.scratch);
  // Coloured lines, and a prompt that stays.
  const line = `\\033[3%dm%06d\\033[m ${'lorem ipsum '.repeat(6)}\\r\\n`;
  const block = `for (i = 0; i < 80000; i++) printf "${line}", i % 8, i`;
  const file = `${bench.scratch}/screen-block`;
  const rounds = Math.ceil(bytes / (80_000 * 114));
  const command = `awk 'BEGIN { ${block} }' > '${file}'; stty -onlcr; for i in $(seq ${rounds}); do cat '${file}'; done; printf 'done$ '; read -r x`;
  const id = await gateway.create({ command });
  const ends = async (): Promise<boolean> =>
    (await (await gateway.fetch(`/v1/sessions/${id}/output?tail=6`)).text()) === 'done$ ';
  await until('all is written', ends, 600_000);
  const writtenAt = performance.now();
  const first = await open(gateway, id);
  bench.note(`screen: at once ${first.ms.toFixed(0)} ms, exact: ${first.exact}`);
  await until('screens are kept', async () => (await open(gateway, id)).exact, 900_000);
  const caughtUpMs = performance.now() - writtenAt;
  const times: number[] = [];
  for (let i = 0; i < (bench.quick ? 30 : 100); i++) {
    const opened = await open(gateway, id);
    if (!opened.exact || opened.last !== 'done$') throw new Error('It was not the right screen.');
    times.push(opened.ms);
  }
  times.sort((a, b) => a - b);
  const whole = await readWhole(gateway, id);
  const scan = await scanHistory(gateway, id, bench.quick ? 30 : 100);
  bench.note(`screen at an offset: ${scan.exact} of ${scan.screens.length} exact, ${scan.points} points`);
  await gateway.close();
  const p50 = percentile(times, 0.5);
  const p99 = percentile(times, 0.99);
  const { outputOffset } = { outputOffset: bytes };
  return [
    {
      goal: 'screen',
      what: `open a session of ${outputOffset / MIB} MiB: the right screen, p50 / p99`,
      ours: `${digits(p50)} / ${digits(p99)} ms`,
      other: `reading and drawing all of it ${digits(whole)} ms`,
      ratio: digits(p50 / whole),
      aim: '< 1000 ms',
      holds: p99 < 1000,
    },
    {
      goal: 'screen',
      what: 'the same at once behind a flood, before screens are kept',
      ours: `${digits(first.ms)} ms, ${first.exact ? 'exact' : 'the end of it, and says so'}`,
      other: `exact after ${digits(caughtUpMs / 1000)} s`,
      ratio: '',
      aim: '< 1000 ms',
      holds: first.ms < 1000,
    },
    {
      goal: 'screen',
      what: 'what it showed at a random offset, p50 / p99',
      ours: `${digits(percentile(scan.screens, 0.5))} / ${digits(percentile(scan.screens, 0.99))} ms`,
      other: `${scan.exact} of ${scan.screens.length} exact`,
      ratio: '',
      aim: '< 1500 ms',
      holds: percentile(scan.screens, 0.99) < 1500,
    },
    {
      goal: 'screen',
      what: 'its timeline of 400 points, p50 / p99',
      ours: `${digits(percentile(scan.timelines, 0.5))} / ${digits(percentile(scan.timelines, 0.99))} ms`,
      other: `reading and drawing all of it ${digits(whole)} ms`,
      ratio: digits(percentile(scan.timelines, 0.5) / whole),
      aim: '< 300 ms',
      holds: percentile(scan.timelines, 0.99) < 300,
    },
  ];
}

/** As a viewer with a scrubber does: one after the other, anywhere. */
async function scanHistory(gateway: Gateway, id: string, count: number) {
  const info = (await (await gateway.fetch(`/v1/sessions/${id}`)).json()) as { outputOffset: number };
  const [screens, timelines]: [number[], number[]] = [[], []];
  let exact = 0;
  let points = 0;
  for (let i = 0; i < count; i++) {
    const at = Math.floor(Math.random() * info.outputOffset);
    let begun = performance.now();
    const screen = (await (await gateway.fetch(`/v1/sessions/${id}/screen?at=${at}`)).json()) as { exact: boolean };
    screens.push(performance.now() - begun);
    if (screen.exact) exact += 1;
    begun = performance.now();
    const timeline = (await (await gateway.fetch(`/v1/sessions/${id}/timeline`)).json()) as { points: object[] };
    timelines.push(performance.now() - begun);
    points = timeline.points.length;
  }
  for (const times of [screens, timelines]) times.sort((a, b) => a - b);
  return { screens, timelines, exact, points };
}

interface OpenedScreen {
  readonly ms: number;
  readonly exact: boolean;
  /** The last row that is not empty. */
  readonly last: string;
}

/** As a viewer does: connects, follows from the screen, and has it drawn up to where the output is. */
async function open(gateway: Gateway, id: string): Promise<OpenedScreen> {
  const target = gateway.target(id) as { readonly port: number; readonly token: string };
  const url = `http://127.0.0.1:${target.port}`;
  const { outputOffset } = await gateway.info(id);
  const from = performance.now();
  const client = connect({ url, token: target.token, makeSocket: (to, headers) => new WebSocket(to, { headers }) });
  let emulator = new Emulator({ cols: 80, rows: 24 });
  let exact = false;
  for await (const event of client.session(id).attach('screen')) {
    if (event.type === 'screen') {
      emulator = new Emulator(event);
      emulator.write(Buffer.from(event.data));
      exact = event.exact;
      if (event.offset >= outputOffset) break;
    } else if (event.type === 'output') {
      emulator.write(event.bytes);
      if (event.offset + event.bytes.length >= outputOffset) break;
    }
  }
  const ms = performance.now() - from;
  client.close();
  return { ms, exact, last: lastOf(emulator) };
}

async function readWhole(gateway: Gateway, id: string): Promise<number> {
  const from = performance.now();
  const emulator = new Emulator({ cols: 80, rows: 24 });
  const response = await gateway.fetch(`/v1/sessions/${id}/output?since=0`);
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) emulator.write(bytes);
  if (lastOf(emulator) !== 'done$') throw new Error('The whole output was not read.');
  return performance.now() - from;
}

function lastOf({ terminal }: Emulator): string {
  const { active } = terminal.buffer;
  for (let y = terminal.rows - 1; y >= 0; y--) {
    const text =
      active
        .getLine(active.baseY + y)
        ?.translateToString(true)
        .trimEnd() ?? '';
    if (text !== '') return text;
  }
  return '';
}
