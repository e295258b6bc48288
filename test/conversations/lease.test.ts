// The write lease over HTTP: one writer, named to everybody else, and never for longer than it writes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Lease } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inAll } from '../support/count.ts';
import type { Reply } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';
import { pathOf } from './conversation.fixture.ts';
import { type Core, gateIn, openCore, openGate, untilGate } from './core.fixture.ts';

let core: Core;
beforeAll(async () => {
  core = await openCore();
});
afterAll(() => core.close());

const lead = (key: string, body: object, token?: string): Promise<Reply> =>
  core.ask(`${pathOf(key)}/lease`, { body, ...(token === undefined ? {} : { token }) });
async function acquire(key: string, more: object = {}): Promise<Lease> {
  const reply = await lead(key, { action: 'acquire', holder: 'editor', ...more });
  if (reply.status !== 200) throw new Error(reply.text);
  return reply.json;
}
const write = (key: string, id: string, text: string, lease?: string): Promise<Reply> =>
  core.trySend(key, { id, text }, lease === undefined ? {} : { headers: { 'binnacle-lease': lease } });
const note = (key: string, text: string, lease?: string): Promise<Reply> =>
  core.ask(`${pathOf(key)}/notes`, {
    body: { text },
    ...(lease === undefined ? {} : { headers: { 'binnacle-lease': lease } }),
  });
const held = { status: 409, code: 'lease_held', json: { error: { details: { holder: 'editor' } } } };

