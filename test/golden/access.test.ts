// Golden transcript: who may come in. Tokens, logins, share links and their guests, grants of OAuth, notifications.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { openTranscript } from './transcript.fixture.ts';

it('the gateway itself, tokens and logins are answered as they were', async () => {
  const t = await openTranscript('access');
  try {
    t.part('the gateway');
    await t.ask('GET /healthz', { token: null });
    await t.ask('GET /healthz', { token: null, headers: { Host: 'evil.example' } });
    await t.ask('GET /readyz', { token: null });
    await t.ask('GET /readyz', { token: null, headers: { Origin: 'https://evil.example' } });
    await t.ask('GET /v1/info');
    await t.ask('GET /v1/info?nosuchfield=1');
    const nonce = 'of-a-golden-transcript';
    await t.ask('POST /v1/proof', { token: null, body: { nonce }, show: ({ proof }) => ({ proof: proof.length }) });
    await t.ask('POST /v1/proof', { token: null, body: { nonce: 'short' } });
    await t.ask('GET /metrics', { show: namesOfMetrics });
    await t.ask('GET /metrics', {
      headers: { 'X-EXECD-ACCESS-TOKEN': t.gateway.adminToken },
      token: null,
      as: 'execd',
    });
    await t.ask('GET /metrics', { token: null });
    await t.ask('GET /openapi.json', { token: null, show: ({ openapi, servers }) => ({ openapi, servers }) });
    await t.ask('GET /openapi.json', { token: null, headers: { Host: 'evil.example' } });
    await t.ask('GET /asyncapi.json', { token: null, show: ({ asyncapi, servers }) => ({ asyncapi, servers }) });
    await t.ask('GET /asyncapi.json', { token: null, headers: { Origin: 'null' } });
    await t.ask('GET /nowhere');
    await t.ask('GET /nowhere', { headers: { Accept: 'text/html' } });
    await t.ask('PUT /v1/me');
    await t.ask('GET /v1/ws');

    t.part('tokens');
    const made = await t.ask('POST /v1/tokens', {
      body: { name: 'phone', scope: 'admin', user: 'ada' },
    });
    const { id, token } = made.json;
    await t.ask('POST /v1/tokens', { body: { name: 'phone', scope: 'everything' } });
    await t.ask('POST /v1/tokens', { body: { name: 'phone', scoop: 'view' } });
    await t.ask('POST /v1/tokens', { body: { name: 'x', scope: 'view', user: 'admin' } });
    await t.ask('GET /v1/tokens');
    await t.ask('GET /v1/tokens', { token: 'wrong', as: 'a wrong token' });
    const child = await t.ask('POST /v1/tokens', {
      body: { name: 'tablet', scope: 'view', ttlMs: 600_000 },
      token,
      as: 'ada',
    });
    await t.ask('GET /v1/tokens', { token: child.json.token, as: 'the child' });
    await t.ask('GET /v1/me', { token, as: 'ada' });
    await t.ask('GET /v1/me', { token: null });

    t.part('browser logins');
    const { json: ticket } = await t.ask('POST /v1/tickets', { body: { scope: 'input' }, token, as: 'ada' });
    await t.ask('POST /v1/tickets', { body: { scope: 'admin' }, token: child.json.token, as: 'the child' });
    const login = await t.ask('POST /v1/login', { body: { ticket: ticket.ticket }, token: null });
    await t.ask('POST /v1/login', { body: { ticket: ticket.ticket }, token: null });
    const cookie = String(login.headers['set-cookie']?.[0]?.split(';')[0]);
    const page = { Cookie: cookie, 'Binnacle-Key': login.json.key, Origin: t.gateway.url };
    const browser = { token: null, as: 'a browser', headers: page };
    await t.ask('GET /v1/me', browser);
    await t.ask('GET /v1/me', { token: null, headers: { Cookie: cookie, Origin: t.gateway.url } });
    const { json: pass } = await t.ask('POST /v1/passes', { ...browser, body: { target: '/v1/me' } });
    await t.ask(`GET /v1/me?pass=${pass.pass}`, { token: null, headers: { Cookie: cookie } });
    await t.ask('POST /v1/passes', { body: { target: '/v1/me' } });
    await t.ask(`GET /v1/tokens/${id}/issued`);
    await t.ask('GET /v1/tokens/nosuchtoken/issued');
    await t.ask('POST /v1/logout', { ...browser });
    await t.ask('POST /v1/logout', { ...browser });
    await t.ask(`DELETE /v1/tokens/${id}`);
    await t.ask(`DELETE /v1/tokens/${id}?issued=keep`);
    await t.ask(`DELETE /v1/tokens/${id}`);
    expect(t.text).toContain('token_has_issued');
    t.compare();
  } finally {
    await t.close();
  }
});

