// The twenty faults of the sandbox daemon that its source shows: each one is a test here, by its number.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { count } from '../support/count.ts';
import { openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { attachPty, createPty, type Pty, refusedPty } from './pty.fixture.ts';

const MIB = 1024 * 1024;
let gateway: GatewayProcess;
const dir = mkdtempSync(join(tmpdir(), 'binnacle-faults-'));
beforeAll(async () => {
  gateway = await openGatewayProcess({ maxInputBytes: 256 * 1024 });
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

const fresh = (name: string): string => join(dir, `${name}-${crypto.randomUUID()}`);
/** A duration that no other process sleeps for. */
const nap = (): string => `60.${Math.floor(Math.random() * 1e9)}`;
const sleeping = async (seconds: string): Promise<number> =>
  (await sh(`ps -eo args | grep -c '^sleep ${seconds}' || true`)).stdout === '0\n' ? 0 : 1;
const freed = (id: string) => until('the writer has gone', async () => (await gateway.info(id)).lease === null);

interface ServerEvent {
  readonly type: string;
  readonly text?: string;
  readonly error?: { readonly evalue: string };
}

async function events(path: string, body: object): Promise<ServerEvent[]> {
  const { text } = await gateway.ask(path, { body });
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? '') as ServerEvent);
}

const textOf = (all: readonly ServerEvent[], type: string): string =>
  all.map((event) => (event.type === type ? event.text : '')).join('');

async function sh(command: string) {
  const all = await events('/command', { command });
  return { stdout: textOf(all, 'stdout'), stderr: textOf(all, 'stderr') };
}

async function started(body: object = {}, query = ''): Promise<{ readonly id: string; readonly pty: Pty }> {
  const id = await createPty(gateway, body);
  return { id, pty: await attachPty(gateway, id, query) };
}

describe('the faults of the daemon, by number', () => {
  it('1: a viewer that takes nothing stops no program', async () => {
    const done = fresh('done');
    const { id, pty } = await started(
      { command: `head -c ${8 * MIB} /dev/zero | tr '\\0' x; touch ${done}` },
      '?pty=0',
    );
    pty.ws.pause();
    await until('the program is through', () => existsSync(done), 8_000);
    pty.ws.resume();
    expect((await pty.closing()).code).toBe(1000);
    expect(pty.text.length).toBe(8 * MIB);
    expect((await gateway.info(id)).exitCode).toBe(0);
  });

  it('2: exit comes behind the last byte, however fast the program ends', async () => {
    const expected = Array.from({ length: 2000 }, (_, n) => `${n + 1}\r\n`).join('');
    for (let round = 0; round < count({ quick: 5, all: 20 }); round += 1) {
      const { pty } = await started({ command: 'seq 1 2000' });
      expect(await pty.closing()).toEqual({ code: 1000, reason: 'process exited' });
      expect(pty.text).toBe(expected);
      expect(pty.order.at(-1)).toBe('exit');
    }
  });

  it('3: what the kernel still holds when the program is reaped is kept, for the replay as well', async () => {
    const { id, pty } = await started({ command: 'seq 1 20000' });
    await pty.closing();
    const again = await attachPty(gateway, id, '?since=0');
    await again.closing();
    expect(again.text).toBe(Array.from({ length: 20_000 }, (_, n) => `${n + 1}\r\n`).join(''));
  });

  it('4: in a terminal a signal reaches the job, and the shell lives on', async () => {
    const { pty } = await started();
    const seconds = nap();
    pty.type(`sleep ${seconds}\n`);
    await until('it sleeps', async () => (await sleeping(seconds)) > 0);
    pty.send({ type: 'signal', signal: 'SIGINT' });
    await until('the job has ended', async () => (await sleeping(seconds)) === 0);
    pty.type('echo status $?\n');
    await pty.seen('status 130');
    pty.ws.close();
  });

  it('5: on pipes SIGINT ends the job and not the shell', async () => {
    const { pty } = await started({}, '?pty=0');
    const seconds = nap();
    pty.type(`X=kept; sleep ${seconds}\n`);
    await until('it sleeps', async () => (await sleeping(seconds)) > 0);
    pty.send({ type: 'signal', signal: 'SIGINT' });
    pty.type('echo status $? $X\n');
    await until('the shell answers', () => pty.output(1) === 'status 130 kept\n');
    pty.ws.close();
  });

  it('6: a replay says what was stdout and what was stderr', async () => {
    const { id, pty } = await started(
      { command: 'echo out; sleep 0.05; echo err >&2; sleep 0.05; echo end' },
      '?pty=0',
    );
    await pty.closing();
    const again = await attachPty(gateway, id, '?since=0');
    await again.closing();
    expect(again.replayed.map(({ offset, bytes, stream }) => [stream, offset, bytes.toString()])).toEqual([
      ['stdout', 0, 'out\n'],
      ['stderr', 4, 'err\n'],
      ['stdout', 8, 'end\n'],
    ]);
  });

  it('7: who counts the bytes of both streams resumes exactly, again and again', async () => {
    const command = 'for i in {1..400}; do echo out $i; echo err $i >&2; done; sleep 0.2; echo end';
    const { id, pty: first } = await started({ command }, '?pty=0');
    let received = Buffer.alloc(0);
    for (let pty = first; ; pty = await attachPty(gateway, id, `?since=${received.length}`)) {
      const before = received.length;
      await until('more has come, or it is over', () => pty.text.length > 100 || pty.closed !== undefined);
      pty.ws.terminate();
      await pty.closing();
      for (const { offset, bytes } of pty.replayed) {
        expect(offset).toBe(received.length);
        received = Buffer.concat([received, bytes]);
      }
      received = Buffer.concat([received, ...pty.live.map(({ bytes }) => bytes)]);
      if (pty.frames.some(({ type }) => type === 'exit')) break;
      expect(received.length).toBeGreaterThan(before);
      if ((await gateway.info(id)).running) await freed(id);
    }
    expect(received.toString()).toBe(await gateway.output(id));
    expect(received.toString().match(/^(out|err) \d+$/gm)?.length).toBe(800);
  });

  it('8: a client is told where it stands: the offset of now, what is gone, and that a future one is none', async () => {
    const small = await openGateway({ retainBytes: 256 * 1024 });
    try {
      const id = await createPty(small, { command: `head -c ${2 * MIB} /dev/zero | tr '\\0' x; sleep 60` });
      const pty = await attachPty(small, id);
      await until('all is written', async () => (await small.info(id)).outputOffset === 2 * MIB);
      expect(await pty.frame('connected')).toMatchObject({ running: true, readonly: false });
      expect(await refusedPty(small, id, `?readonly=1&since=${2 * MIB + 1}`)).toEqual({
        status: 416,
        code: 'OFFSET_AHEAD',
      });
      await until('the oldest is gone', async () => (await small.info(id)).oldestOffset > 0, 15_000);
      const { oldestOffset } = await small.info(id);
      const late = await attachPty(small, id, '?readonly=1&since=5');
      expect(await late.frame('error')).toMatchObject({ code: 'GAP', from: 5, to: oldestOffset });
      expect(await late.frame('connected')).toMatchObject({ offset: 2 * MIB, oldest_offset: oldestOffset });
      expect(late.replayed[0]?.offset).toBe(oldestOffset);
      expect(late.text.length).toBe(2 * MIB - oldestOffset);
      late.ws.close();
      pty.ws.close();
    } finally {
      await small.close();
    }
  });

  it('9: who comes after the end gets the output and the exit, and never a new shell', async () => {
    const ran = fresh('ran');
    const { id, pty } = await started({ command: `echo once >>${ran}; echo said; exit 6` });
    await pty.closing();
    const before = await gateway.info(id);
    for (const query of ['', '?takeover=1', '?pty=0&since=0', '?since=6']) {
      const again = await attachPty(gateway, id, query);
      expect(await again.closing()).toEqual({ code: 1000, reason: 'process exited' });
      expect(again.text).toBe(query === '?since=6' ? '' : 'said\r\n');
      expect(again.frames.at(-1)).toEqual({ type: 'exit', exit_code: 6 });
    }
    const after = await gateway.info(id);
    expect([after.pid, after.outputOffset, after.state]).toEqual([before.pid, before.outputOffset, 'closed']);
    expect(readFileSync(ran, 'utf8')).toBe('once\n');
  });

  it('10: input that nobody reads keeps no other frame waiting', async () => {
    const { pty } = await started({ command: 'trap "exit 9" TERM; sleep 60 & wait' }, '?pty=0');
    const full = () => pty.frames.some(({ type, code }) => type === 'error' && code === 'INPUT_FULL');
    for (let sent = 0; sent < 16; sent += 1) pty.type(Buffer.alloc(32 * 1024, 'x'));
    await until('the input is full', full);
    pty.send({ type: 'ping' });
    await pty.frame('pong');
    pty.send({ type: 'signal', signal: 'SIGTERM' });
    expect((await pty.closing()).code).toBe(1000);
  });

  it('11: a terminal that is not used costs kilobytes, not a MiB', async () => {
    const { id } = (await gateway.tokenOf('view')) as { id: string };
    expect(id).toBeDefined();
    const rss = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) * 1024;
    const idle = count({ quick: 150, all: 300 });
    // What the first ones cost once is not the cost of one.
    const warm = await Promise.all(Array.from({ length: 50 }, () => createPty(gateway)));
    const before = rss();
    const ids = await Promise.all(Array.from({ length: idle }, () => createPty(gateway)));
    const each = (rss() - before) / idle;
    await Promise.all([...warm, ...ids].map((one) => gateway.ask(`/pty/${one}`, { method: 'DELETE' })));
    expect(each).toBeLessThan(200 * 1024);
  });

  it('12: sessions are listed, and those that have ended take no place', async () => {
    const small = await openGateway({ maxSessions: 2 });
    try {
      const ids: string[] = [];
      for (let n = 0; n < count({ quick: 3, all: 6 }); n += 1) {
        const { text, status } = await small.ask('/command', { body: { command: `echo ${n}` } });
        expect(status).toBe(200);
        const id = /"init","text":"([^"]+)"/.exec(text)?.[1] ?? '';
        ids.push(id);
        await until('it is closed', async () => (await small.info(id)).state === 'closed');
      }
      const { sessions } = (await small.ask('/v1/sessions')).json as { sessions: { id: string; state: string }[] };
      expect(sessions.map((one) => one.id)).toEqual(ids.reverse());
      expect(new Set(sessions.map((one) => one.state))).toEqual(new Set(['closed']));
      const two = [await createPty(small), await createPty(small)];
      const open = await Promise.all(two.map((id) => attachPty(small, id)));
      const refused = await small.ask('/command', { body: { command: 'true' } });
      expect([refused.status, refused.json.code]).toEqual([429, 'TOO_MANY_SESSIONS']);
      for (const pty of open) pty.ws.close();
    } finally {
      await small.close();
    }
  });

  it('13: deleting ends the jobs as well, in whatever group and session they are', async () => {
    const { id, pty } = await started();
    const seconds = nap();
    pty.type(
      `set -m; sleep ${seconds} & setsid sleep ${seconds} & (sleep ${seconds} >/dev/null 2>&1 &); echo all o\\n\n`,
    );
    await pty.seen('all on');
    expect(await sleeping(seconds)).toBeGreaterThan(0);
    expect((await gateway.ask(`/pty/${id}`, { method: 'DELETE' })).status).toBe(200);
    expect(await sleeping(seconds)).toBe(0);
  });

  it('14: foreign web pages are refused, and so are messages beyond the limit', async () => {
    const { id, pty } = await started({ command: 'cat' });
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1']) {
      const headers = { 'X-EXECD-ACCESS-TOKEN': gateway.token, origin };
      const ws = new WebSocket(`${gateway.url.replace('http', 'ws')}/pty/${id}/ws?takeover=1`, { headers });
      const status = await new Promise((resolve) => {
        ws.on('unexpected-response', (_request, response) => resolve(response.statusCode));
        ws.on('open', () => resolve(101));
        ws.on('error', () => undefined);
      });
      expect([origin, status]).toEqual([origin, 403]);
    }
    const foreign = await gateway.ask('/pty', { body: {}, headers: { origin: 'https://evil.example' } });
    expect(foreign.status).toBe(403);
    pty.type(Buffer.alloc(4 * MIB, 'x'));
    expect((await pty.closing()).code).toBe(1009);
  });

  it('15: many may watch beside the one who writes', async () => {
    const { id, pty } = await started({ command: 'cat' }, '?pty=0');
    const viewers = await Promise.all([1, 2, 3].map(() => attachPty(gateway, id, '?readonly=1')));
    pty.type('hello\n');
    for (const viewer of viewers) {
      expect(await viewer.frame('connected')).toMatchObject({ readonly: true });
      await viewer.seen('hello\n');
      viewer.type('no\n');
      expect(await viewer.frame('error')).toMatchObject({ code: 'FORBIDDEN' });
    }
    pty.ws.close();
    await pty.closing();
    await freed(id);
    // Nobody has the lease, and a viewer still is none.
    viewers[0]?.type('no\n');
    await until('it is refused again', () => viewers[0]?.frames.filter(({ type }) => type === 'error').length === 2);
    expect(await gateway.output(id)).toBe('hello\n');
    for (const viewer of viewers) viewer.ws.close();
  });

  it('16: since is a number or an error, and a size that is none is not cut down to one', async () => {
    const { id, pty } = await started();
    for (const since of ['12abc', '-1', '1e3', '0x10', '', '1.0', '9007199254740992', '+1']) {
      const refused = await refusedPty(gateway, id, `?readonly=1&since=${encodeURIComponent(since)}`);
      expect([since, refused.status, refused.code]).toEqual([since, 400, 'BAD_OFFSET']);
    }
    for (const [cols, rows] of [
      [65_537, 24],
      [65_536, 24],
      [80, 0],
      [-1, 24],
      [80.5, 24],
    ]) {
      pty.frames.length = 0;
      pty.send({ type: 'resize', cols, rows });
      expect(await pty.frame('error')).toMatchObject({ code: 'INVALID_FRAME' });
    }
    const { cols, rows } = await gateway.info(id);
    expect([cols, rows]).toEqual([80, 24]);
    pty.ws.close();
  });

  it('17: a refusal is one body, not two', async () => {
    const refused = await gateway.ask('/pty', { body: { cwd: '/nowhere/at/all' } });
    expect(refused.status).toBe(400);
    expect(Object.keys(JSON.parse(refused.text))).toEqual(['code', 'message', 'hint']);
    const { json } = await gateway.ask('/v1/sessions?limit=1000');
    expect(json.sessions.filter(({ cwd }: { cwd: string }) => cwd === '/nowhere/at/all')).toEqual([]);
  });

  it('18: size, environment and terminal are there from the start, and a viewer says how much of before it wants', async () => {
    const { pty } = await started({
      command: 'stty size; echo $TERM $GREETING',
      cols: 132,
      rows: 43,
      envs: { GREETING: 'hé' },
    });
    await pty.closing();
    expect(pty.text).toBe('43 132\r\nxterm-256color hé\r\n');
    const { id, pty: much } = await started(
      { command: `head -c ${3 * MIB} /dev/zero | tr '\\0' x; echo end` },
      '?pty=0',
    );
    await much.closing();
    const size = async (query: string) => {
      const again = await attachPty(gateway, id, query);
      await again.closing();
      return again.text.length;
    };
    expect(await size('')).toBe(MIB);
    expect(await size('?tail=4')).toBe(4);
    expect(await size('?tail=0')).toBe(0);
    expect(await size('?since=0')).toBe(3 * MIB + 4);
  });

  it('19: no output can pass for an exit code or hide what follows, and exit loses nothing that was there before', async () => {
    const { json } = await gateway.ask('/session', { body: {} });
    const run = (command: string) => events(`/session/${json.session_id}/run`, { command });
    const markers = ['__ENV_DUMP_START__', 'declare -x STOLEN="1"', '__ENV_DUMP_END__', '__PWD__:/', '__EXIT_CODE__:0'];
    const command = `${markers.map((line) => `echo '${line}'`).join('; ')}; echo after; (exit 5)`;
    const all = await run(command);
    expect(textOf(all, 'stdout')).toBe([...markers, 'after', ''].join('\n'));
    expect(all.at(-1)?.error?.evalue).toBe('5');
    await run('export KEPT=1; PLAIN=2; cd /tmp');
    for (const end of ['exit 3', 'exec false', 'set -e; false', 'kill -9 $$']) {
      expect((await run(end)).at(-1)?.type).toBe('error');
    }
    expect(textOf(await run('echo $KEPT $PLAIN $STOLEN; pwd'), 'stdout')).toBe('1 2\n/tmp\n');
  });

  it('20: the log tells who steered, and when', async () => {
    const { id, pty } = await started({ command: 'cat' });
    pty.type('secret\n');
    await pty.seen('secret\r\nsecret');
    pty.send({ type: 'signal', signal: 'SIGTERM' });
    await pty.closing();
    await until('it is closed', async () => (await gateway.info(id)).state === 'closed');
    const { text } = await gateway.ask(`/v1/sessions/${id}/output?format=sse&follow=0`);
    const told = [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, event, data]) => ({
      event,
      data: JSON.parse(data ?? ''),
    }));
    const input = told.find(({ event }) => event === 'input');
    expect(input?.data).toMatchObject({ by: 'admin', bytes: 7 });
    expect(Math.abs(input?.data.time - Date.now())).toBeLessThan(60_000);
    expect(told.find(({ event }) => event === 'signal')?.data).toMatchObject({ by: 'admin', signal: 'SIGTERM' });
    // Who, but never what: people type passwords.
    expect(JSON.stringify(input?.data)).not.toContain('secret');
  });
});
