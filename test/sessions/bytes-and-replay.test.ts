// Cases 1 to 14 of docs/sessions.md, as far as no other test crosses them: bytes, characters, positions, what is kept.

import { closeSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeOutput, type Epoch, type SessionId } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startGateway } from '../../packages/server/src/gateway/gateway.ts';
import { createSegment, makeLogDir } from '../../packages/server/src/log/segment.ts';
import { SegmentWriter } from '../../packages/server/src/log/segment-writer.ts';
import { readProcess } from '../../packages/server/src/process/session-processes.ts';
import { Catalogue } from '../../packages/server/src/store/store.ts';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import type { Frame } from '../support/wire.ts';
import { type Events, openEvents } from './events.fixture.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ livenessTimes: { heartbeatMs: 100 } });
});
afterAll(() => gateway.close());

const written = (id: string, bytes: number) =>
  until(`${bytes} bytes are there`, async () => (await gateway.info(id)).outputOffset === bytes);
const outputs = (all: readonly Frame[]) => all.filter((frame) => Buffer.isBuffer(frame)).map(decodeOutput);

describe('a character that is not complete (no. 2, 3)', () => {
  it('waits for its rest for as long as that takes, is not guessed at, and is U+FFFD where it never comes', async () => {
    const command = "printf 'a\\303'; read -r; printf '\\251b\\342\\202'";
    const { id } = await gateway.create({ command, mode: 'pipe' });
    const events = await openEvents(gateway, id);
    const { token } = await gateway.tokenOf('view');
    const frames = await gateway.frames(`/ws/session/${id}`, token);
    await events.seen('the whole character is there', (all) => all.text() === 'a');
    await until('the socket has it, too', () => frames.text('stdout') === 'a');
    // Three heartbeats: a flush after some idle time would have come by now.
    const { comments } = events;
    await events.seen('time has passed', (all) => all.comments >= comments + 3);
    expect([events.text(), frames.text('stdout')]).toEqual(['a', 'a']);
    // What was told is what was sent: the id is in front of the part that waits.
    const at = events.all.findLast(({ event }) => event === 'output')?.id ?? '';
    await gateway.input(id, '\n');
    await events.ended;
    await frames.closing();
    expect([events.text(), frames.text('stdout')]).toEqual(['aéb\ufffd', 'aéb\ufffd']);
    const again = await openEvents(gateway, id, '', { 'last-event-id': at });
    await again.ended;
    expect(again.text()).toBe('éb\ufffd');
  });
});

describe('a gap inside a character (no. 4)', () => {
  let id: string;
  beforeAll(async () => {
    const command = "printf 'a\\342'; read -r; printf 'DAMAGED'; read -r; printf '\\202\\254z'";
    ({ id } = await gateway.create({ command, mode: 'pipe' }));
    await written(id, 2);
    await gateway.input(id, '\n');
    await written(id, 9);
    await gateway.input(id, '\n');
    await gateway.closed(id);
    await gateway.stop();
    const dir = join(gateway.dir, 'sessions', id, 'log');
    const file = join(dir, readdirSync(dir).find((name) => name.endsWith('.log')) ?? '');
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('DAMAGED')] = 0x2a;
    writeFileSync(file, bytes);
    await gateway.start();
  });

  it.each(['', '?since=0'])(
    'makes no character of what stands before and behind it on /ws/session%s',
    async (query) => {
      const frames = await gateway.frames(`/ws/session/${id}${query}`);
      await frames.closing();
      const type = query === '' ? 'stdout' : 'replay';
      const told = frames.all.filter((frame) => frame.type === type || frame.type === 'error');
      const text = told.map((frame) => (frame.type === 'error' ? `[${frame.code}]` : frame.data)).join('');
      expect(text).toBe('a\ufffd[GAP]\ufffd\ufffdz');
      // What was sent up to the gap ends where the gap begins.
      if (query !== '') expect(told[told.findIndex((frame) => frame.type === 'error') - 1]?.offset).toBe(2);
    },
  );
});

