import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeOutput, parseServerFrame } from '@binnacle/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { floodBytes } from './flood.mjs';
import { type Flooding, MIB, startFlood } from './flooding.fixture.ts';

const LABEL = 'kept';
/** A stalled viewer's sockets hold some MiB; what is behind them is in the log only, and goes away. */
const BEYOND_SOCKETS = 24 * MIB;
/** MiB a second, and what is kept: a viewer that reads has two thirds of a second to do so. */
const RATE = count({ quick: 12, all: 6 });
const KEPT = count({ quick: 8, all: 4 }) * MIB;

let gateway: Gateway;
let flooding: Flooding;
beforeAll(async () => {
  gateway = await openGateway({ retainBytes: KEPT });
  flooding = await startFlood(gateway, {
    label: LABEL,
    mode: 'pty',
    bytes: 4 * MIB,
    rate: RATE,
    endless: true,
    first: `until [ -e ${goFile()} ]; do sleep 0.02; done`,
  });
});

/** The program floods once this file is there. */
const goFile = () => join(gateway.dir, 'go');
const headers = () => ({ authorization: `Bearer ${gateway.token}` });
const open = (path: string) => new WebSocket(gateway.url.replace('http', 'ws') + path, { headers: headers() });

/** Checks each piece against what the program wrote, and that each gap begins and ends where its neighbours do. */
class Reading {
  readonly gaps: { from: number; to: number }[] = [];
  offset = 0;

  output(offset: number, bytes: Uint8Array): void {
    if (offset !== this.offset) throw new Error(`Expected byte ${this.offset}, got ${offset}.`);
    this.offset += bytes.length;
    if (!floodBytes(LABEL, offset, this.offset).equals(bytes)) throw new Error(`Other bytes from ${offset} on.`);
  }

  gap(from: number, to: number): void {
    if (from !== this.offset || to <= from) throw new Error(`A gap from ${from} to ${to} at byte ${this.offset}.`);
    this.gaps.push({ from, to });
    this.offset = to;
  }
}

/** Subscribes from the beginning. Behind the gap it takes a MiB more. */
function stalledViewer() {
  const socket = open('/v1/ws');
  socket.binaryType = 'nodebuffer';
  const reading = new Reading();
  const subscribed = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data, isBinary) => {
      if (isBinary) return;
      const frame = parseServerFrame(String(data));
      if (frame.t === 'hello')
        socket.send(JSON.stringify({ t: 'subscribe', ref: 1, session: flooding.id, from: 'start' }));
      if (frame.t === 'subscribed') resolve();
    });
  });
  const done = new Promise<void>((resolve, reject) => {
    socket.on('close', (code) => reject(new Error(`It was closed with ${code}.`)));
    socket.on('message', (data, isBinary) => {
      try {
        if (isBinary) {
          const { offset, bytes } = decodeOutput(data as Buffer);
          reading.output(offset, bytes);
        } else {
          const frame = parseServerFrame(String(data));
          if (frame.t === 'gap') reading.gap(frame.from, frame.to);
        }
        const gap = reading.gaps.at(-1);
        if (gap !== undefined && reading.offset > gap.to + MIB) resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
  done.catch(() => undefined);
  return { socket, reading, subscribed, done };
}

describe('exact-resume: retention removes what a viewer has not read', () => {
  it('and everybody who asks for it is told exactly what is gone, and gets everything else', async () => {
    const stalled = stalledViewer();
    await stalled.subscribed;
    writeFileSync(goFile(), '');
    stalled.socket.pause();
    const oldest = async () => (await gateway.client.sessions.get(flooding.id)).oldestOffset;
    await until('the old segments are gone', async () => (await oldest()) > BEYOND_SOCKETS, 20_000);

    // Segments go as soon as others are complete: what is the oldest byte must stay that for as long as it is asked for.
    const { pid } = await gateway.client.sessions.get(flooding.id);
    process.kill(pid ?? Number.NaN, 'SIGSTOP');
    const head = async () => (await gateway.client.sessions.get(flooding.id)).outputOffset;
    let before = -1;
    const isStill = async (): Promise<boolean> => {
      const last = before;
      before = await head();
      return before === last;
    };
    await until('what it had written is in the log', isStill, 20_000);

    const { epoch, oldestOffset } = await gateway.client.sessions.get(flooding.id);
    const raw = await gateway.fetch(`/v1/sessions/${flooding.id}/output?since=0`);
    expect(raw.status).toBe(410);
    const { error } = (await raw.json()) as { error: { code: string; details: Record<string, number> } };
    expect(error).toMatchObject({ code: 'gap', details: { oldestOffset } });
    expect(error.details.headOffset).toBeGreaterThan(oldestOffset);
    const exact = await gateway.fetch(`/v1/sessions/${flooding.id}/output?since=${oldestOffset}&limit=100000`);
    expect(exact.status).toBe(200);
    const bytes = Buffer.from(await exact.arrayBuffer());
    expect(bytes.equals(floodBytes(LABEL, oldestOffset, oldestOffset + 100_000))).toBe(true);
    expect((await gateway.fetch(`/v1/sessions/${flooding.id}/output?since=${oldestOffset - 1}`)).status).toBe(410);

    const late = new Reading();
    for await (const event of gateway.client.session(flooding.id).attach(`${epoch}.0.0`)) {
      if (event.type === 'gap') late.gap(event.from, event.to);
      if (event.type === 'output') late.output(event.offset, event.bytes);
      if (late.offset > oldestOffset + MIB) break;
    }
    expect(late.gaps).toEqual([{ from: 0, to: oldestOffset }]);

    const compat = open(`/ws/session/${flooding.id}?since=0`);
    const first = await new Promise<string>((resolve, reject) => {
      compat.once('message', (data) => resolve(String(data)));
      compat.once('error', reject);
    });
    compat.terminate();
    expect(JSON.parse(first)).toMatchObject({ type: 'error', code: 'GAP' });
    expect(first).toContain(`from byte 0 up to ${oldestOffset} `);

    stalled.socket.resume();
    await stalled.done;
    const [gap] = stalled.reading.gaps;
    expect(stalled.reading.gaps.length).toBe(1);
    expect(gap?.from).toBeGreaterThan(0);
    expect(gap?.to).toBeGreaterThanOrEqual(oldestOffset);
    console.log('a stalled viewer lost', gap);
    stalled.socket.terminate();
    process.kill(pid ?? Number.NaN, 'SIGCONT');
    flooding.stop();
  }, 60_000);
});