it('share links and their guests are answered as they were', async () => {
  const t = await openTranscript('shares', { config: { agents: { entries: { main: { driver: 'echo' } } } } });
  try {
    const { id } = await t.create({ argv: ['/bin/cat'], name: 'shown' });
    await t.need(`POST /v1/sessions/${id}/input`, { body: 'ahoy\n' });
    await t.shows(id, 'ahoy\r\nahoy\r\n');
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'plans' } });
    const path = encodeURIComponent(key);
    await t.need(`POST /v1/conversations/${path}/messages?wait=5000`, { body: { id: 'm1', text: 'hello' } });
    const input = await t.token('input', { user: 'ada' });

    t.part('links');
    const { json: typed } = await t.ask('POST /v1/shares', {
      body: { session: id, mode: 'type', uses: 2, label: 'for Bo' },
    });
    await t.ask('POST /v1/shares', { body: { session: id, conversation: key } });
    await t.ask('POST /v1/shares', { body: { session: 'nosuchsession' } });
    const { json: viewed } = await t.ask('POST /v1/shares', { body: { conversation: key, expiresInMs: 3_600_000 } });
    await t.ask('POST /v1/shares/look', { body: { secret: typed.secret }, token: null });
    await t.ask('POST /v1/shares/look', { body: { secret: 'nosuchsecret' }, token: null });
    const redeem = { secret: typed.secret, name: 'Bo', id: 'a-place-of-its-own' };
    const { json: guest } = await t.ask('POST /v1/shares/redeem', { body: redeem, token: null });
    await t.ask('POST /v1/shares/redeem', { body: redeem, token: null });
    await t.ask('POST /v1/shares/redeem', { body: { secret: 'nosuchsecret' }, token: null });
    const { json: reader } = await t.ask('POST /v1/shares/redeem', { body: { secret: viewed.secret }, token: null });
    await t.ask('GET /v1/shares');
    await t.ask('GET /v1/shares?over=maybe');
    await t.ask('GET /v1/shares', { token: input, as: 'ada' });
    await t.ask(`GET /v1/shares/${typed.id}`);
    await t.ask(`GET /v1/shares/${typed.id}`, { token: input, as: 'ada' });

    t.part('a guest of a session');
    const asGuest = { token: guest.credential, as: 'the guest' };
    await t.ask('GET /v1/me', asGuest);
    await t.ask('GET /v1/shared', asGuest);
    await t.ask('GET /v1/shared');
    await t.ask(`GET /v1/sessions/${id}`, asGuest);
    await t.ask('GET /v1/sessions', asGuest);
    await t.ask(`GET /v1/sessions/${id}/output`, asGuest);
    await t.ask(`GET /v1/sessions/${id}/lease`, asGuest);
    await t.ask(`POST /v1/sessions/${id}/input`, { ...asGuest, body: 'from a guest\n' });
    await t.ask(`POST /v1/sessions/${id}/signal`, { ...asGuest, body: { signal: 'SIGINT' } });
    await t.shows(id, 'from a guest\r\nfrom a guest\r\n');
    const socket = await t.socket('/v1/ws', {
      ...{ name: 'guest', token: null, as: 'the guest', headers: { Origin: t.gateway.url } },
      protocols: ['binnacle', `binnacle.guest.${guest.credential}`],
      // Whether its own input is in the log by then is chance.
      laneOf: ({ t: kind, ref }) => (ref !== undefined ? 'answers' : kind === 'entry' ? undefined : kind),
      lastOf: ['watchers'],
    });
    await socket.gets(({ t: kind }) => kind === 'hello');
    await socket.ask({ t: 'subscribe', session: id, from: 'now' });
    await socket.ask({ t: 'watch_watchers', session: id, on: true });
    await socket.gets(({ t: kind }) => kind === 'watchers');
    await socket.ask({ t: 'signal', session: id, signal: 'SIGINT' });

    t.part('a guest of a conversation');
    const asReader = { token: reader.credential, as: 'the reader' };
    await t.ask('GET /v1/shared', asReader);
    await t.ask(`GET /v1/conversations/${path}/messages`, asReader);
    await t.ask(`POST /v1/conversations/${path}/messages`, { ...asReader, body: { text: 'may I?' } });
    await t.ask(`GET /v1/sessions/${id}`, asReader);

    t.part('the end of a link');
    await t.ask(`DELETE /v1/shares/${typed.id}`, { token: input, as: 'ada' });
    await t.ask(`DELETE /v1/shares/${typed.id}`);
    await socket.closing();
    await socket.end();
    await t.ask('GET /v1/shared', asGuest);
    await t.ask('POST /v1/shares/redeem', { body: { secret: typed.secret }, token: null });
    await t.ask('GET /v1/shares?over=1');
    await t.ask(`GET /v1/shares/${typed.id}`);
    t.compare();
  } finally {
    await t.close();
  }
});