describe('what a viewer is told first (no. 7)', () => {
  it('says which session, which epoch, where it stands and what of it is kept, whether it runs, its size, and who asks', async () => {
    const running = await gateway.create({ command: 'printf 12345; exec sleep 60', cols: 91, rows: 17 });
    const ended = await gateway.create({ command: 'printf 12345; exit 7', mode: 'pipe' });
    await written(running.id, 5);
    await gateway.closed(ended.id);
    const { token } = await gateway.tokenOf('view');
    const frames = await gateway.frames('/v1/ws', token);
    expect((await frames.next()).scope).toBe('view');
    for (const { id } of [running, ended]) {
      const { from, info } = await frames.ask({ t: 'subscribe', session: id, from: { offset: 3 } });
      const { epoch, position } = await gateway.info(id);
      expect(from.startsWith(`${epoch}.`)).toBe(true);
      const isRunning = id === running.id;
      const told = { id, epoch, position, oldestOffset: 0, outputOffset: 5, lease: null };
      expect(info).toMatchObject(
        isRunning
          ? { ...told, mode: 'pty', running: true, state: 'running', exitCode: null, cols: 91, rows: 17 }
          : { ...told, mode: 'pipe', running: false, state: 'closed', exitCode: 7, signal: null },
      );
      const events = await openEvents(gateway, id, '&since=3&follow=0');
      await events.ended;
      const [first] = events.all;
      expect(first).toMatchObject({ event: 'connected', id: from, data: { session: id, position: from } });
      expect(first?.data.info).toMatchObject({ ...told, running: isRunning });
    }
  });
});

describe('stdout and stderr (no. 8, 9, 10)', () => {
  const STEPS = 'oeoeeooeooeeeo';
  let id: string;
  /** Stream of each byte: which it was is known, because the next one was asked for when it had come. */
  const expected = [...STEPS].map((step, n) => `${step === 'o' ? 'stdout' : 'stderr'} ${n % 10}`);
  beforeAll(async () => {
    const command = 'n=0; while read -r s; do [ $s = e ] && exec 3>&2 || exec 3>&1; printf $((n++ % 10)) >&3; done';
    ({ id } = await gateway.create({ command, mode: 'pipe', env: { SHELL: '/bin/bash' } }));
    for (const [n, step] of [...STEPS].entries()) {
      await gateway.input(id, `${step}\n`);
      await written(id, n + 1);
    }
  });

  const ofFrames = (all: readonly Frame[]) =>
    outputs(all).flatMap(({ kind, bytes }) => [...Buffer.from(bytes).toString()].map((one) => `${kind} ${one}`));
  const ofEvents = (events: Events) =>
    events.all
      .filter(({ event }) => event === 'output')
      .flatMap(({ data }) => [...String(data.text)].map((one) => `${data.kind} ${one}`));

  it('keep their names and their order in every replay, from every byte on, however often it is asked for', async () => {
    for (let since = 0; since <= STEPS.length; since += 1) {
      for (const _ of ['once', 'again']) {
        const events = await openEvents(gateway, id, `&since=${since}&follow=0`);
        await events.ended;
        expect(ofEvents(events)).toEqual(expected.slice(since));
        const frames = await gateway.frames();
        await frames.ask({ t: 'subscribe', session: id, from: { offset: since } });
        await until('all is there', () => ofFrames(frames.all).length === STEPS.length - since);
        expect(ofFrames(frames.all)).toEqual(expected.slice(since));
        frames.ws.close();
      }
    }
  });

  it('are one number line: who counts the bytes of both comes back exactly where it was', async () => {
    const { id: flood } = await gateway.create({
      command: 'for i in $(seq 2000); do echo "out $i"; echo "err $i" >&2; done',
      mode: 'pipe',
      env: { SHELL: '/bin/bash' },
    });
    const got: Record<string, string> = { stdout: '', stderr: '' };
    let count = 0;
    for (let cuts = 0, isOver = false; !isOver; cuts += 1) {
      const frames = await gateway.frames();
      await frames.ask({ t: 'subscribe', session: flood, from: { offset: count } });
      await until('something has come', () => frames.all.some((frame) => Buffer.isBuffer(frame) || frame.t === 'end'));
      // Cut off in the middle, some twenty times; the last one reads to the end.
      if (cuts >= 20) await frames.next(({ t }) => t === 'end');
      else frames.ws.terminate();
      for (const { kind, offset, bytes } of outputs(frames.all)) {
        expect(offset).toBe(count);
        // A viewer that was cut off has got a part of it only.
        const part = Buffer.from(bytes).subarray(0, cuts >= 20 ? bytes.length : 1 + (bytes.length >> 1));
        got[kind] += part.toString();
        count += part.length;
        if (part.length < bytes.length) break;
      }
      isOver = frames.all.some(({ t }) => t === 'end') && cuts >= 20;
    }
    const lines = (name: string) => Array.from({ length: 2000 }, (_, n) => `${name} ${n + 1}\n`).join('');
    expect(got).toEqual({ stdout: lines('out'), stderr: lines('err') });
  });

  it('are read by two at different places who do not disturb one another', async () => {
    const [first, second] = [await gateway.frames(), await gateway.frames()];
    await first.ask({ t: 'subscribe', session: id, from: { offset: 2 } });
    await second.ask({ t: 'subscribe', session: id, from: { offset: 9 } });
    // One comes anew, from where it was before: the other hears nothing of it.
    await until('the second has all', () => ofFrames(second.all).length === STEPS.length - 9);
    const before = second.all.length;
    await first.ask({ t: 'subscribe', session: id, from: { offset: 2 } });
    await until('the first has it twice', () => ofFrames(first.all).length === 2 * (STEPS.length - 2));
    await second.ask({ t: 'ping', time: 1 });
    expect(second.all.slice(before).filter((frame) => Buffer.isBuffer(frame) || frame.t === 'subscribed')).toEqual([]);
    expect(ofFrames(first.all)).toEqual([...expected.slice(2), ...expected.slice(2)]);
  });
});

