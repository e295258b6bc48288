import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Gateway, openGateway } from './gateway.fixture.ts';
import { route } from './routes.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({ limits: { headersMs: 300, requestMs: 700 } });
});
afterAll(() => gateway.close());

describe('slow and oversized clients (S22)', () => {
  /** Resolves with what came back when the server has closed the connection, and after how many ms. */
  const drip = (first: string, more = ''): Promise<{ text: string; ms: number }> =>
    new Promise((resolve, reject) => {
      const begun = performance.now();
      let text = '';
      const socket = connect(gateway.port, '127.0.0.1', () => socket.write(first));
      const timer = setInterval(() => socket.writable && socket.write(more), 50);
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => {
        clearInterval(timer);
        resolve({ text, ms: performance.now() - begun });
      });
      socket.on(
        'error',
        (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || error.code === 'EPIPE' || reject(error),
      );
    });

  const credentials = () => `Host: localhost:${gateway.port}\r\nAuthorization: Bearer ${gateway.adminToken}\r\n`;

  test('are cut soon after their time', async () => {
    const [head, body, silent] = await Promise.all([
      drip('GET / HTTP/1.1\r\n', 'x'),
      drip(`POST /test/bytes HTTP/1.1\r\n${credentials()}Content-Length: 900\r\n\r\n`, 'x'),
      drip(''),
    ]);
    for (const cut of [head, body, silent]) expect.soft(cut.ms).toBeLessThan(2500);
    for (const cut of [head, body]) expect.soft(cut.text).toContain('"code":"request_timeout"');
  });

  test('with a head beyond the limit get 431', async () => {
    const answer = await gateway.raw(`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(answer).toContain('"code":"headers_too_large"');
  });

  test('do not cut an answer that streams', async () => {
    const response = await fetch(`${gateway.url}/test/stream`, { headers: gateway.bearer });
    const reader = response.body?.getReader();
    await reader?.read();
    // By the time that a slow body was cut, the limits would have cut this one too.
    await drip(`POST /test/bytes HTTP/1.1\r\n${credentials()}Content-Length: 900\r\n\r\n`, 'x');
    let ended = false;
    reader?.read().then(
      () => {
        ended = true;
      },
      () => {
        ended = true;
      },
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    await reader?.cancel();
  });

  test('on one connection beyond the limit of unanswered requests close it, and none of them waits on', async () => {
    const signals: AbortSignal[] = [];
    const waits = route('get', '/test/long-poll', 'view', {
      summary: 'Waits.',
      responses: {},
      handler: ({ signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    const small = await openGateway({ limits: { pipelined: 8 }, routes: [waits] });
    const one = `GET /test/long-poll HTTP/1.1\r\nHost: 127.0.0.1:${small.port}\r\nAuthorization: ${small.bearer.Authorization}\r\n\r\n`;
    const send = (times: number) =>
      new Promise<Socket>((resolve) => {
        const socket = connect(small.port, '127.0.0.1', () => socket.write(one.repeat(times), () => resolve(socket)));
        socket.on('error', () => undefined);
      });
    const patient = await send(8);
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    expect(patient.destroyed).toBe(false);
    patient.destroy();
    await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true));
    const greedy = await send(9);
    await once(greedy, 'close');
    await vi.waitFor(() => expect(signals.every(({ aborted }) => aborted)).toBe(true));
    // The requests behind the first one of a connection never began.
    expect(signals.length).toBeLessThanOrEqual(2);
    await small.close();
  });

  test('that come one behind the other on a connection are answered one after the other, in their order', async () => {
    const ask = (path: string, id: string, more = '') =>
      `${path} HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\nX-Request-Id: ${id}\r\n${more}\r\n`;
    const socket = connect(gateway.port, '127.0.0.1');
    const body = 'Content-Type: application/json\r\nContent-Length: 2\r\n';
    socket.write(
      `${ask('GET /healthz', 'one')}${ask('POST /v1/login', 'two', body)}{}${ask('HEAD /healthz', 'three')}${ask('GET /no', 'four', 'Connection: close\r\n')}`,
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)|X-Request-Id: (\w+)/gi)].map(([, status, id]) => status ?? id)).toEqual([
      '200',
      'one',
      '400',
      'two',
      '200',
      'three',
      '404',
      'four',
    ]);
  });

  test('beyond the limit of connections are not let in', async () => {
    const small = await openGateway({ limits: { connections: 1 } });
    const connection = connect(small.port, '127.0.0.1');
    await new Promise((resolve) => connection.once('connect', resolve));
    await expect(small.ask('/healthz')).rejects.toThrow();
    connection.destroy();
    await expect
      .poll(() =>
        small.ask('/healthz').then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
    await small.close();
  });
});
