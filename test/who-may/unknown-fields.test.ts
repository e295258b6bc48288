// Unknown fields of requests: what the refusal says, and where they pass. Every address is in test/refusals.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway();
});
afterAll(() => gateway.close());

describe('denied-by-default: a field that nobody knows', () => {
  it('does not make a token that never ends', async () => {
    const body = { name: 'an hour', scope: 'view', expiresInMs: 3600_000 };
    const { status, json } = await gateway.ask('/v1/tokens', { body });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({
      code: 'bad_request',
      message: '"expiresInMs" in the body is not known. Did you mean "ttlMs"?',
      hint: 'Leave it out. Known here: name, scope, ttlMs, user.',
      details: { in: 'body', field: 'expiresInMs', nearest: 'ttlMs' },
    });
    expect((await gateway.ask('/v1/tokens')).json.tokens).toEqual([]);
    expect(
      (await gateway.ask('/v1/tokens', { body: { name: 'x', scope: 'view', ttlms: 1 } })).json.error,
    ).toMatchObject({ details: { field: 'ttlms', nearest: 'ttlMs' } });
  });

  it('is nothing to the protocols of others', async () => {
    const { status, json } = await gateway.ask('/session?nosuchfield=1', { body: { cwd: '/tmp', nosuchfield: 1 } });
    expect(status).toBe(200);
    expect(json.session_id).toMatch(/\S/);
  });
});
