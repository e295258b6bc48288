// Makers of tokens, and the fate of what a token made when that token is revoked.

import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Commands } from '../support/commands.ts';
import { isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';

const binary = fileURLToPath(new URL('../../packages/cli/dist/binnacle.mjs', import.meta.url));

let gateway: Gateway | GatewayProcess;
let commands: Commands;
let session: string;
beforeAll(async () => {
  gateway = await (isAll ? openGatewayProcess({ flags: [] }) : openGateway());
  commands = new Commands(binary, { BINNACLE_DATA: gateway.dir });
  session = (await gateway.client.sessions.create({ argv: ['/bin/cat'], name: 'build' })).id;
});
afterEach(() => commands.end());
afterAll(() => gateway.close());

// biome-ignore lint/suspicious/noExplicitAny: a test knows what it has asked for.
type Json = any;

async function ask(path: string, { token = gateway.token, ...init }: RequestInit & { token?: string } = {}) {
  const response = await gateway.fetch(path, {
    ...init,
    headers: {
      authorization: `Bearer ${token}`,
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
  });
  const text = await response.text();
  return { status: response.status, json: (text === '' ? undefined : JSON.parse(text)) as Json };
}

const post = async (path: string, body: object, token?: string): Promise<Json> =>
  (await ask(path, { method: 'POST', body: JSON.stringify(body), ...(token === undefined ? {} : { token }) })).json;
const make = (name: string, scope: string, by?: string): Promise<Json> => post('/v1/tokens', { name, scope }, by);
const works = async ({ token }: { token: string }): Promise<boolean> => {
  const { status } = await ask('/v1/me', { token });
  return status === 200 || status === 403;
};

/** Makes Eve's admin token, and with it an ingest token, an admin token with one of its own, a share, a login link. */
async function family(name: string) {
  const eve = await make(name, 'admin');
  const ingest = await make(`${name} emits`, 'ingest', eve.token);
  const child = await make(`${name} child`, 'admin', eve.token);
  const grandchild = await make(`${name} grandchild`, 'view', child.token);
  const share = await post('/v1/shares', { session, label: `${name} link` }, eve.token);
  const { ticket } = await post('/v1/tickets', {}, eve.token);
  return { eve, ingest, child, grandchild, share, ticket };
}

describe('a token', () => {
  it('says who made it, and so does a browser login; the catalogue keeps that over a restart', async () => {
    const ann = await make('ann', 'admin');
    const bob = await make('bob', 'view', ann.token);
    expect(bob.madeBy).toEqual({ id: ann.id, name: 'ann', user: ann.user });
    await ('kill' in gateway ? gateway.kill() : gateway.stop());
    await gateway.start();
    const { tokens } = (await ask('/v1/tokens')).json;
    const of = (name: string): Json => tokens.find((one: Json) => one.name === name);
    expect(of('ann').madeBy).toEqual({ id: 'admin', name: 'admin', user: 'admin' });
    expect(of('bob').madeBy).toMatchObject({ name: 'ann' });
    const listed = await commands.run(['token', 'ls']);
    expect(listed.out).toMatch(/MADE BY/);
    expect(listed.out).toMatch(/bob.*ann|ann.*bob/);
  });

  it('that has made tokens is not revoked before it is said what becomes of those', async () => {
    const { eve, ingest, child, grandchild, share } = await family('eve');
    const issued = (await ask(`/v1/tokens/${eve.id}/issued`)).json;
    expect(issued.tokens.map(({ name }: Json) => name)).toEqual(['eve emits', 'eve child', 'eve grandchild']);
    expect(issued.shares).toMatchObject([{ id: share.id, label: 'eve link', kind: 'session' }]);
    expect(issued).toMatchObject({ logins: [], links: 1 });
    const refused = await ask(`/v1/tokens/${eve.id}`, { method: 'DELETE' });
    expect(refused).toMatchObject({
      status: 409,
      json: {
        error: { code: 'token_has_issued', hint: expect.stringContaining('issued=revoke'), details: { tokens: 3 } },
      },
    });
    expect(await works(eve)).toBe(true);
    expect((await ask(`/v1/tokens/${eve.id}?issued=revoke`, { method: 'DELETE' })).status).toBe(204);
    for (const one of [eve, ingest, child, grandchild]) expect.soft(await works(one)).toBe(false);
    const shares = (await ask('/v1/shares?over=1')).json.shares;
    expect(shares.find(({ id }: Json) => id === share.id).state).toBe('revoked');
  });

  it('leaves them where that is wanted, but for its links; and they keep saying who made them', async () => {
    const { eve, ingest, grandchild, ticket, share } = await family('kim');
    expect((await ask(`/v1/tokens/${eve.id}?issued=keep`, { method: 'DELETE' })).status).toBe(204);
    expect(await works(eve)).toBe(false);
    expect([await works(ingest), await works(grandchild)]).toEqual([true, true]);
    const { tokens } = (await ask('/v1/tokens')).json;
    expect(tokens.find(({ id }: Json) => id === ingest.id).madeBy).toMatchObject({ id: eve.id, name: 'kim' });
    expect((await post('/v1/login', { ticket })).error.code).toBe('unauthorized');
    expect((await ask(`/v1/shares/${share.id}`)).json.state).toBe('revoked');
  });

  it('is found behind a browser login in between that has ended', async () => {
    const eve = await make('lou', 'admin');
    const { ticket } = await post('/v1/tickets', {}, eve.token);
    const login = await gateway.fetch('/v1/login', {
      ...{ method: 'POST', body: JSON.stringify({ ticket }), headers: { 'content-type': 'application/json' } },
    });
    expect(login.status).toBeLessThan(300);
    const { logins } = (await ask(`/v1/tokens/${eve.id}/issued`)).json;
    expect(logins).toMatchObject([{ kind: 'cookie', madeBy: { name: 'lou' } }]);
    expect((await ask(`/v1/tokens/${logins[0].id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(`/v1/tokens/${eve.id}/issued`)).json).toMatchObject({
      tokens: [],
      logins: [],
      shares: [],
      links: 0,
    });
    expect((await ask(`/v1/tokens/${eve.id}`, { method: 'DELETE' })).status).toBe(204);
  });

  it('of which there is none is not found, whatever is asked', async () => {
    for (const path of ['/v1/tokens/nobody/issued', '/v1/tokens/nobody', '/v1/tokens/nobody?issued=revoke']) {
      const method = path.endsWith('/issued') ? 'GET' : 'DELETE';
      expect.soft((await ask(path, { method })).json.error.code).toBe('not_found');
    }
    expect((await ask('/v1/tokens/nobody?isued=revoke', { method: 'DELETE' })).json.error.details.nearest).toBe(
      'issued',
    );
  });
});

describe('binnacle token revoke', () => {
  it('lists what the token has made, and does nothing where nobody can be asked', async () => {
    const { eve } = await family('max');
    const { code, err } = await commands.run(['token', 'revoke', eve.id]);
    expect(code).not.toBe(0);
    for (const word of ['max emits', 'max child', 'max grandchild', 'max link', '--issued'])
      expect.soft(err).toContain(word);
    expect(await works(eve)).toBe(true);
  });

  it('takes --issued revoke and --issued keep', async () => {
    const one = await family('nia');
    expect(await commands.run(['token', 'revoke', one.eve.id, '--issued', 'revoke'])).toMatchObject({
      code: 0,
      err: expect.stringContaining('and 3 tokens that it created'),
    });
    expect([await works(one.eve), await works(one.grandchild)]).toEqual([false, false]);
    const other = await family('oda');
    expect((await commands.run(['token', 'revoke', other.eve.id, '--issued', 'keep'])).code).toBe(0);
    expect([await works(other.eve), await works(other.child)]).toEqual([false, true]);
  });
});