it('programs that log in over OAuth are answered as they were', async () => {
  const t = await openTranscript('oauth');
  try {
    t.part('what a program finds out');
    await t.ask('GET /.well-known/oauth-protected-resource', { token: null });
    await t.ask('GET /.well-known/oauth-protected-resource', { token: null, headers: { Host: 'evil.example' } });
    await t.ask('GET /.well-known/oauth-protected-resource/mcp', { token: null });
    await t.ask('GET /.well-known/oauth-protected-resource/nowhere', { token: null });
    await t.ask('GET /.well-known/oauth-authorization-server', { token: null });
    await t.ask('GET /.well-known/oauth-authorization-server', { token: null, headers: { Host: 'evil.example' } });
    await t.ask('GET /.well-known/oauth-authorization-server/', { token: null });
    await t.ask('GET /.well-known/oauth-authorization-server/nowhere', { token: null });

    t.part('how it is registered');
    const redirect = 'http://127.0.0.1:4711/callback';
    const registration = { client_name: 'An agent', redirect_uris: [redirect] };
    const { json: client } = await t.ask('POST /oauth/register', { body: registration, token: null });
    await t.ask('POST /oauth/register', { body: { redirect_uris: ['http://evil.example/'] }, token: null });

    t.part('how a person allows it');
    const verifier = 'a'.repeat(64);
    t.normal.call(client.client_id, '<client>');
    t.normal.call(encodeURIComponent(client.client_id), '<client>');
    const query = new URLSearchParams({
      ...{
        response_type: 'code',
        client_id: client.client_id,
        redirect_uri: redirect,
        state: 'a-state',
        scope: 'view input',
      },
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      ...{ code_challenge_method: 'S256', resource: `${t.gateway.url}/mcp` },
    }).toString();
    t.normal.call(encodeURIComponent(t.gateway.url), encodeURIComponent('<gateway>'));
    t.normal.call(encodeURIComponent(encodeURIComponent(t.gateway.url)), '<gateway>');
    const shown = await t.ask(`GET /oauth/authorize?${query}`, { token: null });
    expect(shown.status).toBe(303);
    await t.ask(`GET /oauth/authorize?${'x'.repeat(8001)}`, { token: null, isSilent: true });
    await t.ask('GET /oauth/authorize', { token: null, headers: { Host: 'evil.example' } });
    const browser = { headers: await t.login('input'), token: null, as: 'a browser' };
    const input = await t.token('input', { user: 'ada' });
    await t.ask('POST /v1/authorization', { ...browser, body: { query } });
    await t.ask('POST /v1/authorization', { ...browser, body: { query: 'response_type=token' } });
    await t.ask('POST /v1/authorization/decision', { ...browser, body: { query, decision: 'deny' } });
    await t.ask('POST /v1/authorization/decision', { ...browser, body: { query, decision: 'maybe' } });
    const allowed = { query, decision: 'allow', scope: 'view' };
    await t.ask('POST /v1/authorization/decision', { body: allowed, token: input, as: 'ada' });
    const decided = await t.need('POST /v1/authorization/decision', { ...browser, body: allowed });
    const code = new URL(decided.redirect).searchParams.get('code') ?? '';
    t.normal.call(code, '<authorization-code>');
    t.write({ note: 'allowed', redirect: decided.redirect });

    t.part('tokens for the code');
    const form = (fields: object) => ({
      token: null,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ client_id: client.client_id, ...fields }).toString(),
    });
    const proof = { code, code_verifier: verifier, redirect_uri: redirect };
    const redeemed = { grant_type: 'authorization_code', ...proof };
    const { json: tokens } = await t.ask('POST /oauth/token', form(redeemed));
    await t.ask('POST /oauth/token', form({ grant_type: 'password' }));
    await t.ask('POST /oauth/token', { token: null, body: '{}', headers: { 'Content-Type': 'application/json' } });
    await t.ask('GET /v1/me', { token: tokens.access_token, as: 'the program' });
    const { json: fresh } = await t.ask(
      'POST /oauth/token',
      form({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token }),
    );
    await t.ask('GET /v1/tokens');
    await t.ask('POST /oauth/revoke', form({ token: fresh.refresh_token }));
    await t.ask('POST /oauth/revoke', form({}));
    await t.ask('GET /v1/me', { token: fresh.access_token, as: 'the program' });
    t.compare();
  } finally {
    await t.close();
  }
});

