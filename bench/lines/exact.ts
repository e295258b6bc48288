// G2: nothing is lost and nothing comes twice.

import { crc32 } from 'node:zlib';
import type { Bench } from '../bench.ts';
import { Gateway } from '../gateway.ts';
import { KIB, MIB, type Payload } from '../payload.ts';
import { sleep } from '../processes.ts';
import { Role } from '../role.ts';
import type { NodePtyReport } from '../roles/node-pty.ts';
import type { ViewerReport } from '../roles/viewer.ts';
import type { Row } from '../table.ts';

const AT_ONCE = 4;
const PAUSE_MS = 2000;

export async function g2(bench: Bench): Promise<readonly Row[]> {
  const times = bench.quick ? 50 : 1000;
  const paused = bench.quick ? 10 : 100;
  const gateway = await Gateway.start(bench.scratch);
  const files = [100, 20 * KIB, MIB].map((bytes) => bench.payloads.file(bytes));
  const wrong: string[] = [];
  for (const file of files) {
    for (const mode of ['pty', 'pipe'] as const) {
      let left = times;
      const one = async () => {
        while (left-- > 0) if (!(await isExact(gateway, file, mode))) wrong.push(`${mode} ${file.bytes}`);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
      bench.note(`G2 ${mode} ${file.bytes} bytes: ${times} runs, ${wrong.length} wrong so far`);
    }
  }
  const [, , big] = files;
  let wrongPaused = 0;
  for (let done = 0; big !== undefined && done < paused; done += 10) {
    const results = await Promise.all(Array.from({ length: 10 }, () => isExactPaused(gateway, big)));
    wrongPaused += results.filter((isRight) => !isRight).length;
  }
  await gateway.close();
  const peer = new Role<NodePtyReport>('node-pty', {
    runs: files.map(({ path, bytes }) => ({ path, bytes, times: Math.max(20, times / 10) })),
  });
  const { losses } = await peer.done();
  await peer.end();
  const lost = losses.map(({ bytes, runs, short, most }) => `${size(bytes)}: ${short}/${runs} short, up to ${most} B`);
  return [
    {
      goal: 'G2',
      what: `${times} commands each of 100 B, 20 KiB, 1 MiB, PTY and pipe`,
      ours: `${wrong.length} of ${times * 6} not exact${wrong.length > 0 ? ` (${[...new Set(wrong)].join(', ')})` : ''}`,
      other: `node-pty 1.1.0: ${lost.join('; ')}`,
      ratio: '',
      aim: '0',
      holds: wrong.length === 0,
    },
    {
      goal: 'G2',
      what: `${paused} times 1 MiB with a viewer that pauses for 2 s`,
      ours: `${wrongPaused} of ${paused} not exact`,
      other: '',
      ratio: '',
      aim: '0',
      holds: wrongPaused === 0,
    },
  ];
}

const size = (bytes: number): string =>
  bytes >= MIB ? `${bytes / MIB} MiB` : bytes >= KIB ? `${bytes / KIB} KiB` : `${bytes} B`;

async function isExact(gateway: Gateway, file: Payload, mode: 'pty' | 'pipe'): Promise<boolean> {
  const id = await gateway.create({ argv: ['cat', file.path], mode });
  const response = await gateway.fetch(`/v1/sessions/${id}/output?since=0&follow=1`);
  const bytes = Buffer.from(await response.arrayBuffer());
  await gateway.remove(id);
  return bytes.length === file.bytes && crc32(bytes) === file.crc;
}

async function isExactPaused(gateway: Gateway, file: Payload): Promise<boolean> {
  const id = await gateway.create({ argv: ['cat', file.path] });
  const viewer = new Role<ViewerReport>('viewer', { target: gateway.target(id), viewers: 1, stalled: 1, crc: true });
  await viewer.ready();
  await sleep(PAUSE_MS);
  viewer.say('resume');
  const { counts, crcs, breaks } = (await viewer.hear('all')) as ViewerReport;
  await viewer.end();
  await gateway.remove(id);
  return counts[0] === file.bytes && crcs[0] === file.crc && breaks === 0;
}
