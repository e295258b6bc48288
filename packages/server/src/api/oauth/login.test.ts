// Logging in with OAuth on a real gateway's routes: what a program gets, and what an attacker does not.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDataDir } from '../../data-dir/data-dir.ts';
import { type Gateway, loginHeaders, openGateway, postJson, type Reply } from '../http/gateway.fixture.ts';
import { json, route } from '../http/routes.ts';
import { ClientIds } from './client-ids.ts';
import { OAuthGrants } from './grants.ts';
import { challengeOf, oauthRoutes } from './routes.ts';

let gateway: Gateway;
let clock = 0;
const keys = mkdtempSync(join(tmpdir(), 'binnacle-oauth-'));
beforeAll(async () => {
  const clients = ClientIds.open(prepareDataDir(join(keys, 'data')));
  const resource = route('post', '/mcp', 'view', {
    ...{ summary: 'The resource.', responses: {} },
    challenge: challengeOf,
    handler: ({ principal: { scope, user, name } }) => json({ scope, user, name }),
  });
  gateway = await openGateway({
    routes: ({ auth, catalogue }) => {
      const store = catalogue.oauthGrants;
      const grants = new OAuthGrants({ auth, tokens: catalogue.tokens, store, now: () => clock });
      return [...oauthRoutes({ clients, grants }), resource];
    },
  });
});
afterAll(async () => {
  await gateway.close();
  rmSync(keys, { recursive: true, force: true });
});

const REDIRECT = 'http://127.0.0.1/callback';
const VERIFIER = randomBytes(32).toString('base64url');
const challengeFor = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

const register = async (body: object): Promise<Reply> => await gateway.ask('/oauth/register', postJson(body));
async function clientId(name = 'Agent', redirect = REDIRECT): Promise<string> {
  return JSON.parse((await register({ client_name: name, redirect_uris: [redirect] })).text).client_id;
}
const queryOf = (id: string, more: Record<string, string | undefined> = {}): string => {
  const all: Record<string, string | undefined> = {
    ...{ response_type: 'code', client_id: id, redirect_uri: 'http://127.0.0.1:4711/callback', state: 'st' },
    ...{ code_challenge: challengeFor(VERIFIER), code_challenge_method: 'S256', scope: 'view input create' },
    ...{ resource: `${gateway.url}/mcp`, ...more },
  };
  return new URLSearchParams(
    Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined),
  ).toString();
};

type Headers = Record<string, string>;
const browser = async (scope?: string): Promise<Headers> => ({ ...(await gateway.login(scope)), Origin: gateway.url });
async function ask(path: string, body: object, headers: Headers): Promise<Reply> {
  const post = postJson(body);
  return await gateway.ask(path, { ...post, headers: { ...post.headers, ...headers } });
}
const decide = async (query: string, headers: Headers, more: object = { decision: 'allow' }): Promise<Reply> =>
  await ask('/v1/authorization/decision', { query, ...more }, headers);
const codeIn = (reply: Reply): string => new URL(JSON.parse(reply.text).redirect).searchParams.get('code') ?? '';
const form = async (path: string, fields: Record<string, string>, headers: Headers = {}): Promise<Reply> =>
  await gateway.ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
const redeem = async (id: string, code: string, more: Record<string, string> = {}): Promise<Reply> =>
  await form('/oauth/token', {
    ...{ grant_type: 'authorization_code', client_id: id, code, code_verifier: VERIFIER },
    ...{ redirect_uri: 'http://127.0.0.1:4711/callback', ...more },
  });
const refresh = async (id: string, token: string, more: Record<string, string> = {}): Promise<Reply> =>
  await form('/oauth/token', { grant_type: 'refresh_token', client_id: id, refresh_token: token, ...more });
const use = async (token: string): Promise<number> =>
  (await ask('/mcp', {}, { Authorization: `Bearer ${token}` })).status;
const errorOf = (reply: Reply): [number, string] => [reply.status, JSON.parse(reply.text).error];

async function granted(headers?: Headers, scope?: string): Promise<{ id: string; access: string; refresh: string }> {
  const id = await clientId();
  const reply = await decide(queryOf(id), headers ?? (await browser()), { decision: 'allow', ...(scope && { scope }) });
  const tokens = JSON.parse((await redeem(id, codeIn(reply))).text);
  return { id, access: tokens.access_token, refresh: tokens.refresh_token };
}

