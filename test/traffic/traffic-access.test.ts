import { allows } from '@binnacle/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import type { Frames } from '../support/wire.ts';
import { openParts, type Parts } from '../who-may/session-access.fixture.ts';
import { eventsOf, isFinal, textOf } from './traffic-socket.fixture.ts';

let parts: Parts;
afterEach(() => parts.close());

const open = async (token: string): Promise<Frames> => {
  const frames = await parts.frames(token, '/ws/pty-traffic');
  await frames.next(({ type }) => type === 'connected');
  return frames;
};

describe('sessions of a conversation', () => {
  it('show to those alone who may see it, and stop to when they may not any more', async () => {
    const members = new Set(['ann']);
    parts = await openParts((_, { user, scope }) => allows(scope, 'admin') || members.has(user));
    const [ann, bob] = [await parts.token('ann', 'view'), await parts.token('bob', 'view')];
    const mine = await open(ann);
    const others = await open(bob);
    for (const frames of [mine, others]) {
      frames.send({ type: 'subscribe', id: 'all', from: 'start' });
      await frames.next(({ type }) => type === 'subscribed');
    }
    const spec = { command: 'while read x; do echo "got $x"; done', mode: 'pipe' } as const;
    const id = await parts.create(spec, { conversation: 'agent:a:main' });
    const hidden = await parts.create({ command: 'echo hidden; cat', mode: 'pipe' }, { hidden: true });
    await mine.next(({ event }) => event?.session === id);
    others.send({ type: 'subscribe', id: 'by-name', filter: { session_id: id } });
    expect(await others.next(({ type }) => type === 'subscribed')).toMatchObject({ id: 'by-name', sessions: 0 });
    const asked = { method: 'POST', body: 'a\n' };
    expect((await parts.fetch(`/v1/sessions/${id}/input`, parts.adminToken, asked)).ok).toBe(true);
    await mine.next(({ event }) => event?.response === 'got a\n');
    members.delete('ann');
    parts.access.recheck('agent:a:main');
    expect(await mine.next(({ type }) => type === 'error')).toMatchObject({
      id: 'all',
      session: id,
      error: { code: 'session_not_found' },
    });
    await parts.fetch(`/v1/sessions/${id}/input`, parts.adminToken, { method: 'POST', body: 'b\n' });
    await parts.fetch(`/v1/sessions/${id}`, parts.adminToken, { method: 'DELETE' });
    for (const frames of [mine, others]) {
      frames.send({ type: 'ping', timestamp: 1 });
      await frames.next(({ type }) => type === 'pong');
    }
    expect(textOf(eventsOf(mine, 'all'))).toBe('got a\n');
    expect(others.all.filter(({ type }) => type === 'pty_event')).toEqual([]);
    expect(mine.all.some(({ event }) => event?.session === hidden)).toBe(false);
  });
});

describe('more sessions than one connection follows', () => {
  it('take turns where most have nothing to say, and lose nothing', async () => {
    parts = await openParts();
    const ids: string[] = [];
    for (let n = 0; n < 23; n += 1) {
      const spec = { command: `echo "it is ${n}"; read x; echo "end of ${n}"`, mode: 'pipe' } as const;
      ids.push(await parts.create(spec));
    }
    const frames = await open(parts.adminToken);
    frames.send({ type: 'subscribe', from: 'start' });
    expect(await frames.next()).toMatchObject({ type: 'subscribed', sessions: 23 });
    for (const _ of ids) await frames.next(({ event }) => event?.response?.startsWith('it is') === true);
    const end = async (id: string): Promise<void> => {
      await parts.fetch(`/v1/sessions/${id}/input`, parts.adminToken, { method: 'POST', body: '\n' });
    };
    for (const id of [...ids].reverse()) {
      await end(id);
      await frames.next((frame) => isFinal(frame));
    }
    for (const [n, id] of ids.entries()) {
      expect(textOf(eventsOf(frames), id)).toBe(`it is ${n}\nend of ${n}\n`);
    }
    expect(frames.all.filter(({ type }) => type === 'error')).toEqual([]);
  });
});

describe('a token that is revoked', () => {
  it('closes its connections with 4003', async () => {
    parts = await openParts();
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ name: 'guest', scope: 'view' });
    const made = await parts.fetch('/v1/tokens', parts.adminToken, { method: 'POST', headers, body });
    const { id, token } = (await made.json()) as { id: string; token: string };
    const frames = await open(token);
    await parts.fetch(`/v1/tokens/${id}`, parts.adminToken, { method: 'DELETE' });
    expect(await frames.closing()).toMatchObject({ code: 4003, reason: 'revoked' });
  });
});
