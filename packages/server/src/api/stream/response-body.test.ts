import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { Liveness } from './liveness.ts';
import { ResponseBody } from './response-body.ts';

/** More than the buffers of the kernel at both ends take. */
const BYTES = 24 * 1024 * 1024;
const STALL_MS = 50;

/** Sends one ended response of `BYTES` to a client that does not read yet. */
async function openEnded(): Promise<{ readonly body: ResponseBody; readonly client: Socket }> {
  const liveness = new Liveness({ heartbeatMs: 60_000, stallMs: STALL_MS });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    liveness.stop();
    client.destroy();
    server.close();
  });
  client.on('error', () => undefined).pause();
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  const body = new ResponseBody(response, liveness, { head: () => ({}) });
  body.write(Buffer.alloc(BYTES));
  body.finish();
  return { body, client };
}

it('slow-alone: a reader that takes nothing behind the end of a response is cut', async () => {
  const { body, client } = await openEnded();
  await body.closed;
  let received = 0;
  client.on('data', (bytes) => {
    received += bytes.length;
  });
  await once(client.resume(), 'close');
  expect(received).toBeLessThan(BYTES);
});

it('a reader that is slow behind the end of a response gets all of it', async () => {
  const { body, client } = await openEnded();
  const begun = performance.now();
  let received = 0;
  client.on('data', (bytes: Buffer) => {
    received += bytes.length;
    if (performance.now() - begun > 5 * STALL_MS) return;
    client.pause();
    setTimeout(() => client.resume(), STALL_MS / 5);
  });
  await once(client.resume(), 'close');
  expect(await body.closed).toBe('complete');
  expect(performance.now() - begun).toBeGreaterThan(5 * STALL_MS);
  expect(received).toBeGreaterThan(BYTES);
});

it('a request for the head alone starts no stream, and gets the length of a short body', async () => {
  const liveness = new Liveness({ heartbeatMs: 60_000, stallMs: STALL_MS });
  const started: string[] = [];
  const server = createServer((request, response) => {
    const collects = request.url === '/short';
    const body = new ResponseBody(response, liveness, {
      head: (length) => ({ 'X-Kind': 'stream', ...(length === undefined ? {} : { 'Content-Length': length }) }),
      ...(collects ? { collectBytes: 100 } : {}),
    });
    const start = (): void => {
      started.push(`${request.method} ${request.url}`);
      // Writes until the wire is full, like a pump.
      for (let pages = 0; pages < 50 && !body.isFull; pages += 1)
        body.write(Buffer.alloc(request.url === '/long' ? 40 : 1));
      if (request.url === '/short') body.finish();
    };
    void body.send({ start, resume: () => undefined, stop: () => undefined });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    liveness.stop();
    server.close();
  });
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const head = async (path: string) => {
    const response = await fetch(url + path, { method: 'HEAD' });
    return [response.status, response.headers.get('x-kind'), response.headers.get('content-length')];
  };
  expect(await head('/')).toEqual([200, 'stream', null]);
  expect(started).toEqual([]);
  expect(await head('/short')).toEqual([200, 'stream', '50']);
});
