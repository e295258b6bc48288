// Cases 15 to 24 of docs/sessions.md, as far as no other test crosses them: the end of a program and the end of its output.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeOutput } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { openEvents } from './events.fixture.ts';

const MIB = 1024 * 1024;
let gateway: Gateway;
let dir: string;
beforeAll(async () => {
  gateway = await openGateway();
  dir = mkdtempSync(join(tmpdir(), 'binnacle-drain-'));
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const bash = (command: string, mode = 'pipe') => gateway.create({ command, mode, env: { SHELL: '/bin/bash' } });

describe.each(['pty', 'pipe'])('a child that holds the output of its %s (no. 15, 18, 19, 47)', (mode) => {
  it('delays neither the exit nor its own output, only the end', async () => {
    const file = join(dir, `go-${mode}`);
    const { id } = await bash(
      `trap '' HUP; (until [ -e ${file} ]; do sleep 0.02; done; echo late) & echo early; exit 4`,
      mode,
    );
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id });
    const events = await openEvents(gateway, id);
    const socket = await gateway.frames(`/ws/session/${id}`);
    const text = () =>
      Buffer.concat(frames.all.filter((frame) => Buffer.isBuffer(frame)).map((frame) => decodeOutput(frame).bytes))
        .toString()
        .replaceAll('\r', '');
    expect((await frames.next(({ kind }) => kind === 'exit')).data).toEqual({ exitCode: 4, signal: null });
    expect(text()).toBe('early\n');
    expect(await gateway.info(id)).toMatchObject({ state: 'exited', running: false, exitCode: 4 });
    // The number of the sandbox daemon's protocol comes without waiting for the child.
    expect(await socket.closing()).toEqual({ code: 1000, reason: 'exit' });
    expect(socket.all.at(-1)).toEqual({ type: 'exit', exit_code: 4 });
    expect(socket.text('stdout').replaceAll('\r', '')).toBe('early\n');
    expect((await gateway.info(id)).state).toBe('exited');

    writeFileSync(file, '');
    await frames.next(({ t }) => t === 'end');
    await events.ended;
    expect(text()).toBe('early\nlate\n');
    const kinds = frames.all.map((frame) => (Buffer.isBuffer(frame) ? 'output' : (frame.kind ?? frame.t)));
    const order = kinds.filter((kind) => ['output', 'exit', 'closed', 'end'].includes(kind));
    expect(order).toEqual(['output', 'exit', 'output', 'closed', 'end']);
    const told = events.all.map(({ event }) => event).filter((event) => order.includes(event));
    expect(told).toEqual(order);
    expect(await gateway.info(id)).toMatchObject({ state: 'closed', exitCode: 4 });
  });
});

describe('output without line breaks (no. 20)', () => {
  it.each(['pty', 'pipe'])(
    'is shown as it comes: a prompt, a bar that goes back to its start, on a %s',
    async (mode) => {
      const { id } = await bash(
        `printf 'name? '; read -r n; for i in 1 2 3; do printf '\\r%s%%' $i; read -r; done`,
        mode,
      );
      const events = await openEvents(gateway, id);
      const shown = () => events.text().replaceAll('\r\n', '');
      await events.seen('the prompt is there', () => shown() === 'name? ');
      let expected = 'name? ';
      for (const step of ['\r1%', '\r2%', '\r3%']) {
        await gateway.input(id, '\n');
        expected += step;
        await events.seen(`${JSON.stringify(expected)} is there`, () => shown() === expected);
      }
      await events.close();
    },
  );

  const LINE_MIB = count({ quick: 6, all: 100 });

  it(`may be ${LINE_MIB} MiB on one line`, async () => {
    const { id } = await bash(`head -c ${LINE_MIB * MIB} /dev/zero | tr '\\0' x`);
    const response = await fetch(`${gateway.url}/v1/sessions/${id}/output?follow=1`, {
      headers: { authorization: `Bearer ${gateway.token}` },
    });
    let bytes = 0;
    let others = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (!Buffer.from(chunk).equals(Buffer.alloc(chunk.length, 'x'))) others += 1;
    }
    expect({ bytes, others }).toEqual({ bytes: LINE_MIB * MIB, others: 0 });
    expect(await gateway.info(id)).toMatchObject({ state: 'closed', exitCode: 0, outputOffset: LINE_MIB * MIB });
  }, 60_000);
});

