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