describe('what is not kept any more (no. 11)', () => {
  it('was there once: after its retention a session is 410, never 404', async () => {
    const dir = `${gateway.dir}-old`;
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
      rmSync(dir, { recursive: true, force: true });
    });
    const old = await startGateway({ dataDir: dir, port: 0, retainAgeMs: 1 });
    onTestFinished(() => old.close());
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(old.url + path, {
        ...init,
        headers: { authorization: `Bearer ${old.adminToken}`, 'content-type': 'application/json' },
      });
    const body = JSON.stringify({ command: 'exit 3', mode: 'pipe' });
    const { id } = (await (await ask('/v1/sessions', { method: 'POST', body })).json()) as { id: string };
    const path = `/v1/sessions/${id}`;
    await (await ask(`${path}/output?follow=1`)).text();
    expect(await (await ask(path)).json()).toMatchObject({ state: 'closed', exitCode: 3 });
    vi.advanceTimersByTime(61_000);
    await until('its time is up', async () => (await ask(path)).status !== 200);
    for (const one of [path, `${path}/output`]) {
      const answer = await ask(one);
      expect([answer.status, await answer.json()]).toMatchObject([410, { error: { code: 'session_gone' } }]);
    }
    expect((await ask('/v1/sessions/01890000-0000-7000-8000-000000000000')).status).toBe(404);
    expect(readdirSync(join(dir, 'sessions'))).toEqual([]);
  });
});

