import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, type TestSession, until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';

let gateway: TestGateway;
let session: TestSession;
let client: Binnacle;

beforeEach(async () => {
  gateway = await TestGateway.start();
  session = gateway.session();
  client = new Binnacle({ url: gateway.url, token: 't', WebSocket, backoff: { baseMs: 2, capMs: 10 } });
});

afterEach(async () => {
  client.close();
  await gateway.stop();
});

const actions = () => gateway.received.flatMap((frame) => (frame.t === 'lease' ? [frame.action] : []));

describe('the lease', () => {
  it('is acquired, held and released', async () => {
    const { lease } = client.session(session.id);
    expect(await lease.acquire({ holder: 'Ada', ttlMs: 60_000 })).toMatchObject({ holder: 'Ada', fence: 1 });
    expect(lease.current?.fence).toBe(1);
    await lease.release();
    expect(lease.current).toBeNull();
    expect(actions()).toEqual(['acquire', 'release']);
  });

  it('names the holder while another client has it, and can be taken', async () => {
    await client.session(session.id).lease.acquire({ holder: 'Ada' });
    const { lease } = client.session(session.id);
    await expect(lease.acquire({ holder: 'Bob' })).rejects.toMatchObject({
      code: 'lease_held',
      details: { holder: 'Ada' },
    });
    expect(await lease.take({ holder: 'Bob' })).toMatchObject({ holder: 'Bob', fence: 2 });
  });

  it('renews itself at a third of its time while it is held', async () => {
    const { lease } = client.session(session.id);
    await lease.acquire({ ttlMs: 300 });
    await until('four renewals', () => actions().filter((action) => action === 'renew').length >= 4);
    expect(lease.current).not.toBeNull();
    await lease.release();
    const renewals = actions().length;
    await client.session(session.id).signal('SIGINT');
    expect(actions()).toHaveLength(renewals);
  });

  it('is renewed at once after a reconnect', async () => {
    const { lease } = client.session(session.id);
    await lease.acquire({ ttlMs: 60_000 });
    gateway.cutAll();
    await until('the renewal', () => actions().includes('renew'));
    expect(gateway.history).toHaveLength(2);
    expect(lease.current).not.toBeNull();
  });

  it.each([
    [{ holder: 'Bob', fence: 2, expiresInMs: 1_000 }, undefined, 'taken_over'],
    [null, undefined, 'lease_lost'],
    [null, new BinnacleError('session_exited').toWire(), 'session_exited'],
  ] as const)('one-writer: reports the loss and its reason to the former holder (%j)', async (next, why, code) => {
    const { lease } = client.session(session.id);
    const lost: BinnacleError[] = [];
    lease.on('lost', (error) => lost.push(error));
    await lease.acquire();
    const frame = { t: 'lease', session: session.id, lease: next, yours: false } as const;
    gateway.broadcast(why === undefined ? frame : { ...frame, lost: why });
    await until('the loss', () => lost.length === 1);
    expect(lost[0]?.code).toBe(code);
    expect(lease.current).toBeNull();
  });

  it('is not lost by news of its own, nor by news of another session', async () => {
    const { lease } = client.session(session.id);
    const changes: boolean[] = [];
    lease.on('change', (change) => changes.push(change.yours));
    await lease.acquire();
    gateway.broadcast({ t: 'lease', session: gateway.session().id, lease: null, yours: false });
    gateway.broadcast({
      t: 'lease',
      session: session.id,
      lease: { holder: 'tester', fence: 1, expiresInMs: 1 },
      yours: true,
    });
    gateway.broadcast({
      t: 'lease',
      session: session.id,
      lease: { holder: 'tester', fence: 2, expiresInMs: 1 },
      yours: true,
    });
    await until('the changes', () => changes.length === 2);
    expect(lease.current).not.toBeNull();
  });

  it('is known from the moment that the session is attached, and after each reconnect', async () => {
    const watched = client.session(session.id);
    const holders: (string | null)[] = [];
    watched.lease.on('change', ({ lease, yours }) => {
      expect(yours).toBe(false);
      holders.push(lease?.holder ?? null);
    });
    session.lease = { holder: 'Ada', fence: 1, expiresInMs: 60_000, secret: 's' };
    watched.attach();
    await until('who it was before we came', () => holders.length === 1);
    session.lease = { holder: 'Bob', fence: 2, expiresInMs: 60_000, secret: 't' };
    gateway.cutAll();
    await until('who it was when we came back', () => holders.length === 2);
    expect(holders).toEqual(['Ada', 'Bob']);
    expect(watched.lease.info?.holder).toBe('Bob');
  });

  it('taken while the connection was away is lost as soon as it is back', async () => {
    const attached = client.session(session.id);
    const lost: BinnacleError[] = [];
    attached.lease.on('lost', (error) => lost.push(error));
    attached.attach();
    await attached.lease.acquire({ ttlMs: 60_000 });
    session.lease = { holder: 'Bob', fence: 2, expiresInMs: 60_000, secret: 't' };
    gateway.cutAll();
    await until('the loss', () => lost.length === 1);
    expect(attached.lease.current).toBeNull();
    expect(attached.lease.info?.holder).toBe('Bob');
  });

  it('that comes when the session was let go of is given back at once', async () => {
    const left = client.session(session.id);
    const getting = left.lease.acquire({ ttlMs: 60_000 });
    left.detach();
    await expect(getting).rejects.toMatchObject({ code: 'lease_lost' });
    await until('the release', () => actions().includes('release'));
    expect(left.lease.current).toBeNull();
    expect(session.lease).toBeNull();
    // It can be had again by the same.
    await left.lease.acquire();
    expect(left.lease.current?.holder).toBe('tester');
  });

  it('is lost when a renewal is refused', async () => {
    const { lease } = client.session(session.id);
    const lost: BinnacleError[] = [];
    lease.on('lost', (error) => lost.push(error));
    await lease.acquire({ ttlMs: 30 });
    session.lease = null;
    await until('the loss', () => lost.length === 1);
    expect(lost[0]?.code).toBe('lease_lost');
  });

  it('is lost here too when it ran out while the gateway was away', async () => {
    const { lease } = client.session(session.id);
    const lost: BinnacleError[] = [];
    lease.on('lost', (error) => lost.push(error));
    await lease.acquire({ ttlMs: 60 });
    await gateway.stop();
    await until('the loss', () => lost.length === 1);
    expect(lost[0]?.code).toBe('lease_lost');
    await until('idle: nothing needs the gateway', () => client.state.kind === 'idle');
  });

  it('is given up on detach, and no longer keeps the connection', async () => {
    const handle = client.session(session.id);
    await handle.lease.acquire();
    handle.detach();
    await until('the release', () => actions().includes('release'));
    gateway.cutAll();
    await until('idle', () => client.state.kind === 'idle');
  });
});
