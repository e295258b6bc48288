import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Gateway, loginHeaders, openGateway, postJson } from '../api/http/gateway.fixture.ts';
import { checkUser, freeUserOf, ownUserOf } from './principal.ts';

let gateway: Gateway;
beforeEach(async () => {
  gateway = await openGateway();
});
afterEach(() => gateway.close());

const make = async (fields: object, by = gateway.adminToken) => {
  const reply = await gateway.ask('/v1/tokens', postJson({ name: 'n', scope: 'view', ...fields }, by));
  return { reply, ...(JSON.parse(reply.text) as { id: string; token: string; user: string }) };
};
const me = async (headers: Record<string, string>) =>
  JSON.parse((await gateway.ask('/v1/me', { headers })).text) as { name: string; scope: string; user: string };
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** Logs a browser in with a ticket of whoever has these credentials, and returns its own. */
const login = async (credentials: Record<string, string>) => {
  const ask = postJson({});
  const made = await gateway.ask('/v1/tickets', { ...ask, headers: { ...ask.headers, ...credentials } });
  const reply = await gateway.ask('/v1/login', postJson({ ticket: JSON.parse(made.text).ticket }));
  return { ...loginHeaders(reply), Origin: gateway.url };
};

describe('the user of a token', () => {
  test('is the one that it was made for, and several tokens may have one', async () => {
    const [laptop, phone] = [await make({ user: 'ann@example.org' }), await make({ user: 'ann@example.org' })];
    expect(laptop.reply.status).toBe(201);
    for (const { token } of [laptop, phone]) expect((await me(bearer(token))).user).toBe('ann@example.org');
    const listed = gateway.auth.list().map(({ id, user }) => ({ id, user }));
    expect(listed).toEqual([laptop, phone].map(({ id }) => ({ id, user: 'ann@example.org' })));
  });

  test('is "admin" for the admin token, whatever else there is', async () => {
    expect(await me(bearer(gateway.adminToken))).toEqual({ name: 'admin', scope: 'admin', user: 'admin' });
    const other = await make({ scope: 'admin' });
    expect((await me(bearer(other.token))).user).toBe(other.user);
    expect(other.user).not.toBe('admin');
  });

  test('is its own alone where none was named, however many are made at once', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => make({})));
    expect(new Set(made.map(({ user }) => user)).size).toBe(50);
    for (const { id, user } of made) expect(user).toBe(`token-${id.slice(0, 8)}-${id.slice(-8)}`);
  });

  test('is its own alone also where the short form of its id is that of another', () => {
    const id = '0193a2b4-2222-7000-8000-00009f31c0de';
    const isTaken = (user: string) => user === ownUserOf('0193a2b4-1111-7000-8000-00009f31c0de');
    expect(ownUserOf(id)).toBe('token-0193a2b4-9f31c0de');
    expect(freeUserOf(id, isTaken)).toBe(`token-${id}`);
    expect(freeUserOf(id, () => false)).toBe('token-0193a2b4-9f31c0de');
  });

  test.each(['admin', 'Admin', 'token-0193a2b4', 'token-', 'TOKEN-x'])('cannot be %j: it is reserved', async (user) => {
    const { reply } = await make({ user });
    expect(reply).toMatchObject({ status: 400, code: 'bad_request' });
    expect(reply.text).toContain('reserved');
    expect(gateway.auth.list()).toEqual([]);
  });

  test.each(['', '.ann', 'a b', 'a/b', 'a:b', 'añn', 'a\n', 'x'.repeat(65), 7, null])('cannot be %j', async (user) => {
    const { reply } = await make({ user });
    expect(reply).toMatchObject({ status: 400, code: 'bad_request' });
    expect(gateway.auth.list()).toEqual([]);
  });

  test('is never changed by the check: it is taken as it is, or refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9._@-]{1,64}$/)), (user) => {
        const isFit = /^[A-Za-z0-9._@-]{1,64}$/.test(user) && !user.startsWith('.');
        const isFree = user.toLowerCase() !== 'admin' && !user.toLowerCase().startsWith('token-');
        if (isFit && isFree && !user.includes('\n')) expect(checkUser(user)).toBe(user);
        else expect(() => checkUser(user)).toThrow(expect.objectContaining({ code: 'bad_request' }));
      }),
    );
  });

  test('goes on to every login that came from its tickets, over any number of hops', async () => {
    const { token } = await make({ user: 'ann', scope: 'input' });
    const phone = await login(bearer(token));
    const tablet = await login(phone);
    const kiosk = await login(tablet);
    for (const headers of [phone, tablet, kiosk]) expect((await me(headers)).user).toBe('ann');
    const owners = await login(await login(bearer(gateway.adminToken)));
    expect((await me(owners)).user).toBe('admin');
    const reply = await gateway.ask('/v1/login', postJson({ ticket: gateway.auth.issueOwnTicket() }));
    expect((await me({ ...loginHeaders(reply), Origin: gateway.url })).user).toBe('admin');
    expect(gateway.auth.list().map(({ user }) => user)).toEqual([
      'ann',
      'ann',
      'ann',
      'ann',
      'admin',
      'admin',
      'admin',
    ]);
  });

  test('is never taken from the request', async () => {
    const { token, user } = await make({});
    const claims = { 'X-User': 'ann', 'X-Forwarded-User': 'ann', 'X-Binnacle-User': 'ann', Cookie: 'user=ann' };
    expect((await me({ ...claims, ...bearer(token) })).user).toBe(user);
    expect(await gateway.ask('/v1/tickets', postJson({ user: 'ann' }, token))).toMatchObject({ status: 400 });
    const { ticket } = JSON.parse((await gateway.ask('/v1/tickets', postJson({}, token))).text);
    expect(await gateway.ask('/v1/login', postJson({ ticket, user: 'ann' }))).toMatchObject({ status: 400 });
    const reply = await gateway.ask('/v1/login', postJson({ ticket }));
    expect((await me({ ...loginHeaders(reply), Origin: gateway.url })).user).toBe(user);
  });
});
