import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import { KnownSessions } from './session-list.ts';
import type { Watch, WatchEvent } from './watch.ts';

let gateway: TestGateway;
let client: Binnacle;

beforeEach(async () => {
  gateway = await TestGateway.start();
  client = new Binnacle({ url: gateway.url, token: 't', WebSocket, backoff: { baseMs: 2, capMs: 10 } });
});

afterEach(async () => {
  client.close();
  await gateway.stop();
});

async function take(watch: Watch): Promise<WatchEvent> {
  const { value, done } = await watch.next();
  if (done === true) throw new Error('the watch ended');
  return value;
}

describe('a watch', () => {
  it('gives a list, then changes', async () => {
    const session = gateway.session();
    const watch = client.watch();
    expect(await take(watch)).toMatchObject({ type: 'list', sessions: [{ id: session.id, state: 'running' }] });
    session.isEnded = true;
    gateway.broadcast({ t: 'session', info: session.info });
    expect(await take(watch)).toMatchObject({ type: 'session', info: { id: session.id, state: 'closed' } });
    gateway.broadcast({ t: 'deleted', session: session.id });
    expect(await take(watch)).toEqual({ type: 'deleted', session: session.id });
  });

  it('gives a new list after a reconnect, so that no change is missed', async () => {
    const watch = client.watch();
    expect(await take(watch)).toMatchObject({ type: 'list', sessions: [] });
    gateway.cutAll();
    const session = gateway.session();
    expect(await take(watch)).toMatchObject({ type: 'list', sessions: [{ id: session.id }] });
  });

  it('gives a long list page by page as the pages come, and what changed meanwhile behind it', async () => {
    gateway.pageSize = 2;
    const [a, b, c] = [gateway.session(), gateway.session(), gateway.session()];
    const watch = client.watch();
    expect(await take(watch)).toMatchObject({
      sessions: [{ id: a.id }, { id: b.id }],
      isFirst: true,
      isLast: false,
    });
    gateway.broadcast({ t: 'deleted', session: a.id });
    expect(await take(watch)).toMatchObject({ sessions: [{ id: c.id }], isFirst: false, isLast: true });
    expect(await take(watch)).toEqual({ type: 'deleted', session: a.id });
  });

  it('a list after a reconnect takes away only what it does not name, and that when it is whole', async () => {
    gateway.pageSize = 1;
    const [a, b, c] = [gateway.session(), gateway.session(), gateway.session()];
    const watch = client.watch();
    const known = new KnownSessions();
    const ids = () => known.sessions.map(({ id }) => id);
    for (let i = 0; i < 3; i += 1) known.apply(await take(watch));
    expect(known.isWhole).toBe(true);
    expect(ids()).toHaveLength(3);
    gateway.sessions.delete(b.id);
    gateway.cutAll();
    known.apply(await take(watch));
    expect(ids()).toHaveLength(3);
    known.apply(await take(watch));
    expect(ids()).toEqual([c.id, a.id].sort().reverse());
  });

  it('what began last comes first: not a recording of long ago that was imported just now', () => {
    const known = new KnownSessions();
    const began = (id: number, createdAt: number) => ({ ...gateway.session().info, id: `s${id}`, createdAt });
    const sessions = [began(1, 5000), began(2, 7000), began(3, 1000), began(4, 5000)] as never;
    known.apply({ type: 'list', sessions, isFirst: true, isLast: true });
    expect(known.sessions.map(({ id }) => id)).toEqual(['s2', 's4', 's1', 's3']);
  });

  it('keeps one change for each session when the consumer is slow', async () => {
    const [a, b] = [gateway.session(), gateway.session()];
    const watch = client.watch();
    await take(watch);
    for (let i = 0; i < 1_000; i += 1) gateway.broadcast({ t: 'session', info: { ...a.info, cols: i } });
    gateway.broadcast({ t: 'session', info: b.info });
    gateway.broadcast({ t: 'ping', time: 1 });
    await until('the pong behind them', () => gateway.received.some((frame) => frame.t === 'pong'));
    expect(await take(watch)).toMatchObject({ info: { id: a.id, cols: 999 } });
    expect(await take(watch)).toMatchObject({ info: { id: b.id } });
  });

  it('ends when it is stopped, tells the gateway once the last one is, and keeps no connection', async () => {
    const [one, two] = [client.watch(), client.watch()];
    await take(one);
    await take(two);
    one.stop();
    expect(await one.next()).toEqual({ done: true, value: undefined });
    gateway.broadcast({ t: 'deleted', session: 'x' });
    expect(await take(two)).toEqual({ type: 'deleted', session: 'x' });
    const off = () => gateway.received.filter((frame) => frame.t === 'watch' && !frame.on).length;
    expect(off()).toBe(0);
    await two.return();
    await until('the end of the watch', () => off() === 1);
    gateway.cutAll();
    await until('idle', () => client.state.kind === 'idle');
  });

  it('throws why the gateway refuses it', async () => {
    gateway.refuse = (frame) => (frame.t === 'watch' ? 'forbidden' : undefined);
    await expect(client.watch().next()).rejects.toMatchObject({ code: 'forbidden' });
  });
});