describe('a program that knows nothing', () => {
  test('gets the address of the login at both places, for the address of its request', async () => {
    const refused = await ask('/mcp', {}, {});
    expect(refused.status).toBe(401);
    const metadata = `${gateway.url}/.well-known/oauth-protected-resource/mcp`;
    expect(refused.headers['www-authenticate']).toBe(
      `Bearer resource_metadata="${metadata}", scope="view input create"`,
    );
    for (const path of ['', '/mcp']) {
      const reply = await gateway.ask(`/.well-known/oauth-protected-resource${path}`);
      expect(JSON.parse(reply.text)).toMatchObject({
        resource: `${gateway.url}/mcp`,
        authorization_servers: [gateway.url],
        scopes_supported: ['view', 'input', 'create'],
      });
    }
    expect((await gateway.ask('/.well-known/oauth-protected-resource/v1/me')).status).toBe(404);
    const server = JSON.parse((await gateway.ask('/.well-known/oauth-authorization-server')).text);
    expect(server).toMatchObject({
      issuer: gateway.url,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    });
    const headers = { Host: 'evil.example' };
    expect((await gateway.ask('/.well-known/oauth-authorization-server', { headers })).status).toBe(421);
    expect((await gateway.ask('/v1/me')).headers['www-authenticate']).toBe('Bearer');
  });

  test('registers, keeps nothing here, and is known again; what could mislead or steal is refused', async () => {
    const count = gateway.catalogue.tokens.list().length;
    const made = await register({
      client_name: 'Agent ⚙️',
      redirect_uris: [REDIRECT],
      token_endpoint_auth_method: 'client_secret_basic',
    });
    expect([made.status, JSON.parse(made.text)]).toMatchObject([
      201,
      { token_endpoint_auth_method: 'none', client_name: 'Agent ⚙️' },
    ]);
    for (const [redirect, code] of [
      ['javascript:alert(1)', 'invalid_redirect_uri'],
      ['data:text/html,x', 'invalid_redirect_uri'],
      ['http://evil.example/cb', 'invalid_redirect_uri'],
      ['http://127.0.0.1.evil.example/cb', 'invalid_redirect_uri'],
      ['https://a@evil.example/cb', 'invalid_redirect_uri'],
      ['https://evil.example/cb#x', 'invalid_redirect_uri'],
      ['/relative', 'invalid_redirect_uri'],
      [`https://evil.example/${'x'.repeat(400)}`, 'invalid_redirect_uri'],
    ] as const) {
      expect.soft(errorOf(await register({ client_name: 'x', redirect_uris: [redirect] }))).toEqual([400, code]);
    }
    for (const name of ['Claude\u202eedoC', 'a\u{e0041}', 'x'.repeat(81), ' ', 'a\nb']) {
      expect
        .soft(errorOf(await register({ client_name: name, redirect_uris: [REDIRECT] })))
        .toEqual([400, 'invalid_client_metadata']);
    }
    expect(errorOf(await register({ redirect_uris: Array(6).fill(REDIRECT) }))).toEqual([400, 'invalid_redirect_uri']);
    expect((await register({ client_name: 'x'.repeat(20_000), redirect_uris: [REDIRECT] })).status).toBe(413);
    expect(gateway.catalogue.tokens.list().length).toBe(count);
  });

  test('is led to the page, whose address decides nothing', async () => {
    const reply = await gateway.ask(`/oauth/authorize?${queryOf('x')}&redirect_uri=https://evil.example`);
    expect(reply.status).toBe(303);
    expect(new URL(String(reply.headers.location), `${gateway.url}/oauth/authorize`).href).toMatch(
      new RegExp(`^${gateway.url}/#authorize=response_type`),
    );
    expect((await gateway.ask(`/oauth/authorize?x=${'x'.repeat(9000)}`)).status).toBe(400);
  });
});