describe('the write lease', () => {
  test('while nobody holds it, lets everybody write; then its holder alone, whom all others are told', async () => {
    const key = await core.make('main');
    expect((await core.ask(`${pathOf(key)}/lease`)).json).toEqual({ lease: null });
    expect((await write(key, 'm1', 'free')).status).toBe(202);
    const { lease, fence, expiresInMs } = await acquire(key);
    expect(expiresInMs).toBeGreaterThan(290_000);
    expect(await write(key, 'm2', 'not mine')).toMatchObject(held);
    expect((await write(key, 'm2', 'not mine')).json.error.details.expiresInMs).toBeLessThanOrEqual(300_000);
    expect(await note(key, 'not mine')).toMatchObject(held);
    expect(await lead(key, { action: 'acquire', holder: 'other' })).toMatchObject(held);
    expect((await write(key, 'm3', 'mine', lease)).status).toBe(202);
    expect((await note(key, 'mine, too', lease)).status).toBe(204);
    expect((await core.info(key)).lease).toMatchObject({ holder: 'editor', fence });
    // What was refused was not kept, and can be sent when it is free.
    expect((await lead(key, { action: 'release', lease })).json).toEqual({ released: true });
    expect((await write(key, 'm2', 'not mine')).json.duplicate).toBe(false);
    const { events } = await core.log(key);
    expect(events.flatMap((event) => (event.type === 'note' ? [event.text] : []))).toEqual(['mine, too']);
    // On the WebSocket, too.
    const next = await acquire(key);
    const wire = await core.wire();
    const refused = await wire.ask({ t: 'send', conversation: key, id: 'm5', text: 'hello' });
    expect(refused).toMatchObject({ t: 'error', error: { code: 'lease_held', details: { holder: 'editor' } } });
    expect((await wire.ask({ t: 'send', conversation: key, id: 'm5', text: 'hello', lease: next.lease })).t).toBe('ok');
  });

  test('can be taken: the fence grows, and who had it is told that it is lost', async () => {
    const key = await core.make('main');
    const first = await acquire(key);
    const second = await lead(key, { action: 'take', holder: 'boss' });
    expect(second.status).toBe(200);
    expect(second.json.fence).toBeGreaterThan(first.fence);
    const lost = { status: 409, code: 'lease_lost' };
    expect(await write(key, 'm1', 'late', first.lease)).toMatchObject(lost);
    expect(await lead(key, { action: 'renew', lease: first.lease })).toMatchObject(lost);
    // It cannot free what is another's.
    expect(await lead(key, { action: 'release', lease: first.lease })).toMatchObject(lost);
    expect((await core.info(key)).lease).toMatchObject({ holder: 'boss' });
    await lead(key, { action: 'release', lease: second.json.lease });
    const third = await acquire(key);
    expect(third.fence).toBeGreaterThan(second.json.fence);
    expect(await core.history(key)).toEqual([]);
  });

  test('survives a kill of the gateway, and so does its fence', async () => {
    const key = await core.make('main');
    const { lease, fence } = await acquire(key);
    await core.restart();
    expect(await write(key, 'm1', 'not mine')).toMatchObject(held);
    expect((await write(key, 'm2', 'mine', lease)).status).toBe(202);
    expect((await lead(key, { action: 'renew', lease })).json).toMatchObject({ holder: 'editor', fence });
    await lead(key, { action: 'release', lease });
    await core.restart();
    expect((await acquire(key)).fence).toBeGreaterThan(fence);
  });

  test('has a higher fence than any that wrote, also after the catalogue was lost and made again of the logs', async () => {
    const key = await core.make('main');
    await acquire(key);
    await lead(key, { action: 'take', holder: 'boss' });
    const { lease, fence } = (await lead(key, { action: 'take', holder: 'editor' })).json;
    expect((await write(key, 'm1', 'mine', lease)).status).toBe(202);
    await core.end(key, 'm1');
    await core.kill();
    for (const end of ['', '-wal', '-shm']) rmSync(join(core.dir, `catalogue.db${end}`), { force: true });
    await core.start();
    expect((await core.history(key)).length).toBe(2);
    expect(await write(key, 'm2', 'late', lease)).toMatchObject({ code: 'lease_lost' });
    expect((await acquire(key)).fence).toBeGreaterThan(fence);
  });

  test('is not held for a run: the turn goes on when it is lost, and others may stop it', async () => {
    const key = await core.make('shell');
    const gate = gateIn(core, 'held');
    const { lease } = await acquire(key);
    expect((await write(key, 'm1', untilGate(gate, 'on', 'done'), lease)).status).toBe(202);
    await core.said(key, 'on');
    const taken = await lead(key, { action: 'take', holder: 'boss' });
    expect((await core.info(key)).run).toMatchObject({ id: 'm1', state: 'running' });
    expect(await write(key, 'm2', 'echo no', lease)).toMatchObject({ code: 'lease_lost' });
    expect((await write(key, 'm2', 'echo yes', taken.json.lease)).status).toBe(202);
    openGate(gate);
    expect(await core.end(key, 'm1')).toMatchObject({ state: 'final', text: 'on\ndone' });
    expect(await core.end(key, 'm2')).toMatchObject({ state: 'final', text: 'yes' });
    await write(key, 'm3', 'sleep 900', taken.json.lease);
    expect(await core.abort(key, 'm3')).toEqual({ aborted: ['m3'] });
  });

  test('of a process that has ended is found when the next one asks', async () => {
    const key = await core.make('main');
    const child = spawn('sleep', ['900']);
    const { pid } = child;
    await acquire(key, { pid });
    expect(await write(key, 'm1', 'hello')).toMatchObject({ ...held, json: { error: { details: { pid } } } });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await write(key, 'm1', 'hello')).status).toBe(202);
    expect(await lead(key, { action: 'acquire', holder: 'other', pid })).toMatchObject({
      status: 400,
      code: 'bad_request',
    });
    expect((await lead(key, { action: 'acquire', holder: 'other' })).status).toBe(200);
  });

  inAll('is let go of when its holder neither writes nor renews, and writing alone holds it', async () => {
    const small = await openCore({ writeLeaseTimes: { autoReleaseAfterMs: 1200, maxIdleHoldMs: 3000 } });
    const outer = core;
    core = small;
    try {
      const key = await core.make('main');
      const { lease } = await acquire(key);
      const began = performance.now();
      for (let n = 0; performance.now() - began < 2000; n += 1) {
        expect((await write(key, `m${n}`, 'still here', lease)).status).toBe(202);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      expect((await core.info(key)).lease).toMatchObject({ holder: 'editor' });
      await until('it is free', async () => (await core.info(key)).lease === null);
      expect(await write(key, 'late', 'too late', lease)).toMatchObject({ code: 'lease_lost' });
      expect((await write(key, 'free', 'anybody')).status).toBe(202);
    } finally {
      core = outer;
      await small.close();
    }
  });

  test('needs the scope input, sight of the conversation, and a question that makes sense', async () => {
    const [owner, looker, stranger] = [
      await core.tokenOf('owner'),
      await core.tokenOf('owner', 'view'),
      await core.tokenOf('stranger'),
    ];
    const key = await core.make('main', {}, owner);
    expect(await lead(key, { action: 'acquire' }, looker)).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await lead(key, { action: 'acquire' }, stranger)).toMatchObject({ code: 'conversation_not_found' });
    for (const body of [
      {},
      { action: 'steal' },
      { action: 'acquire', ttlMs: 10 },
      { action: 'acquire', ttlMs: 'long' },
      { action: 'acquire', holder: '' },
      { action: 'acquire', holder: 'x'.repeat(101) },
      { action: 'acquire', pid: 0 },
      { action: 'acquire', pid: 2 ** 40 },
      { action: 'acquire', colour: 'red' },
    ]) {
      expect([JSON.stringify(body).slice(0, 60), (await lead(key, body)).code]).toEqual([
        JSON.stringify(body).slice(0, 60),
        'bad_request',
      ]);
    }
    expect(await lead(key, { action: 'renew' })).toMatchObject({ status: 409, code: 'lease_lost' });
    expect(await lead(key, { action: 'release', lease: 'made up' })).toMatchObject({ status: 409, code: 'lease_lost' });
    const named = await lead(key, { action: 'acquire' }, owner);
    expect(named.json).toMatchObject({ holder: 'token of owner' });
    // Whoever may only look sees who it is, and not the lease itself.
    const seen = await core.ask(`${pathOf(key)}/lease`, { token: looker });
    expect(seen.json.lease.holder).toBe('token of owner');
    expect(seen.text).not.toContain(named.json.lease);
  });
});
