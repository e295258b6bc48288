import { connect } from 'node:net';
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

test('a client that goes on sending a body behind its response is cut off', async () => {
  const gateway = await serve(() => noContent());
  const { port } = gateway;
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes;
  });
  socket.on('error', () => undefined);
  socket.write(`POST /test/response HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 1000000\r\n\r\n`);
  const sending = setInterval(() => socket.write('x'.repeat(100)), 20);
  onTestFinished(() => clearInterval(sending));
  await vi.waitFor(() => expect(socket.destroyed).toBe(true), 5000);
  expect(text).toMatch(/^HTTP\/1\.1 204 /);
  // The connection is there for the next request if the rest of the body was on its way.
  const patient = connect(port, '127.0.0.1');
  onTestFinished(() => void patient.destroy());
  let replies = '';
  patient.on('data', (bytes) => {
    replies += bytes;
  });
  const ask = `POST /test/response HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 5\r\n\r\n`;
  patient.write(ask);
  await vi.waitFor(() => expect(replies).toContain('204'));
  patient.write(`xxxxx${ask}`);
  await vi.waitFor(() => expect(replies.match(/HTTP\/1\.1 204/g)).toHaveLength(2));
});
