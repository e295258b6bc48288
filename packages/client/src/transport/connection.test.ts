import type { AddressInfo, Socket } from 'node:net';
import { createServer, connect as dial } from 'node:net';
import type { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TestGateway, until } from '../../test/test-gateway.ts';
import { Binnacle } from '../client.ts';
import type { ClientState } from './connection.ts';
import type { ClientOptions, WebSocketLike } from './options.ts';

let gateway: TestGateway;
let clients: Binnacle[];

beforeEach(async () => {
  gateway = await TestGateway.start();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await gateway.stop();
});

function open(more: Partial<ClientOptions> = {}) {
  const client = new Binnacle({
    url: gateway.url,
    token: 'secret',
    WebSocket,
    backoff: { baseMs: 2, capMs: 10 },
    ...more,
  });
  clients.push(client);
  const states: ClientState[] = [];
  const errors: BinnacleError[] = [];
  client.on('state', (state) => states.push(state));
  client.on('error', (error) => errors.push(error));
  return { client, states, errors };
}

describe('the connection', () => {
  it('opens when something needs it, not before', async () => {
    const { client } = open();
    expect(client.state.kind).toBe('idle');
    client.session(gateway.session().id).attach();
    await until('open', () => client.state.kind === 'open');
    expect(gateway.upgrades).toHaveLength(1);
  });

  it('opens before its first use with `open`, until it is released; not without a token or a stored login', async () => {
    const { client } = open();
    const release = client.open();
    await until('open', () => client.state.kind === 'open');
    await client.session(gateway.session().id).resize(80, 24);
    expect(client.state.kind).toBe('open');
    gateway.cutAll();
    await until('open again', () => gateway.history.length === 2 && client.state.kind === 'open');
    release?.();
    gateway.cutAll();
    await until('idle', () => client.state.kind === 'idle');
    expect(gateway.upgrades).toHaveLength(2);
    const nobody = new Binnacle({ url: gateway.url, WebSocket });
    clients.push(nobody);
    expect(nobody.open()).toBeUndefined();
    expect(nobody.state.kind).toBe('idle');
    client.close();
    expect(client.open()).toBeUndefined();
  });

  it('tries again with `open` after it was refused', async () => {
    gateway.deny = 'unauthorized';
    const { client } = open();
    client.open();
    await until('stopped', () => client.state.kind === 'stopped');
    gateway.deny = undefined;
    client.open();
    await until('open', () => client.state.kind === 'open');
  });

  it('reports connecting, open, waiting with the time, and stopped with the code', async () => {
    const { client, states } = open();
    client.session(gateway.session().id).attach();
    await until('open', () => client.state.kind === 'open');
    gateway.cutAll();
    await until('waiting', () => states.some((state) => state.kind === 'waiting'));
    await until('open again', () => gateway.history.length === 2 && client.state.kind === 'open');
    client.close();
    const kinds = states.map((state) => state.kind).filter((kind, i, list) => kind !== list[i - 1]);
    expect(kinds).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open', 'stopped']);
    expect(states.find((state) => state.kind === 'waiting')).toMatchObject({ retryInMs: expect.any(Number) });
    expect(states.at(-1)).toMatchObject({ code: 'client_closed' });
  });

  it('stops for good when the gateway refuses the token, and tells everybody why', async () => {
    gateway.deny = 'unauthorized';
    const { client } = open();
    const attachment = client.session(gateway.session().id).attach();
    await expect(attachment.next()).rejects.toMatchObject({ code: 'unauthorized' });
    expect(client.state).toMatchObject({ kind: 'stopped', code: 'unauthorized' });
    await expect(client.session('x').signal('SIGINT')).rejects.toMatchObject({ code: 'unauthorized' });
    await expect(client.session('x').write('x')).rejects.toMatchObject({ code: 'unauthorized' });
    expect(gateway.upgrades).toHaveLength(1);
  });

  it('connects again after a login', async () => {
    gateway.deny = 'unauthorized';
    const { client } = open();
    await expect(client.session('x').attach().next()).rejects.toMatchObject({ code: 'unauthorized' });
    gateway.deny = undefined;
    // Nothing is stored outside of a browser.
    expect(await client.login('ticket')).toBe(false);
    await client.session(gateway.session().id).attach().next();
    expect(client.state.kind).toBe('open');
  });

  it('keeps trying while the gateway is away, and goes on when it is back', async () => {
    const session = gateway.session();
    session.append('tty', 'one');
    const { client, states } = open({ backoff: { baseMs: 5, capMs: 20 } });
    const attachment = client.session(session.id).attach();
    await attachment.next();
    await attachment.next();
    const { port } = gateway;
    await gateway.stop();
    await until('several attempts', () => states.filter((state) => state.kind === 'waiting').length > 3);
    session.append('tty', 'two');
    session.end();
    await gateway.listen(port);
    expect(await attachment.next()).toMatchObject({ value: { type: 'output', offset: 3 } });
  });

  it.each([
    [4003, 'unauthorized'],
    [4001, 'taken_over'],
    [1002, 'protocol_error'],
  ])('takes close code %i for good', async (closeCode, code) => {
    const { client } = open();
    const attachment = client.session(gateway.session().id).attach();
    await attachment.next();
    for (const peer of gateway.peers) peer.socket.close(closeCode);
    await expect(attachment.next()).rejects.toMatchObject({ code });
    expect(client.state).toMatchObject({ kind: 'stopped', code });
  });

  it('names the failure that the gateway sent before it closed', async () => {
    const { client } = open();
    const attachment = client.session(gateway.session().id).attach();
    await attachment.next();
    for (const peer of gateway.peers) {
      peer.json({ t: 'error', error: { code: 'revoked', message: 'Revoked by Ada.', hint: 'h', retryable: false } });
      peer.socket.close(4003);
    }
    await expect(attachment.next()).rejects.toMatchObject({ code: 'revoked', message: 'Revoked by Ada.' });
  });

  it('answers a ping with its time and our clock', async () => {
    const { client } = open();
    await client.session(gateway.session().id).attach().next();
    gateway.broadcast({ t: 'ping', time: 12_345 });
    await until('the pong', () => gateway.received.some((frame) => frame.t === 'pong'));
    expect(gateway.received.find((frame) => frame.t === 'pong')).toMatchObject({
      time: 12_345,
      clientTime: expect.any(Number),
    });
  });

  it('measures the latency and the offset of the clocks', async () => {
    const { client, states } = open();
    client.session(gateway.session().id).attach();
    await until('a latency', () => states.some((state) => state.latencyMs !== null));
    expect(client.clockOffsetMs).toBeGreaterThan(4_500);
    expect(client.clockOffsetMs).toBeLessThan(5_500);
  });

  it('treats a wrong seq as a broken connection, says so and makes a new one', async () => {
    const session = gateway.session();
    const { client, errors } = open();
    const attachment = client.session(session.id).attach();
    await attachment.next();
    for (const peer of gateway.peers) peer.seq += 1;
    gateway.broadcast({ t: 'ping', time: 1 });
    await until('a second connection', () => gateway.history.length === 2 && client.state.kind === 'open');
    expect(errors[0]).toMatchObject({ code: 'protocol_error', details: { expectedSeq: 4, seq: 5 } });
    session.append('tty', 'still here');
    gateway.flush();
    expect(await attachment.next()).toMatchObject({ value: { type: 'output', offset: 0 } });
  });

  it.each(['not json', '{"seq":1}', '[]', 'null'])('treats %s as a broken connection', async (text) => {
    const { client, errors } = open();
    await client.session(gateway.session().id).attach().next();
    for (const peer of gateway.peers) peer.socket.send(text);
    await until('a second connection', () => gateway.history.length === 2);
    expect(errors[0]).toMatchObject({ code: 'protocol_error' });
  });

  it('treats a binary frame that is none as a broken connection', async () => {
    const { client, errors } = open();
    await client.session(gateway.session().id).attach().next();
    for (const peer of gateway.peers) peer.socket.send(new Uint8Array(10));
    await until('a second connection', () => gateway.history.length === 2);
    expect(errors[0]).toMatchObject({ code: 'protocol_error' });
  });

  it('ignores frame types that it does not know', async () => {
    const { client, errors } = open();
    await client.session(gateway.session().id).attach().next();
    gateway.broadcast({ t: 'novelty' } as never);
    gateway.broadcast({ t: 'ping', time: 1 });
    await until('the pong', () => gateway.received.some((frame) => frame.t === 'pong'));
    expect(errors).toEqual([]);
    expect(gateway.history).toHaveLength(1);
  });

  it('reports an error frame that belongs to no request', async () => {
    const { client, errors } = open();
    await client.session(gateway.session().id).attach().next();
    gateway.broadcast({
      t: 'error',
      error: { code: 'disk_full', message: 'Full.', hint: 'Free some.', retryable: true },
    });
    await until('the error', () => errors.length === 1);
    expect(errors[0]).toMatchObject({ code: 'disk_full', message: 'Full.' });
  });

  it('finds a half-open link: no frame for three heartbeats', async () => {
    gateway.heartbeatMs = 20;
    const { client, errors } = open();
    const attachment = client.session(gateway.session().id).attach();
    await attachment.next();
    for (const peer of gateway.peers) peer.isMute = true;
    await until('a second connection', () => gateway.history.length === 2 && client.state.kind === 'open');
    expect(errors.map((error) => error.code)).toEqual(['no_pong']);
  });

  it('gives up an attempt that says no hello, and tries again', async () => {
    const swallowed: Socket[] = [];
    let attempts = 0;
    // Takes the first connection and says nothing; passes the others on.
    const swallower = createServer((socket) => {
      attempts += 1;
      socket.on('error', () => {});
      swallowed.push(socket);
      if (attempts === 1) return;
      const onward = dial(gateway.port, '127.0.0.1');
      onward.on('error', () => {});
      socket.pipe(onward).pipe(socket);
      swallowed.push(onward);
    });
    await new Promise<void>((resolve) => swallower.listen(0, '127.0.0.1', resolve));
    const { port } = swallower.address() as AddressInfo;
    const { client } = open({ url: `http://127.0.0.1:${port}`, connectTimeoutMs: 500 });
    await client.session(gateway.session().id).attach().next();
    expect(attempts).toBe(2);
    client.close();
    for (const socket of swallowed) socket.destroy();
    await new Promise((resolve) => swallower.close(resolve));
  });

  it('connects at once on wake-up instead of waiting on', async () => {
    const session = gateway.session();
    const { client, states } = open({ backoff: { baseMs: 3_600_000, capMs: 3_600_000 }, random: () => 1 });
    client.session(session.id).attach();
    await until('open', () => client.state.kind === 'open');
    gateway.cutAll();
    await until('waiting', () => states.some((state) => state.kind === 'waiting'));
    client.wake();
    await until('open again', () => client.state.kind === 'open');
  });

  it('never has two sockets, however often it is cut and woken', async () => {
    const session = gateway.session();
    let living = 0;
    let most = 0;
    const { client } = open({
      makeSocket: (url, headers) => {
        living += 1;
        most = Math.max(most, living);
        const socket: WebSocketLike = new WebSocket(url, { headers });
        socket.addEventListener('close', () => {
          living -= 1;
        });
        return socket;
      },
    });
    client.session(session.id).attach();
    for (let i = 0; i < 15; i += 1) {
      await until('open', () => client.state.kind === 'open');
      gateway.cutAll();
      for (let wakes = 0; wakes < 5; wakes += 1) client.wake();
      client
        .session(session.id)
        .signal('SIGINT')
        .catch(() => {});
      await until('the next connection', () => gateway.history.length > i + 1);
    }
    expect(most).toBe(1);
  });

  it('says what is missing where there is no WebSocket', async () => {
    const { client } = open({
      makeSocket: () => {
        throw new TypeError('no sockets today');
      },
    });
    await expect(client.session('x').attach().next()).rejects.toMatchObject({ code: 'bad_request' });
  });

  it('throws connection_lost for a signal whose answer was lost, since twice would be wrong', async () => {
    gateway.beforeAnswer = (frame) => (frame.t === 'signal' ? 'cut' : 'send');
    const { client } = open();
    await expect(client.session(gateway.session().id).signal('SIGINT')).rejects.toMatchObject({
      code: 'connection_lost',
      retryable: true,
    });
    expect(gateway.received.filter((frame) => frame.t === 'signal')).toHaveLength(1);
  });

  it('sends a resize again, since twice does no harm', async () => {
    let cuts = 0;
    gateway.beforeAnswer = (frame) => {
      if (frame.t !== 'resize' || cuts === 2) return 'send';
      cuts += 1;
      return 'cut';
    };
    const { client } = open();
    await client.session(gateway.session().id).resize(120, 40);
    expect(gateway.received.filter((frame) => frame.t === 'resize')).toHaveLength(3);
    await until('open', () => client.state.kind === 'open');
  });

  it('does not wait for ever for a gateway that is not there', async () => {
    const { client } = open({ requestTimeoutMs: 50 });
    await gateway.stop();
    await expect(client.session('x').signal('SIGINT')).rejects.toMatchObject({ code: 'unreachable' });
    await until('idle: nobody needs a connection any more', () => client.state.kind === 'idle');
    gateway = await TestGateway.start();
  });

  it('puts neither token nor key into an address, and sends what it has of a login', async () => {
    const client = new Binnacle({ url: gateway.url, WebSocket });
    clients.push(client);
    await client.me();
    await client.session(gateway.session().id).attach().next();
    expect(gateway.requests[0]?.headers['binnacle-key']).toBeUndefined();
    expect(gateway.requests[0]?.headers.authorization).toBeUndefined();
    expect(gateway.upgrades[0]?.headers.authorization).toBeUndefined();
  });
});