describe('many small writes (no. 21)', () => {
  it('are few frames: read together they come together, of both streams in order', async () => {
    const writes = 5_000;
    const { id } = await bash(`for i in $(seq ${writes}); do echo $i; done; echo end >&2`);
    const live = await gateway.frames();
    await live.ask({ t: 'subscribe', session: id });
    await live.next(({ t }) => t === 'end');
    const late = await gateway.frames();
    await late.ask({ t: 'subscribe', session: id });
    await late.next(({ t }) => t === 'end');
    const whole = Array.from({ length: writes }, (_, n) => `${n + 1}\n`).join('');
    for (const { all } of [live, late]) {
      const frames = all.filter((frame) => Buffer.isBuffer(frame)).map((frame) => decodeOutput(frame));
      const text = (kind: string) =>
        Buffer.concat(frames.filter((frame) => frame.kind === kind).map(({ bytes }) => bytes)).toString();
      expect([text('stdout'), text('stderr')]).toEqual([whole, 'end\n']);
      expect(frames.length).toBeLessThan(writes / 4);
    }
    // Behind the fact nothing is left of how it was written but the order of the streams.
    expect(late.all.filter((frame) => Buffer.isBuffer(frame)).length).toBeLessThanOrEqual(4);
  });
});

describe('the order of stdout and stderr (no. 22)', () => {
  it('is strict where the program has one stream for both', async () => {
    const { id } = await bash('exec 2>&1; for i in $(seq 500); do echo $i; echo $i >&2; done');
    await gateway.closed(id);
    const lines = Array.from({ length: 500 }, (_, n) => `${n + 1}\n${n + 1}\n`).join('');
    expect(await gateway.output(id)).toBe(lines);
    expect((await gateway.ask(`/v1/sessions/${id}/output?stream=stderr`)).text).toBe('');
  });
});

describe('how it ended (no. 23)', () => {
  it.each([
    ['exit 0', 0, null, 0],
    ['exit 7', 7, null, 7],
    ['exit 143', 143, null, 143],
    ['kill -TERM $$', null, 'SIGTERM', 143],
    ['kill -KILL $$', null, 'SIGKILL', 137],
  ])(
    '"%s" is told as it was: code %s, signal %s; and as %i where there is only a number',
    async (command, exitCode, signal, number) => {
      for (const mode of ['pty', 'pipe']) {
        const { id } = await bash(command, mode);
        expect(await gateway.closed(id)).toMatchObject({ state: 'closed', exitCode, signal });
        const events = await openEvents(gateway, id);
        await events.ended;
        expect(events.all.find(({ event }) => event === 'exit')?.data).toMatchObject({ exitCode, signal });
        const frames = await gateway.frames();
        await frames.ask({ t: 'subscribe', session: id });
        expect((await frames.next(({ kind }) => kind === 'exit')).data).toEqual({ exitCode, signal });
        const socket = await gateway.frames(`/ws/session/${id}`);
        await socket.closing();
        expect(socket.all.at(-1)).toEqual({ type: 'exit', exit_code: number });
        for (const { ws } of [frames, socket]) ws.terminate();
      }
    },
  );
});

it('who attaches at the very moment of the end gets all of it, and is never refused (no. 11)', async () => {
  const attach = async (n: number) => {
    const { id } = await gateway.create({ command: `echo ${n}; exit ${n % 7}`, mode: n % 2 === 0 ? 'pty' : 'pipe' });
    const frames = await gateway.frames(`/ws/session/${id}`);
    expect(await frames.closing()).toEqual({ code: 1000, reason: 'exit' });
    expect(frames.text('stdout').trim()).toBe(String(n));
    expect(frames.all.at(-1)).toEqual({ type: 'exit', exit_code: n % 7 });
  };
  for (let n = 0; n < count({ quick: 16, all: 200 }); n += 4) await Promise.all([n, n + 1, n + 2, n + 3].map(attach));
}, 60_000);

const ENDS = count({ quick: 10, all: 60 });

it(`the end of what is read is the end of what was written, on each of ${ENDS} sessions that end at once (no. 15, 16)`, async () => {
  const sessions = await Promise.all(
    Array.from({ length: ENDS }, (_, n) => bash(`seq ${n * 40}`, n % 2 === 0 ? 'pty' : 'pipe')),
  );
  await Promise.all(
    sessions.map(async ({ id, mode }, n) => {
      const text = (await gateway.ask(`/v1/sessions/${id}/output?follow=1`)).text;
      const lines = Array.from({ length: n * 40 }, (_, i) => `${i + 1}${mode === 'pty' ? '\r\n' : '\n'}`).join('');
      expect(text).toBe(lines);
      await until('it is closed', async () => (await gateway.info(id)).state === 'closed');
      expect(await gateway.info(id)).toMatchObject({ exitCode: 0 });
    }),
  );
});
