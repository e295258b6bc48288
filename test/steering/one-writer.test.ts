// The promise one-writer, with real gateways, runners and programs: at most one writer at a time.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { RunnerLink } from '../../packages/server/src/runner/client/link.ts';
import { count } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import type { Frames } from '../support/wire.ts';

const ROUNDS = count({ quick: 3, all: 6 });
const TIMES = { autoReleaseAfterMs: 2_000, graceMs: 1_500 };
let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ leaseTimes: TIMES });
});

/** Records what it is given, one line each. */
const recorder = () => gateway.create({ argv: ['/bin/cat'], mode: 'pipe' });
const leaseOf = (id: string, body: object) => gateway.ask(`/v1/sessions/${id}/lease`, { body });
const leaseIn = async (id: string) => (await gateway.ask(`/v1/sessions/${id}/lease`)).json.lease;

/** A client in a process of its own, so that it can be stopped and killed. It writes a line for each line it is given. */
async function remoteHolder(session: string) {
  const script = `
    const { WebSocket } = await import(${JSON.stringify(import.meta.resolve('ws'))});
    const [url, token, session] = process.argv.slice(1);
    const ws = new WebSocket(url.replace('http', 'ws') + '/v1/ws', { headers: { authorization: 'Bearer ' + token } });
    let lease;
    ws.on('open', () => ws.send(JSON.stringify({ t: 'lease', session, action: 'acquire', holder: 'remote', ref: 1 })));
    ws.on('message', (data, isBinary) => {
      const frame = isBinary ? undefined : JSON.parse(String(data));
      if (frame?.ref === 1) lease = frame.result.lease;
      if (frame !== undefined) console.log(JSON.stringify(frame));
    });
    ws.on('close', (code) => console.log(JSON.stringify({ t: 'closed', code })));
    process.stdin.on('data', (text) => ws.send(JSON.stringify({ t: 'input', session, lease, text: String(text), ref: 2 })));
  `;
  const args = ['--input-type=module', '-e', script, gateway.url, gateway.token, session];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.on('data', (bytes) => {
    told += String(bytes);
  });
  const frames = () =>
    told
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  await until('the remote client holds the lease', () => frames().some((frame) => frame.ref === 1));
  return {
    child,
    frames,
    end: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

describe('one-writer', () => {
  it('twenty who race for it, half over HTTP and half over WebSocket: one gets it, one writes', async () => {
    const { id } = await recorder();
    const sockets = await Promise.all(Array.from({ length: 10 }, () => gateway.frames()));
    const http = Array.from({ length: 10 }, async (_, n) => {
      const { status, json, code } = await leaseOf(id, { action: 'acquire', holder: `http ${n}`, ttlMs: 60_000 });
      return status === 200 ? json : code;
    });
    const ws = sockets.map(async (frames, n) => {
      const answer = await frames.ask({ t: 'lease', session: id, action: 'acquire', holder: `ws ${n}`, ttlMs: 60_000 });
      return answer.t === 'ok' ? answer.result : answer.error.code;
    });
    const answers = await Promise.all([...http, ...ws]);
    const granted = answers.filter((answer) => typeof answer === 'object');
    expect(granted).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'lease_held')).toHaveLength(19);
    // Now all of them write, the one that has it with its lease.
    const [{ lease, holder }] = granted;
    const writes = await Promise.all([
      ...Array.from({ length: 10 }, (_, n) =>
        holder === `http ${n}`
          ? gateway.input(id, `${holder}\n`, { 'binnacle-lease': lease }).then(({ status }) => status)
          : gateway.input(id, `http ${n}\n`).then(({ code }) => code),
      ),
      ...sockets.map((frames, n) =>
        frames.ask({ t: 'input', session: id, text: `ws ${n}\n` }).then((answer) => answer.error?.code ?? 200),
      ),
    ]);
    expect(writes.filter((status) => status === 200)).toHaveLength(1);
    expect(writes.filter((status) => status === 'lease_held')).toHaveLength(19);
    expect(await gateway.seen(id, '\n')).toBe(`${holder}\n`);
    for (const frames of sockets) frames.ws.close();
  });

  it('twenty who take it from one another and write as fast as they can: never two at once', async () => {
    const { id } = await recorder();
    const sockets = await Promise.all(Array.from({ length: 10 }, () => gateway.frames()));
    const taken: string[] = [];
    const writer = async (n: number) => {
      for (let round = 0; round < ROUNDS; round++) {
        const frames: Frames | undefined = sockets[n];
        const asked = { action: 'take', holder: `w${n}`, ttlMs: 60_000 };
        const grant =
          frames === undefined
            ? (await leaseOf(id, asked)).json
            : (await frames.ask({ t: 'lease', session: id, ...asked })).result;
        for (let line = 0; line < 3; line++) {
          const text = `${grant.fence} w${n} ${line}\n`;
          const wasTaken =
            frames === undefined
              ? (await gateway.input(id, text, { 'binnacle-lease': grant.lease })).status === 200
              : (await frames.ask({ t: 'input', session: id, lease: grant.lease, text })).t === 'ok';
          if (wasTaken) taken.push(text);
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, n) => writer(n)));
    await gateway.ask(`/v1/sessions/${id}/lease`, { body: { action: 'take' } });
    // What was acknowledged was written, what was refused was not, and the program saw the fences only rise.
    await until('all is echoed', async () => (await gateway.output(id)).length === taken.join('').length);
    const lines = (await gateway.output(id)).split('\n').filter(Boolean);
    expect([...lines].sort()).toEqual(taken.map((line) => line.trim()).sort());
    const fences = lines.map((line) => Number(line.split(' ')[0]));
    expect(fences).toEqual([...fences].sort((a, b) => a - b));
    expect((await leaseIn(id)).fence).toBe(20 * ROUNDS + 1);
    for (const frames of sockets) frames.ws.close();
  });

  it('a holder that is killed is followed after the grace, not before', async () => {
    const { id } = await recorder();
    const holder = await remoteHolder(id);
    await holder.end();
    await until('the grace has begun', async () => ((await leaseIn(id))?.expiresInMs ?? 0) <= TIMES.graceMs);
    expect((await leaseOf(id, { action: 'acquire' })).code).toBe('lease_held');
    expect((await gateway.input(id, 'too early\n')).code).toBe('lease_held');
    await until('it is free', async () => (await leaseIn(id)) === null);
    expect((await leaseOf(id, { action: 'acquire' })).status).toBe(200);
  });

  it('a holder that is stopped loses it after autoReleaseAfterMs, and what it writes later is refused', async () => {
    const { id } = await recorder();
    const holder = await remoteHolder(id);
    holder.child.stdin.write('first\n');
    await gateway.seen(id, 'first\n');
    const begun = performance.now();
    holder.child.kill('SIGSTOP');
    // Written while it sleeps: it will send this when it wakes, believing that it holds the lease.
    holder.child.stdin.write('stale\n');
    expect((await leaseOf(id, { action: 'acquire' })).code).toBe('lease_held');
    await until('it is free', async () => (await leaseIn(id)) === null);
    expect(performance.now() - begun).toBeGreaterThan(TIMES.autoReleaseAfterMs * 0.8);
    const { json: grant } = await leaseOf(id, { action: 'acquire', holder: 'next' });
    expect((await gateway.input(id, 'second\n', { 'binnacle-lease': grant.lease })).status).toBe(200);
    holder.child.kill('SIGCONT');
    await until('it has its answer', () => holder.frames().some((frame) => frame.ref === 2 && frame.t === 'error'));
    expect(holder.frames().find((frame) => frame.ref === 2 && frame.t === 'error').error.code).toBe('lease_lost');
    expect(holder.frames().find((frame) => frame.t === 'lease' && frame.lost)).toMatchObject({
      yours: false,
      lease: null,
      lost: { code: 'lease_lost' },
    });
    await gateway.seen(id, 'second\n');
    expect(await gateway.output(id)).toBe('first\nsecond\n');
    await holder.end();
  });

  it('who is taken over is told by whom, and cannot write any more', async () => {
    const { id } = await recorder();
    const [old, next] = await Promise.all([gateway.frames(), gateway.frames()]);
    const held = await old.ask({ t: 'lease', session: id, action: 'acquire', holder: 'old' });
    await next.ask({ t: 'lease', session: id, action: 'take', holder: 'next' });
    const told = await old.next((frame) => frame.t === 'lease' && frame.lost !== undefined);
    expect(told).toMatchObject({ yours: false, lost: { code: 'taken_over', details: { holder: 'next' } } });
    const answer = await old.ask({ t: 'input', session: id, text: 'x', lease: held.result.lease });
    expect(answer.error.code).toBe('lease_lost');
    expect((await old.ask({ t: 'input', session: id, text: 'x' })).error.code).toBe('lease_held');
    expect((await next.ask({ t: 'input', session: id, text: 'x' })).result.accepted).toBe(1);
  });

  it('everybody who watches hears of each change of hands', async () => {
    const { id } = await recorder();
    const [viewer, holder] = await Promise.all([gateway.frames(), gateway.frames()]);
    await viewer.ask({ t: 'subscribe', session: id });
    const { result } = await holder.ask({ t: 'lease', session: id, action: 'acquire', holder: 'ada' });
    const frame = await viewer.next(({ t }) => t === 'lease');
    expect(frame).toMatchObject({ yours: false, lease: { holder: 'ada', fence: 1 } });
    expect(JSON.stringify(viewer.all.filter((one) => !Buffer.isBuffer(one)))).not.toContain(result.lease);
    await holder.ask({ t: 'lease', session: id, action: 'release', lease: result.lease });
    expect(await viewer.next(({ t }) => t === 'lease')).toMatchObject({ lease: null, yours: false });
  });

  it('survives a kill -9 of the gateway: the holder goes on, others wait, a lower fence never comes back', async () => {
    const { id } = await recorder();
    const { json: grant } = await leaseOf(id, { action: 'acquire', holder: 'ada', ttlMs: 60_000 });
    await gateway.kill();
    await gateway.start();
    expect(await leaseIn(id)).toMatchObject({ holder: 'ada', fence: grant.fence });
    expect((await leaseOf(id, { action: 'acquire' })).code).toBe('lease_held');
    expect((await gateway.input(id, 'no\n')).code).toBe('lease_held');
    expect((await leaseOf(id, { action: 'renew', lease: grant.lease })).status).toBe(200);
    expect((await gateway.input(id, 'yes\n', { 'binnacle-lease': grant.lease })).status).toBe(200);
    expect(await gateway.seen(id, '\n')).toBe('yes\n');
    await gateway.kill();
    await gateway.start();
    // This time the holder does not come back.
    expect((await leaseOf(id, { action: 'acquire' })).code).toBe('lease_held');
    await until('the grace is over', async () => (await leaseIn(id)) === null);
    expect((await leaseOf(id, { action: 'acquire' })).json.fence).toBe(grant.fence + 1);
    expect((await gateway.input(id, 'stale\n', { 'binnacle-lease': grant.lease })).code).toBe('lease_lost');
  });

  it('survives a kill -9 in the middle of a takeover: the runner knows the fence, the gateway does not', async () => {
    const { id } = await recorder();
    const { json: grant } = await leaseOf(id, { action: 'acquire', holder: 'ada', ttlMs: 60_000 });
    const over = await endHeld();
    await gateway.kill();
    // As if it had died between telling the runner of the next fence and writing down whose it is.
    const events = { grew: () => undefined, changed: () => undefined, ran: () => undefined, lost: () => undefined };
    for (const name of readdirSync(join(gateway.dir, 'runners'))) {
      if (!existsSync(join(gateway.dir, 'runners', name, 'runner.json'))) continue; // A spare that was just starting.
      const read = (file: string) => JSON.parse(readFileSync(join(gateway.dir, 'runners', name, file), 'utf8'));
      const { token } = read('start.json');
      const { link, programs } = await RunnerLink.open(read('runner.json').socket, { token }, events);
      if (programs.some((program) => program.id === id)) await link.request({ t: 'fence', id, fence: grant.fence + 1 });
      link.close();
    }
    await gateway.start();
    // The old holder is out, and nobody else was let in: it is free, and whoever writes next is understood.
    expect(await leaseIn(id)).toBeNull();
    expect((await gateway.input(id, 'stale\n', { 'binnacle-lease': grant.lease })).code).toBe('lease_lost');
    expect((await gateway.input(id, 'anybody\n')).status).toBe(200);
    expect((await leaseOf(id, { action: 'acquire' })).json.fence).toBe(grant.fence + 2);
    expect(await gateway.seen(id, '\n')).toBe('anybody\n');
    // Nobody holds what had ended before.
    expect(await gateway.info(over.id)).toMatchObject({ state: 'closed', lease: null });
    expect((await leaseOf(over.id, over.renew)).code).toBe('session_exited');
  });

  it('ends with the program, and its holder is told', async () => {
    await endHeld();
  });

  /** Holds a session whose program ends then. */
  async function endHeld() {
    const { id } = await gateway.create({ command: 'read -r line', mode: 'pipe' });
    const holder = await gateway.frames();
    const { result } = await holder.ask({ t: 'lease', session: id, action: 'acquire', ttlMs: 60_000 });
    await holder.ask({ t: 'input', session: id, text: '\n' });
    expect(await holder.next(({ t, lost }) => t === 'lease' && lost)).toMatchObject({
      lost: { code: 'session_exited' },
    });
    expect(await gateway.closed(id)).toMatchObject({ state: 'closed', lease: null });
    const renew = { action: 'renew', lease: result.lease };
    expect((await leaseOf(id, renew)).code).toBe('session_exited');
    for (const action of ['acquire', 'take']) {
      expect((await holder.ask({ t: 'lease', session: id, action })).error.code).toBe('session_exited');
    }
    return { id, renew };
  }

  it('is refused where it makes no sense', async () => {
    const { id } = await recorder();
    expect((await leaseOf(id, { action: 'renew', lease: 'x' })).code).toBe('lease_lost');
    expect((await leaseOf(id, { action: 'release' })).code).toBe('lease_lost');
    expect((await leaseOf(id, { action: 'steal' })).code).toBe('bad_request');
    expect((await leaseOf(id, { action: 'acquire', ttlMs: 5 })).code).toBe('bad_request');
    const { json: ofAnother } = await leaseOf((await recorder()).id, { action: 'acquire' });
    expect((await gateway.input(id, 'x', { 'binnacle-lease': ofAnother.lease })).code).toBe('lease_lost');
    await gateway.ask(`/v1/sessions/${id}/close-stdin`, { method: 'POST' });
    await gateway.closed(id);
    expect((await leaseOf(id, { action: 'acquire' })).code).toBe('session_exited');
    expect(await leaseIn(id)).toBeNull();
  });
});