describe('the person who decides', () => {
  test('sees who asks and where the answer goes, and can give no more than they have', async () => {
    const id = await clientId('Agent', 'https://agents.example/cb');
    const query = queryOf(id, { redirect_uri: undefined });
    const seen = await ask('/v1/authorization', { query }, await browser('input'));
    expect(JSON.parse(seen.text)).toEqual({
      ...{ client: 'Agent', destination: { text: 'agents.example', kind: 'web' } },
      ...{ asked: 'create', choices: ['view', 'input'] },
    });
    const more = await decide(query, await browser('input'));
    expect([more.status, more.code]).toEqual([403, 'forbidden']);
    const less = await decide(queryOf(id, { redirect_uri: undefined, scope: 'view' }), await browser(), {
      ...{ decision: 'allow', scope: 'create' },
    });
    expect(less.status).toBe(400);
  });

  test('is a person with a browser: no token, no half of a login, no form and no other site says yes', async () => {
    const query = queryOf(await clientId());
    const { token } = await gateway.token('create');
    const whole = await browser();
    const { Cookie = '' } = whole;
    for (const [headers, status] of [
      [{}, 401],
      [{ Authorization: `Bearer ${token}` }, 403],
      [gateway.bearer, 403],
      [{ Cookie, Origin: gateway.url }, 401],
      [{ ...whole, Origin: 'https://evil.example' }, 403],
      [{ ...whole, 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    ] as [Headers, number][]) {
      expect.soft((await decide(query, headers)).status, JSON.stringify(Object.keys(headers))).toBe(status);
    }
    expect((await decide(query, whole)).status).toBe(200);
  });

  test('is shown nothing of a request that was tampered with, and sent nowhere', async () => {
    const id = await clientId();
    const headers = await browser();
    const other = (more: Record<string, string | undefined>) =>
      ask('/v1/authorization', { query: queryOf(id, more) }, headers);
    for (const [more, oauth, back] of [
      [{ client_id: `${id}x` }, 'invalid_client', false],
      [{ client_id: id.replace(/^./, 'A') }, 'invalid_client', false],
      [{ redirect_uri: 'https://evil.example/callback' }, 'invalid_request', false],
      [{ redirect_uri: 'http://127.0.0.1:4711/other' }, 'invalid_request', false],
      [{ redirect_uri: 'http://127.0.0.1:4711@evil.example/callback' }, 'invalid_request', false],
      [{ redirect_uri: 'http://localhost:4711/callback' }, 'invalid_request', false],
      [{ code_challenge_method: 'plain' }, 'invalid_request', true],
      [{ code_challenge_method: undefined }, 'invalid_request', true],
      [{ code_challenge: undefined }, 'invalid_request', true],
      [{ response_type: 'token' }, 'unsupported_response_type', true],
      [{ resource: 'https://evil.example/mcp' }, 'invalid_target', true],
      [{ scope: 'admin' }, 'invalid_scope', true],
    ] as const) {
      const reply = await other(more);
      const { details } = JSON.parse(reply.text).error;
      expect
        .soft([reply.status, details.oauth, details.back !== undefined], JSON.stringify(more))
        .toEqual([400, oauth, back]);
      if (back) expect(new URL(details.back).searchParams.get('iss')).toBe(gateway.url);
    }
    const twice = await ask(
      '/v1/authorization',
      { query: `${queryOf(id)}&redirect_uri=https://evil.example` },
      headers,
    );
    expect(JSON.parse(twice.text).error.details.oauth).toBe('invalid_request');
  });
});

describe('a code', () => {
  test('is for one program, one address, one proof, one use and a minute', async () => {
    const headers = await browser();
    const id = await clientId();
    const fresh = async (): Promise<string> => codeIn(await decide(queryOf(id), headers));
    const other = await clientId('Other');
    expect(errorOf(await redeem(other, await fresh()))).toEqual([400, 'invalid_grant']);
    expect(errorOf(await redeem(id, await fresh(), { code_verifier: 'y'.repeat(43) }))).toEqual([400, 'invalid_grant']);
    expect(errorOf(await redeem(id, await fresh(), { code_verifier: 'short' }))).toEqual([400, 'invalid_grant']);
    expect(errorOf(await redeem(id, await fresh(), { redirect_uri: REDIRECT }))).toEqual([400, 'invalid_grant']);
    expect(errorOf(await redeem(id, await fresh(), { resource: 'https://evil.example/' }))).toEqual([
      400,
      'invalid_target',
    ]);
    expect(errorOf(await redeem('nobody', await fresh()))).toEqual([401, 'invalid_client']);
    const late = await fresh();
    clock += 60_001;
    expect(errorOf(await redeem(id, late))).toEqual([400, 'invalid_grant']);
    const stolen = await fresh();
    const { access_token } = JSON.parse((await redeem(id, stolen, { resource: `${gateway.url}/mcp` })).text);
    expect(await use(access_token)).toBe(200);
    expect(errorOf(await redeem(id, stolen))).toEqual([400, 'invalid_grant']);
    expect(await use(access_token)).toBe(401);
  });

  test('comes back to the program alone, with its state and with who says so', async () => {
    const id = await clientId('Agent', 'https://agents.example/cb?x=1&code=theirs');
    const { redirect } = JSON.parse((await decide(queryOf(id, { redirect_uri: undefined }), await browser())).text);
    const url = new URL(redirect);
    expect(url.origin + url.pathname).toBe('https://agents.example/cb');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      ...{ x: '1', code: expect.stringMatching(/^bn_/), state: 'st', iss: gateway.url },
    });
    expect(url.searchParams.getAll('code')).toHaveLength(1);
  });
});

