import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Gateway, openGateway } from './gateway.fixture.ts';
import { type HttpResponse, json, noContent, respond } from './http-response.ts';
import { route } from './routes.ts';

async function serve(response: () => HttpResponse): Promise<Gateway> {
  const handler = { summary: 'Responds.', responses: {}, handler: response };
  const gateway = await openGateway({
    routes: [route('get', '/test/response', 'public', handler), route('post', '/test/response', 'public', handler)],
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

test.each([
  ['text', respond('häuser'), 200, 'text/plain;charset=UTF-8', '7', 'häuser'],
  ['bytes', respond(Buffer.from('ab'), { headers: { 'content-type': 'image/png' } }), 200, 'image/png', '2', 'ab'],
  ['JSON', json({ a: 1 }, { status: 201 }), 201, 'application/json', '7', '{"a":1}'],
  ['nothing', noContent(), 204, undefined, undefined, ''],
  ['text without characters', respond(''), 200, 'text/plain;charset=UTF-8', '0', ''],
])('a response of %s says its type and its length', async (_, response, status, type, length, text) => {
  const gateway = await serve(() => response);
  const reply = await gateway.ask('/test/response');
  expect([reply.status, reply.headers['content-type'], reply.headers['content-length']]).toEqual([
    status,
    type,
    length,
  ]);
  expect(reply.text).toBe(text);
  const head = await gateway.ask('/test/response', { method: 'HEAD' });
  expect([head.status, head.headers['content-type'], head.text]).toEqual([status, type, '']);
});

test('a response with an invalid header is a failure, which inherits none of its headers', async () => {
  const gateway = await serve(() => respond('text', { headers: { 'X-Before': 'a', 'X-Split': 'b\r\nX-More: c' } }));
  const reply = await gateway.ask('/test/response');
  expect(reply).toMatchObject({ status: 500, code: 'internal' });
  expect(Object.keys(reply.headers).filter((name) => name.startsWith('x-'))).toEqual(['x-content-type-options']);
});

test.each([
  ['a response', undefined, 204],
  ['a refusal before the routes', 'evil.example', 421],
])('a client that goes on sending a body behind %s is cut off', async (_, host, status) => {
  const { port } = await serve(() => noContent());
  const { socket, received } = open(port);
  socket.write(post(host ?? `127.0.0.1:${port}`, 1_000_000));
  const sending = setInterval(() => socket.write('x'.repeat(100)), 20);
  onTestFinished(() => clearInterval(sending));
  await vi.waitFor(() => expect(socket.destroyed).toBe(true), 5000);
  expect(received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});

test('a body that was on its way behind its response leaves the connection for the next request', async () => {
  const { port } = await serve(() => noContent());
  const { socket, received } = open(port);
  const request = post(`127.0.0.1:${port}`, 5);
  socket.write(request);
  await vi.waitFor(() => expect(received()).toContain('204'));
  socket.write(`xxxxx${request}`);
  await vi.waitFor(() => expect(received().match(/HTTP\/1\.1 204/g)).toHaveLength(2));
});

const post = (host: string, length: number): string =>
  `POST /test/response HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${length}\r\n\r\n`;

function open(port: number): { readonly socket: Socket; readonly received: () => string } {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  return { socket, received: () => text };
}