it('behind a proxy with a path, what a program finds out begins with that path as it did', async () => {
  const t = await openTranscript('oauth-path', { publicUrl: 'https://box.example.org/binnacle/' });
  try {
    const headers = { Host: 'box.example.org' };
    await t.ask('GET /.well-known/oauth-authorization-server/binnacle', { token: null, headers });
    await t.ask('GET /.well-known/oauth-protected-resource/binnacle/mcp', { token: null, headers });
    await t.ask('POST /v1/tickets', { body: {}, headers });
    t.compare();
  } finally {
    await t.close();
  }
});

it('notifications are answered as they were', async () => {
  // Takes what a push service takes; what it is told is encrypted.
  const pushed: string[] = [];
  const service = createServer((request, response) => {
    pushed.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => response.writeHead(201).end());
  });
  await new Promise<void>((done) => service.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(service.address() as { port: number }).port}`;
  const t = await openTranscript('notifications', {
    config: {
      agents: { entries: { main: { driver: 'echo' } } },
      notify: { pushOrigins: [origin, 'http://127.0.0.1:9'] },
    },
  });
  t.normal.call(origin, '<push-service>');
  try {
    const { id } = await t.create({ argv: ['/bin/cat'], name: 'muted' });
    const { key } = await t.need('POST /v1/conversations', { body: { name: 'plans' } });
    const path = encodeURIComponent(key);
    t.part('browsers');
    await t.ask('GET /v1/push');
    await t.ask('GET /v1/push?browser=1');
    await t.ask('PATCH /v1/push', { body: { done: false } });
    await t.ask('PATCH /v1/push', { body: { done: 'no' } });
    const keys = {
      p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
      auth: 'BTBZMqHH6r4Tts7J_aSIgg',
    };
    await t.ask('PUT /v1/push/subscription', { body: { endpoint: `${origin}/a-browser`, keys } });
    await t.ask('POST /v1/push/test', { body: {} });
    t.write({ pushed });
    // Tests are sent once a second, to each user.
    const ada = { token: await t.token('view', { user: 'ada' }), as: 'ada' };
    const endpoint = 'http://127.0.0.1:9/a-browser';
    await t.ask('PUT /v1/push/subscription', { ...ada, body: { endpoint, keys, expirationTime: null } });
    await t.ask('PUT /v1/push/subscription', { ...ada, body: { endpoint: 'http://10.0.0.1/', keys } });
    await t.ask('GET /v1/push', ada);
    await t.ask('POST /v1/push/test', { ...ada, body: {}, show: ({ error }) => ({ code: error.code }) });
    await t.ask('POST /v1/push/test', {
      body: { endpoint: 'https://push.example.org/none' },
      ...ada,
      show: ({ error }) => error.code,
    });
    await t.ask('DELETE /v1/push/subscription', { ...ada, body: { endpoint } });
    await t.ask('DELETE /v1/push/subscription', { ...ada, body: {} });
    t.part('mutes');
    await t.ask(`PUT /v1/sessions/${id}/mute`);
    await t.ask('PUT /v1/sessions/nosuchsession/mute');
    await t.ask(`PUT /v1/conversations/${path}/mute`);
    await t.ask('PUT /v1/conversations/agent%3Amain%3Anone/mute');
    await t.ask('GET /v1/mutes');
    await t.ask('GET /v1/mutes', { token: null });
    await t.ask(`DELETE /v1/sessions/${id}/mute`);
    await t.ask('DELETE /v1/sessions/nosuchsession/mute');
    await t.ask(`DELETE /v1/conversations/${path}/mute`);
    await t.ask('DELETE /v1/conversations/agent%3Amain%3Anone/mute');
    await t.ask('GET /v1/mutes');
    await t.ask('GET /v1/notices');
    await t.ask('GET /v1/notices?after=soon');
    t.compare();
  } finally {
    await t.close();
    service.close();
  }
});

/** Names and labels of what is measured; the numbers are chance. */
function namesOfMetrics(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.startsWith('binnacle_'));
  return lines.map((line) => line.replace(/ [^ ]+$/, '')).sort();
}