describe('output beyond 4 GiB (no. 12)', () => {
  const BASE = 5 * 1024 ** 3 + 123;
  const TEXT = 'past the fourth gibibyte';
  let id: string;
  beforeAll(async () => {
    ({ id } = await gateway.create({ command: 'true', mode: 'pipe' }));
    await gateway.closed(id);
    await gateway.stop();
    // A log that has lost its first 5 GiB to retention: its only segment begins there.
    const dir = join(gateway.dir, 'sessions', id, 'log');
    rmSync(dir, { recursive: true });
    makeLogDir(dir);
    const header = { epoch: 'abcdef0123456789' as Epoch, base: BASE * 2, baseOffset: BASE, timeBefore: 0 };
    closeSync(createSegment(dir, header));
    const log = SegmentWriter.open(dir);
    log.append('stdout', Buffer.from(TEXT), Date.now());
    log.append('exit', Buffer.from('{"exitCode":0,"signal":null}'), Date.now());
    log.append('closed', Buffer.from('{"reason":"eof"}'), Date.now());
    const { head, epoch } = log;
    await log.close();
    const catalogue = Catalogue.open(gateway.dir);
    catalogue.sessions.update(id as SessionId, { head, epoch });
    catalogue.close();
    await gateway.start();
  });

  it('is counted, positioned, resumed and missed exactly', async () => {
    const info = await gateway.info(id);
    expect(info).toMatchObject({ oldestOffset: BASE, outputOffset: BASE + TEXT.length });
    const output = (query: string) => gateway.ask(`/v1/sessions/${id}/output?${query}`);
    for (const cut of [0, 7, TEXT.length]) {
      const { text, headers } = await output(`since=${BASE + cut}`);
      expect(text).toBe(TEXT.slice(cut));
      expect(headers.get('binnacle-next-offset')).toBe(String(BASE + TEXT.length));
    }
    expect(await output(`since=${BASE - 1}`)).toMatchObject({ status: 410, code: 'gap' });
    expect(await output(`since=${BASE + TEXT.length + 1}`)).toMatchObject({ status: 416, code: 'offset_ahead' });
    // 2^32 less: what a count of 32 bits would have taken it for.
    expect(await output(`since=${BASE - 2 ** 32}`)).toMatchObject({ status: 410, code: 'gap' });

    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: id, from: { offset: BASE + 5 } });
    const { position } = await frames.next(({ t }) => t === 'end');
    expect(position).toBe(info.position);
    const [frame] = outputs(frames.all);
    expect([frame?.offset, Buffer.from(frame?.bytes ?? '').toString()]).toEqual([BASE + 5, TEXT.slice(5)]);
    // What is gone is named where there are frames to name it in, from the byte on that was asked for (no. 6).
    const gone = await gateway.frames();
    await gone.ask({ t: 'subscribe', session: id, from: { offset: 3 } });
    expect(await gone.next(({ t }) => t === 'gap')).toMatchObject({ from: 3, to: BASE, reason: 'retention' });
    await gone.next(({ t }) => t === 'end');
    expect(outputs(gone.all).map(({ offset }) => offset)).toEqual([BASE]);
    const events = await openEvents(gateway, id, '&since=3');
    await events.ended;
    expect(events.all.find(({ event }) => event === 'gap')?.data).toMatchObject({ from: 3, to: BASE });
    expect(events.text()).toBe(TEXT);
    const first = events.all.findLast(({ event }) => event === 'output')?.id ?? '';
    const rest = await openEvents(gateway, id, '', { 'last-event-id': first });
    await rest.ended;
    expect(rest.all.map(({ event }) => event)).toEqual(['connected', 'exit', 'closed', 'end']);
    const socket = await gateway.frames(`/ws/session/${id}?since=${BASE + 5}`);
    await socket.closing();
    expect(socket.all[0]).toEqual({ type: 'replay', offset: BASE + TEXT.length, data: TEXT.slice(5) });
    const old = await gateway.frames(`/ws/session/${id}?since=3`);
    await old.closing();
    expect(old.all[0]).toMatchObject({ type: 'error', code: 'GAP' });
    expect(old.all[0].error).toContain(`from byte 3 up to ${BASE} `);
    expect(old.text('replay')).toBe(TEXT);
  });
});

inAll(
  'an idle session (no. 14) takes memory as it is needed: no buffer of its own, in the gateway nor in the runner',
  async () => {
    const many = await openGatewayProcess({ programsPerRunner: 100 });
    onTestFinished(() => many.close());
    const start = (count: number) =>
      Promise.all(Array.from({ length: count }, () => many.create({ argv: ['/bin/sleep', '600'] })));
    const [first] = await start(20);
    const runner = readProcess(first?.pid ?? -1)?.parent ?? -1;
    const grown = { gateway: Number.POSITIVE_INFINITY, runner: Number.POSITIVE_INFINITY };
    // What is kept grows with each batch; what the collector has not got to yet, with some.
    for (let batch = 0; batch < 3; batch += 1) {
      const before = { gateway: memoryOf(many.pid), runner: memoryOf(runner) };
      await start(25);
      grown.gateway = Math.min(grown.gateway, (memoryOf(many.pid) - before.gateway) / 25);
      grown.runner = Math.min(grown.runner, (memoryOf(runner) - before.runner) / 25);
    }
    console.log(
      `an idle session: ${grown.gateway.toFixed(0)} KiB of gateway, ${grown.runner.toFixed(0)} KiB of runner`,
    );
    expect((await many.ask('/v1/sessions?limit=1000')).json.sessions).toHaveLength(95);
    // A ring of 1 MiB each, as others have, would be 1024.
    expect(grown.gateway).toBeLessThan(200);
    expect(grown.runner).toBeLessThan(400);
  },
);

/** Memory of its own and its share of what is shared, in KiB. */
const memoryOf = (pid: number): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
