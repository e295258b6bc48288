// The promise slow-alone, over the whole: viewers that stopped reading cost the program and the others nothing.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, isSoak } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { measuresAlone } from '../support/measuring.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const FLOOD_BYTES = count({ quick: 16, all: 128, soak: 1024 }) * MIB;
const PAIRS = isSoak ? 5 : 1;
const STALLED = count({ quick: 50, all: 200 });
/** The kernel takes up to 4 MiB for a socket that nobody reads: after this much, all of them are full. */
const FILL_BYTES = 8 * MIB;
const BLOCK = 64 * 1024;

/** Prints a first part, waits, then prints blocks that begin with the time in microseconds at which each was written. */
const FLOOD = `
const fs = require('node:fs');
const [fill, flood, gate] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const block = Buffer.alloc(${BLOCK}, '.');
const print = () => { for (let at = 0; at < block.length; ) at += fs.writeSync(1, block, at); };
for (let done = 0; done < fill; done += block.length) print();
while (!fs.existsSync(gate)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
for (let done = 0; done < flood; done += block.length) {
  block.write(String(process.hrtime.bigint() / 1000n).padStart(16, '0'), 'latin1');
  print();
}
`;

measuresAlone();

let gateway: GatewayProcess;
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'binnacle-slow-'));
  writeFileSync(join(scratch, 'flood.cjs'), FLOOD);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Run {
  readonly ms: number;
  readonly bytes: number;
  readonly lagP99Ms: number;
  readonly growthMib: number;
}

let runs = 0;

async function run(stalled: number): Promise<Run> {
  gateway = await openGatewayProcess({ flags: [] });
  const sleepers: Socket[] = [];
  try {
    const before = memoryOf(gateway.pid, 'VmRSS');
    runs += 1;
    const gate = join(scratch, `gate-${runs}`);
    const program = `'${process.execPath}' '${join(scratch, 'flood.cjs')}' ${FILL_BYTES} ${FLOOD_BYTES} '${gate}'`;
    const info = await gateway.client.sessions.create({ command: `stty -echo -opost; exec ${program}` });
    await until('the first part is there', async () => (await outputOffset(info.id)) >= FILL_BYTES, 60_000);
    for (let i = 0; i < stalled; i += 1) sleepers.push(await stall(info.id));
    if (stalled > 0) await until('the gateway has filled their sockets', () => isIdle(gateway.pid), 60_000);

    const reading = gateway.client.session(info.id).attach('now');
    const lags: number[] = [];
    let bytes = 0;
    let startedAt = 0;
    let endedAt = 0;
    for await (const event of reading) {
      if (event.type === 'attached') writeFileSync(gate, '');
      if (event.type !== 'output') continue;
      endedAt = performance.now();
      if (bytes === 0) startedAt = endedAt;
      const text = Buffer.from(event.bytes.buffer, event.bytes.byteOffset, event.bytes.byteLength);
      for (let at = (BLOCK - (bytes % BLOCK)) % BLOCK; at + 16 <= text.length; at += BLOCK) {
        lags.push(Number(process.hrtime.bigint() / 1000n) / 1000 - Number(text.toString('latin1', at, at + 16)) / 1000);
      }
      bytes += text.length;
    }
    lags.sort((a, b) => a - b);
    return {
      ms: endedAt - startedAt,
      bytes,
      lagP99Ms: lags[Math.floor(lags.length * 0.99)] ?? Number.POSITIVE_INFINITY,
      growthMib: memoryOf(gateway.pid, 'VmHWM') - before,
    };
  } finally {
    for (const socket of sleepers) socket.destroy();
    await gateway.close();
  }
}

describe('slow-alone', () => {
  it(
    `${STALLED} stalled viewers slow down neither the program nor who reads, and take little memory`,
    async () => {
      const ratios: number[] = [];
      const lags: number[] = [];
      for (let pair = 0; pair < PAIRS; pair += 1) {
        const without = await run(0);
        const withThem = await run(STALLED);
        for (const { bytes } of [without, withThem]) expect(bytes).toBe(FLOOD_BYTES);
        expect(withThem.growthMib).toBeLessThan(100);
        ratios.push(without.ms / withThem.ms);
        lags.push(withThem.lagP99Ms);
      }
      // A terminal's rate has two levels, a factor of two apart, whoever reads it: a short run tells only the gross.
      expect(middle(ratios)).toBeGreaterThan(isSoak ? 0.9 : 0.4);
      expect(middle(lags)).toBeLessThan(isSoak ? 100 : 1000);
    },
    isSoak ? 1_800_000 : 120_000,
  );

  it('a stalled viewer that is the only one does not pause the program', async () => {
    gateway = await openGatewayProcess({ flags: [] });
    const bytes = count({ quick: 16, all: 64, soak: 1024 }) * MIB;
    const gate = join(scratch, 'gate-alone');
    try {
      const argv = [process.execPath, join(scratch, 'flood.cjs'), String(FILL_BYTES), String(bytes), gate];
      const info = await gateway.client.sessions.create({ argv, mode: 'pipe' });
      const sleeper = await stall(info.id);
      writeFileSync(gate, '');
      await until('the program ends', async () => (await stateOf(info.id)) === 'closed', 60_000);
      expect(await outputOffset(info.id)).toBe(FILL_BYTES + bytes);
      sleeper.destroy();
    } finally {
      await gateway.close();
    }
  });
});

/** Subscribes from the start and reads nothing from then on. */
function stall(session: string): Promise<Socket> {
  const { port } = new URL(gateway.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port) });
    socket.on('error', reject);
    socket.write(
      `GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\nAuthorization: Bearer ${gateway.token}\r\n\r\n`,
    );
    socket.once('data', () => {
      socket.pause();
      const subscribe = Buffer.from(JSON.stringify({ t: 'subscribe', session, from: 'start' }));
      // Masked with zeros, as a client's frame must be.
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | subscribe.length, 0, 0, 0, 0]), subscribe]));
      resolve(socket);
    });
  });
}

const infoOf = async (id: string): Promise<{ outputOffset: number; state: string }> =>
  (await (await gateway.fetch(`/v1/sessions/${id}`)).json()) as { outputOffset: number; state: string };
const outputOffset = async (id: string): Promise<number> => (await infoOf(id)).outputOffset;
const stateOf = async (id: string): Promise<string> => (await infoOf(id)).state;

/** MiB. */
const memoryOf = (pid: number, what: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const ticksOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
};

/** No processor time in a fifth of a second. */
async function isIdle(pid: number): Promise<boolean> {
  const before = ticksOf(pid);
  await new Promise((resolve) => setTimeout(resolve, 200));
  return ticksOf(pid) === before;
}

const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
