import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { PtyEvent } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Binnacle } from '../client.ts';
import type { WatchTrafficOptions } from './stream.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test knows which message it waits for.
type Message = any;

/** One connection, as a gateway has it. */
class Peer {
  readonly ws: WebSocket;
  readonly #got: Message[] = [];
  #wake: () => void = () => undefined;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data) => {
      const message: Message = JSON.parse(String(data));
      if (message.type === 'ping') return; // of its own liveness
      this.#got.push(message);
      this.#wake();
    });
    this.send({ type: 'connected', connection_id: 'c', timestamp: 1000, version: '0' });
  }

  send(message: object): void {
    this.ws.send(JSON.stringify(message));
  }

  async next(): Promise<Message> {
    while (this.#got.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#got.shift();
  }

  event(id: string, event: Partial<PtyEvent>): void {
    const names = { session_id: 'job-1', session: 's1', source: 'here', labels: {}, timestamp: 1, offset: 0 };
    this.send({ type: 'pty_event', id, event: { ...names, is_final: false, position: 'e.1.1', ...event } });
  }
}

let server: WebSocketServer;
let client: Binnacle;
let peers: Peer[];
let arrived: () => void;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  peers = [];
  arrived = () => undefined;
  server.on('connection', (ws, request) => {
    expect(request.url).toBe('/ws/pty-traffic');
    peers.push(new Peer(ws));
    arrived();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const makeSocket = (url: string) => new WebSocket(url);
  client = new Binnacle({ url: `http://127.0.0.1:${port}`, makeSocket, backoff: { baseMs: 1 } });
});

afterEach(() => {
  client.close();
  for (const { ws } of peers) ws.terminate();
  server.close();
});

async function peer(number: number): Promise<Peer> {
  for (;;) {
    const found = peers[number];
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
  }
}

async function watch(filter: object, options: WatchTrafficOptions = {}) {
  const stream = client.watchTraffic(filter, options);
  const first = await peer(0);
  const request = await first.next();
  return { stream, first, request };
}

describe('watchTraffic', () => {
  it('does not connect again once the session that it watches has ended', async () => {
    const { stream, first, request } = await watch({ session_id: 'job-1' });
    expect(request).toMatchObject({
      type: 'subscribe',
      filter: { session_id: 'job-1' },
      from: 'start',
      encoding: 'text',
    });
    first.event(request.id, { response: 'a' });
    first.event(request.id, { is_final: true, exit_code: 0 });
    // Gone in the same moment.
    first.ws.terminate();
    expect((await stream.next()).value).toMatchObject({ response: 'a' });
    expect((await stream.next()).value).toMatchObject({ is_final: true });
    expect((await stream.next()).done).toBe(true);
    client.wake();
    // Another one connects, and is the only one that does.
    const other = client.watchTraffic();
    await peer(1);
    await other.return();
    expect(peers).toHaveLength(2);
  });

  it('goes on at the last position of each session, with what it knows of the rest', async () => {
    const { stream, first, request } = await watch({ source: 'here' });
    expect(request.resume).toBeUndefined();
    first.send({ type: 'subscribed', id: request.id, filter: {}, sessions: 1, timestamp: 5000 });
    first.event(request.id, { response: 'a', position: 'e.5.1' });
    first.event(request.id, { session: 's2' as PtyEvent['session'], is_final: true, position: 'f.9.2' });
    await stream.next();
    await stream.next();
    first.ws.close(1012);
    const again = await (await peer(1)).next();
    expect(again).toMatchObject({
      type: 'subscribe',
      from: 'now',
      resume: { since: 5000, positions: { s1: 'e.5.1', s2: 'f.9.2' } },
    });
    await stream.return();
  });

  it('answers a ping with its timestamp', async () => {
    const { first } = await watch({});
    first.send({ type: 'ping', timestamp: 123.5 });
    expect(await first.next()).toEqual({ type: 'pong', timestamp: 123.5 });
  });

  it('unsubscribes when it is left', async () => {
    const { stream, first, request } = await watch({});
    await stream.return();
    expect(await first.next()).toEqual({ type: 'unsubscribe', id: request.id });
    const [code] = await once(first.ws, 'close');
    expect(code).toBe(1000);
  });

  it('tells of an error about one session, and throws one about the whole', async () => {
    const reports: unknown[] = [];
    const onError: WatchTrafficOptions['onError'] = (error, session) => reports.push([error.code, session]);
    const { stream, first, request } = await watch({}, { onError });
    const error = (code: string) => ({ code, message: 'm', hint: 'h', retryable: false });
    first.send({ type: 'error', id: request.id, session_id: 'job-1', session: 's1', error: error('session_gone') });
    first.send({ type: 'error', id: request.id, error: error('too_many_subscriptions') });
    first.send({ type: 'error', id: request.id, error: error('bad_filter') });
    await expect(stream.next()).rejects.toMatchObject({ code: 'bad_filter' });
    expect(reports).toEqual([
      ['session_gone', 's1'],
      ['too_many_subscriptions', null],
    ]);
  });

  it('reports what is no longer stored before what follows it', async () => {
    const reports: unknown[] = [];
    const { stream, first, request } = await watch({}, { onGap: (gap) => reports.push(gap) });
    const gap = { session_id: 'job-1', session: 's1', from: 3, to: 9, position: 'e.9.9' };
    first.send({ type: 'gap', id: request.id, ...gap });
    first.event(request.id, { response: 'behind' });
    expect((await stream.next()).value).toMatchObject({ response: 'behind' });
    expect(reports).toEqual([gap]);
  });

  it('stops the gateway when nobody reads, and goes on where it stood', async () => {
    const { stream, first, request } = await watch({ session_id: 'job-1' }, { bufferBytes: 600 });
    first.send({ type: 'subscribed', id: request.id, filter: {}, sessions: 1, timestamp: 5000 });
    first.event(request.id, { response: 'a', position: 'e.1.1' });
    first.event(request.id, { response: 'b', position: 'e.2.2' });
    first.event(request.id, { response: 'c', position: 'e.3.3' });
    expect(await first.next()).toEqual({ type: 'unsubscribe', id: request.id });
    // On its way already: it comes again.
    first.event(request.id, { response: 'd', position: 'e.4.4' });
    for (const response of ['a', 'b', 'c']) expect((await stream.next()).value).toMatchObject({ response });
    const again = await first.next();
    expect(again).toMatchObject({ type: 'subscribe', resume: { positions: { s1: 'e.3.3' } } });
    expect(again.id).not.toBe(request.id);
    first.event(request.id, { response: 'late' });
    first.event(again.id, { response: 'd', position: 'e.4.4' });
    expect((await stream.next()).value).toMatchObject({ response: 'd' });
  });
});