describe('a grant', () => {
  test('is one token of ours with its maker, whose secret ends in an hour and is replaced', async () => {
    const grant = await granted();
    const found = gateway.auth.list().find(({ name }) => name === 'Agent (MCP)');
    expect(found).toMatchObject({ kind: 'token', scope: 'create', user: 'admin', madeBy: { user: 'admin' } });
    gateway.sql('UPDATE tokens SET secret_expires_at = 1 WHERE secret_expires_at IS NOT NULL');
    expect(await use(grant.access)).toBe(401);
    const reply = await refresh(grant.id, grant.refresh);
    const next = JSON.parse(reply.text);
    expect(next).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'create' });
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(await use(next.access_token)).toBe(200);
    expect(await use(grant.access)).toBe(401);
    expect(await use(next.refresh_token)).toBe(401);
    const [, still] = [grant, gateway.auth.list().find(({ name }) => name === 'Agent (MCP)')];
    expect(still?.id).toBe(found?.id);
  });

  test('ends when a refresh token comes twice', async () => {
    const grant = await granted();
    const next = JSON.parse((await refresh(grant.id, grant.refresh)).text);
    expect(errorOf(await refresh(await clientId('Other'), next.refresh_token))).toEqual([400, 'invalid_grant']);
    expect(await use(next.access_token)).toBe(200);
    expect(errorOf(await refresh(grant.id, grant.refresh))).toEqual([400, 'invalid_grant']);
    expect(await use(next.access_token)).toBe(401);
    expect(errorOf(await refresh(grant.id, next.refresh_token))).toEqual([400, 'invalid_grant']);
  });

  test('outlives the browser that allowed it, and ends with the token that this came from', async () => {
    const { id, token } = await gateway.token('create');
    const made = await ask('/v1/tickets', {}, { Authorization: `Bearer ${token}` });
    const login = await gateway.ask('/v1/login', postJson({ ticket: JSON.parse(made.text).ticket }));
    const headers = { ...loginHeaders(login), Origin: gateway.url };
    const grant = await granted(headers);
    expect((await ask('/v1/logout', {}, headers)).status).toBe(204);
    expect(await use(grant.access)).toBe(200);
    gateway.auth.revoke(id);
    expect(await use(grant.access)).toBe(401);
    expect(errorOf(await refresh(grant.id, grant.refresh))).toEqual([400, 'invalid_grant']);
  });

  test('allows nobody else: a program with its hour gets no longer life by a login of its own', async () => {
    const grant = await granted();
    const made = await ask('/v1/tickets', {}, { Authorization: `Bearer ${grant.access}` });
    const login = await gateway.ask('/v1/login', postJson({ ticket: JSON.parse(made.text).ticket }));
    const headers = { ...loginHeaders(login), Origin: gateway.url };
    const again = await decide(queryOf(await clientId('Itself')), headers);
    expect([again.status, again.code]).toEqual([403, 'forbidden']);
  });

  test('ends no later than a token with an end that is behind the person', async () => {
    const { token } = await gateway.token('create', 60_000);
    const made = await ask('/v1/tickets', {}, { Authorization: `Bearer ${token}` });
    const login = await gateway.ask('/v1/login', postJson({ ticket: JSON.parse(made.text).ticket }));
    const headers = { ...loginHeaders(login), Origin: gateway.url };
    const id = await clientId('Short');
    const first = JSON.parse((await redeem(id, codeIn(await decide(queryOf(id), headers)))).text);
    const second = JSON.parse((await refresh(id, first.refresh_token)).text);
    for (const { expires_in } of [first, second]) expect(expires_in).toBeLessThanOrEqual(60);
    const found = gateway.auth.list().find(({ name }) => name === 'Short (MCP)');
    expect(found?.expiresAt).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  test('is given back by its program, and by no other', async () => {
    const grant = await granted(undefined, 'view');
    await form('/oauth/revoke', { token: grant.access, client_id: await clientId('Other') });
    expect(await use(grant.access)).toBe(200);
    expect((await form('/oauth/revoke', { token: grant.refresh, client_id: grant.id })).status).toBe(200);
    expect(await use(grant.access)).toBe(401);
  });

  test('is one of 32 of a user: the one that was not used for longest ends for one more', async () => {
    const headers = await browser();
    const grants = [await granted(headers)];
    for (let n = 0; n < 32; n += 1) grants.push(await granted(headers, 'view'));
    expect(gateway.catalogue.oauthGrants.listOfUser('admin')).toHaveLength(32);
    expect(await use(grants.at(-1)?.access ?? '')).toBe(200);
    expect(await use(grants[0]?.access ?? '')).toBe(401);
  });

  test('tells a secret to nobody: none is at rest', async () => {
    const { access, refresh: secret } = await granted();
    const rows =
      JSON.stringify(gateway.auth.list()) + JSON.stringify(gateway.catalogue.oauthGrants.listOfUser('admin'));
    for (const one of [access, secret]) expect(rows).not.toContain(one);
    for (const text of gateway.logged) expect(text).not.toContain(secret);
  });
});
