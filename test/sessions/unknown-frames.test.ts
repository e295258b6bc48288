// Frames and fields that the gateway does not know: treated as the head of PROTOCOL.md says.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

const paths: Readonly<Record<string, () => Promise<string>>> = {
  '/v1/ws': async () => '/v1/ws',
  '/ws/session/:id': async () => `/ws/session/${(await gateway.create({ argv: ['/bin/cat'] })).id}`,
  '/ws/pty-traffic': async () => '/ws/pty-traffic',
  '/pty/:id/ws': async () => `/pty/${(await gateway.ask('/pty', { body: {} })).json.session_id}/ws`,
};

describe('what the gateway does not know', () => {
  it.each([
    ['/v1/ws', { t: 'error', ref: 7, error: { code: 'protocol_error' } }],
    ['/ws/session/:id', { type: 'error', code: 'INVALID_FRAME' }],
    ['/ws/pty-traffic', { type: 'error', id: 'x', error: { code: 'protocol_error' } }],
    ['/pty/:id/ws', { type: 'error', code: 'INVALID_FRAME' }],
  ])(
    'on %s: an unknown type is answered, an unknown field ignored, and the connection goes on',
    async (name, answer) => {
      const frames = await gateway.frames(await paths[name]?.());
      frames.send({ t: 'dance', type: 'dance', ref: 7, id: 'x' });
      expect(await frames.next((frame) => (frame.t ?? frame.type) === 'error')).toMatchObject(answer);
      frames.send({ t: 'ping', type: 'ping', ref: 8, time: 1, timestamp: 1, novel: true });
      await frames.next((frame) => (frame.t ?? frame.type) === 'pong');
      expect(frames.closed).toBeUndefined();
    },
  );

  it('over HTTP: a field or query that is not there is refused and named', async () => {
    const body = await gateway.ask('/v1/sessions', { body: { comand: 'true' } });
    expect([body.status, body.json.error.details]).toMatchObject([400, { field: 'comand', nearest: 'command' }]);
    expect((await gateway.ask('/v1/sessions?qq=x')).code).toBe('bad_request');
  });
});
