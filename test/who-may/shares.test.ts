// Share links over a real gateway: what a guest reaches and what not, how a link ends, and who is told of it.

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { openGateway } from '../support/gateway.ts';
import type { Reply } from '../support/gateway-access.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { contentOf } from './content.fixture.ts';

let gateway: GatewayProcess;
let session: string;
let talk: string;
const configDir = mkdtempSync(join(tmpdir(), 'binnacle-shares-'));
beforeAll(async () => {
  const configPath = join(configDir, 'config.jsonc');
  writeFileSync(configPath, JSON.stringify({ agents: { entries: { echo: { driver: 'echo', default: true } } } }));
  gateway = await openGatewayProcess({ logLevel: 'trace', configPath });
  session = (await gateway.create({ argv: ['/bin/cat'] })).id;
  const talked = await gateway.ask('/v1/conversations', { body: { agent: 'echo' } });
  if (talked.status !== 201) throw new Error(talked.text);
  talk = talked.json.key;
});
afterAll(async () => {
  await gateway.close();
  rmSync(configDir, { recursive: true, force: true });
});

interface Made {
  readonly id: string;
  readonly secret: string;
  readonly url: string;
}

async function make(body: object, token = gateway.token): Promise<Made> {
  const { status, json, text } = await gateway.ask('/v1/shares', { token, body });
  if (status !== 201) throw new Error(text);
  return json;
}

const redeem = (secret: string, more: object = {}): Promise<Reply> =>
  gateway.ask('/v1/shares/redeem', { token: null, body: { secret, ...more } });

/** A link and one guest of it. */
async function guestOf(body: object, token = gateway.token): Promise<Made & { readonly credential: string }> {
  const made = await make(body, token);
  return { ...made, credential: (await redeem(made.secret)).json.credential };
}

const detailsOf = async (id: string) => (await gateway.ask(`/v1/shares/${id}`)).json;

/** As a page opens it: the credential is one of the subprotocols. Resolves with the status, and what was chosen. */
function upgrade(path: string, protocols: string): Promise<{ status: number; chosen: string | undefined }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(gateway.url + path, {
      headers: {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-protocol': protocols,
        origin: gateway.url,
      },
    });
    const told = (response: import('node:http').IncomingMessage): void =>
      resolve({ status: response.statusCode ?? 0, chosen: response.headers['sec-websocket-protocol'] });
    outgoing.on('response', told);
    outgoing.on('upgrade', (response, socket) => {
      socket.destroy();
      told(response);
    });
    outgoing.on('error', reject).end();
  });
}

describe('denied-by-default: guests of share links (S33)', () => {
  it('by frames that show or type it gets what is shared, and hears of nothing else', async () => {
    const { credential } = await guestOf({ session, mode: 'type' });
    const frames = await gateway.frames('/v1/ws', credential);
    for (const frame of [
      { t: 'watch', on: true },
      { t: 'watch_conversations', on: true, runs: true },
      { t: 'subscribe', session },
      { t: 'lease', session, action: 'acquire' },
      { t: 'input', session, text: 'hello\n' },
      { t: 'resize', session, cols: 90, rows: 30 },
      { t: 'lease', session, action: 'take' },
    ]) {
      expect.soft({ frame, ...(await frames.ask(frame)) }).not.toMatchObject({ t: 'error' });
    }
    // It watches, and hears of no other session.
    const third = await gateway.create({ argv: ['/bin/true'] });
    await gateway.closed(third.id);
    await frames.ask({ t: 'ping', time: 1 });
    const told = frames.all.filter(({ t }) => t === 'session').map(({ info }) => info.id);
    expect(new Set(told)).toEqual(new Set([session]));
    // Nor of any conversation.
    const heard = await gateway.frames('/v1/ws');
    await heard.ask({ t: 'watch_conversations', on: true });
    await gateway.ask(`/v1/conversations/${encodeURIComponent(talk)}`, { method: 'PATCH', body: { title: 'told' } });
    await until('who may see it hears of it', () => heard.all.some(({ t }) => t === 'conversation'));
    await frames.ask({ t: 'ping', time: 2 });
    expect(frames.all.filter(({ t }) => t === 'conversation' || t === 'events')).toEqual([]);
    heard.ws.terminate();
    frames.ws.terminate();
  });

  it('a conversation is followed and written to, and neither commanded nor interrupted', async () => {
    const { credential } = await guestOf({ conversation: talk, mode: 'type' });
    const frames = await gateway.frames('/v1/ws', credential);
    const { t, info } = await frames.ask({ t: 'follow', conversation: talk });
    expect({ t, info }).toMatchObject({ t: 'following', info: { mine: false, owner: null } });
    expect(await frames.ask({ t: 'send', conversation: talk, id: 'one', text: 'hello' })).toMatchObject({ t: 'ok' });
    for (const wrong of [{ text: '/weather' }, { text: 'Stop!' }, { text: 'wait', steer: 'interrupt' }]) {
      const said = await frames.ask({ t: 'send', conversation: talk, id: 'two', ...wrong });
      expect.soft(said.error).toMatchObject({ code: 'forbidden' });
      const body = { id: 'two', ...wrong };
      const path = `/v1/conversations/${encodeURIComponent(talk)}/messages`;
      expect.soft(await gateway.ask(path, { token: credential, body })).toMatchObject({ code: 'forbidden' });
    }
    const { messages } = (await gateway.ask(`/v1/conversations/${encodeURIComponent(talk)}/messages`)).json;
    // Of changes of that one it hears, and of no other.
    expect(await frames.ask({ t: 'watch_conversations', on: true })).toMatchObject({ t: 'ok' });
    const another = await gateway.ask('/v1/conversations', { body: { agent: 'echo' } });
    for (const key of [another.json.key, talk]) {
      await gateway.ask(`/v1/conversations/${encodeURIComponent(key)}`, { method: 'PATCH', body: { title: 'new' } });
    }
    await until('it hears of its own', () => frames.all.some(({ t }) => t === 'conversation'));
    const told = frames.all.filter(({ t }) => t === 'conversation').map(({ info: { key, owner } }) => ({ key, owner }));
    expect(told).toEqual([{ key: talk, owner: null }]);
    const mine = messages.find(({ id }: { id: string }) => id === 'one');
    expect(mine.by ?? mine.author).toMatchObject({ name: 'guest 1', user: expect.stringMatching(/^share:/) });
    frames.ws.terminate();
  });

  it('the credential counts as a header and as a subprotocol, which echoes none of it; and nowhere else', async () => {
    const { credential, secret } = await guestOf({ session });
    const ok = await upgrade('/v1/ws', `binnacle, binnacle.guest.${credential}`);
    expect(ok).toEqual({ status: 101, chosen: 'binnacle' });
    const refused = async (protocols: string) => (await upgrade('/v1/ws', protocols)).status;
    expect(await refused(`binnacle.guest.${credential}`)).toBe(401);
    expect(await refused(`binnacle, binnacle.guest.${gateway.token}`)).toBe(401);
    expect(await refused(`binnacle, binnacle.guest.${credential}, binnacle.guest.${credential}`)).toBe(401);
    for (const token of [secret, credential.slice(0, -1)]) {
      expect((await gateway.ask(`/v1/sessions/${session}`, { token })).status).toBe(401);
    }
    const path = `/v1/sessions/${session}?token=${credential}&share=${secret}`;
    expect((await gateway.ask(path, { token: null })).status).toBe(401);
  });
});

describe('a share link', () => {
  inAll(
    'has so many exports under way and so many that wait for all its guests, and takes no place of anybody else',
    async () => {
      // More than the buffers of the connections take.
      const size = count({ quick: 16_000_000, all: 30_000_000 });
      const argv = ['bash', '-c', `yes some words | head -c ${size}`];
      const { id } = (await gateway.ask('/v1/sessions', { body: { argv } })).json;
      await until('it has closed', async () => (await gateway.ask(`/v1/sessions/${id}`)).json.state === 'closed');
      const one = await guestOf({ session: id });
      const two = (await redeem(one.secret)).json.credential;
      const open: { status?: number; end(): void }[] = [];
      // Nothing of the answers is read: none comes to its end.
      const ask = (credential: string): void => {
        const outgoing = request(`${gateway.url}/v1/sessions/${id}/export?format=text`, {
          headers: { authorization: `Bearer ${credential}` },
          agent: false,
        });
        const asked: (typeof open)[number] = { end: () => outgoing.destroy() };
        open.push(asked);
        outgoing.on('response', (response) => {
          asked.status = response.statusCode ?? 0;
        });
        outgoing.on('error', () => undefined).end();
      };
      const answered = (status: number) => open.filter((asked) => asked.status === status).length;
      for (let n = 0; n < 45; n += 1) ask(n % 2 === 0 ? one.credential : two);
      await until('those that are too many are refused', async () => answered(429) === 5);
      await until('eight are under way', async () => answered(200) === 8);
      expect(open.filter(({ status }) => status === undefined)).toHaveLength(32);
      const owners = await gateway.ask(`/v1/sessions/${id}/export?format=text`);
      expect(owners.text.length).toBeGreaterThan(size - 1_000_000);
      open.find(({ status }) => status === 200)?.end();
      await until('the next one is let in', async () => answered(200) === 9);
      for (const { end } of open) end();
    },
  );

  it('may no more than the token that made it, and ends with it', async () => {
    const viewer = await gateway.tokenOf('view');
    const asked = { token: viewer.token, body: { session, mode: 'type' } };
    expect(await gateway.ask('/v1/shares', asked)).toMatchObject({ status: 403, code: 'forbidden' });
    const { token: ingest } = await gateway.tokenOf('ingest');
    expect(await gateway.ask('/v1/shares', { token: ingest, body: { session } })).toMatchObject({ status: 403 });
    const own = { token: viewer.token, body: { conversation: talk } };
    expect(await gateway.ask('/v1/shares', own)).toMatchObject({ status: 404, code: 'conversation_not_found' });

    const { id, credential, secret } = await guestOf({ session }, viewer.token);
    const frames = await gateway.frames('/v1/ws', credential);
    await gateway.ask(`/v1/tokens/${viewer.id}`, { method: 'DELETE' });
    expect(await frames.closing(1000)).toEqual({ code: 4006, reason: 'share_revoked' });
    expect(await redeem(secret)).toMatchObject({ status: 410, code: 'share_revoked' });
    expect(await detailsOf(id)).toMatchObject({ state: 'revoked' });
    const short = (await gateway.ask('/v1/tokens', { body: { name: 'x', scope: 'view', ttlMs: 60_000 } })).json;
    const made = (await gateway.ask('/v1/shares', { token: short.token, body: { session } })).json;
    expect(made.expiresAt).toBe(short.expiresAt);
  });

  it('is seen and revoked by whoever made it and by admins; to others it is not there', async () => {
    const [mine, others] = await Promise.all([gateway.tokenOf('view'), gateway.tokenOf('create')]);
    const { id } = await make({ session, label: 'for Ada' }, mine.token);
    const listed = async (token: string) =>
      (await gateway.ask('/v1/shares', { token })).json.shares.map((share: { id: string }) => share.id);
    expect(await listed(mine.token)).toEqual([id]);
    expect(await listed(others.token)).toEqual([]);
    expect(await listed(gateway.token)).toContain(id);
    for (const method of ['GET', 'DELETE']) {
      const reply = await gateway.ask(`/v1/shares/${id}`, { method, token: others.token });
      expect(reply).toMatchObject({ status: 404, code: 'share_not_found' });
    }
    expect((await gateway.ask(`/v1/shares/${id}`, { method: 'DELETE', token: mine.token })).status).toBe(204);
    expect(await listed(mine.token)).toEqual([]);
  });

  it('with a number of uses lets in exactly so many of 50 who come at once', async () => {
    const { id, secret } = await make({ session, uses: 7 });
    const replies = await Promise.all(Array.from({ length: 50 }, () => redeem(secret)));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(7);
    expect(replies.filter(({ code, status }) => status === 410 && code === 'share_used_up')).toHaveLength(43);
    expect(new Set(replies.map(({ json }) => json.credential)).size).toBe(8);
    const { state, used, guests, audit } = await detailsOf(id);
    expect({ state, used, guests: guests.length }).toEqual({ state: 'used_up', used: 7, guests: 7 });
    expect(audit.filter(({ what }: { what: string }) => what === 'refused')).toHaveLength(43);
    // Those who are in stay in.
    const token = replies.find(({ status }) => status === 201)?.json.credential;
    expect((await gateway.ask(`/v1/sessions/${session}`, { token })).status).toBe(200);
  });

  it('shows who is watching: by the name that they gave, since when, and who drives', async () => {
    const { id, secret } = await make({ session, mode: 'type' });
    const name = '  A\u200dd\u200ca\u202e\n\x1b[31m Lovelace ';
    const ada = (await redeem(secret, { name })).json;
    const nobody = (await redeem(secret)).json;
    expect([ada.name, nobody.name]).toEqual(['Ada [31m Lovelace (guest)', 'guest 2']);
    // A page gives a name 40 characters, and the mark is one of what it shows.
    const other = await make({ session, mode: 'view' });
    const filled = (await redeem(other.secret, { name: `Eve${'\u034f\u3164\u2800\u200d'.repeat(7)}` })).json;
    const long = (await redeem(other.secret, { name: 'x'.repeat(40) })).json;
    const blank = (await redeem(other.secret, { name: '\u3164\u115f\u1160\u2800\uffa0\u034f' })).json;
    expect([filled.name, long.name, blank.name]).toEqual(['Eve (guest)', `${'x'.repeat(32)} (guest)`, 'guest 3']);
    expect((await detailsOf(id)).viewers).toEqual([]);
    const [one, two] = await Promise.all([
      gateway.frames('/v1/ws', ada.credential),
      gateway.frames('/v1/ws', nobody.credential),
    ]);
    await one.ask({ t: 'subscribe', session });
    const granted = await one.ask({ t: 'lease', session, action: 'take', holder: 'admin' });
    // Nobody drives under another's name.
    expect(granted.result.holder).toBe(ada.name);
    await until('the lease is told', async () => (await detailsOf(id)).viewers[0]?.driving === true);
    const since = expect.any(Number);
    expect((await detailsOf(id)).viewers).toEqual([
      { id: expect.any(String), name: ada.name, since, driving: true },
      { id: expect.any(String), name: 'guest 2', since, driving: false },
    ]);
    // A guest competes for the lease like anybody.
    const refused = await two.ask({ t: 'lease', session, action: 'acquire' });
    expect(refused.error).toMatchObject({ code: 'lease_held', details: { holder: ada.name } });
    const owner = await gateway.frames();
    expect((await owner.ask({ t: 'lease', session, action: 'take' })).t).toBe('ok');
    const lost = await one.next(({ t, yours }) => t === 'lease' && yours === false);
    expect(lost.lost.code).toBe('taken_over');
    await owner.ask({ t: 'lease', session, action: 'release', lease: '' });
    for (const { ws } of [one, two, owner]) ws.terminate();
    await until('nobody watches', async () => (await detailsOf(id)).viewers.length === 0);
  });

  it('that is revoked ends its WebSocket, events and raw streams within a second, and all that it let in', async () => {
    const { id, credential, secret } = await guestOf({ session, mode: 'type' });
    const headers = { authorization: `Bearer ${credential}` };
    const frames = await gateway.frames('/v1/ws', credential);
    await frames.ask({ t: 'subscribe', session });
    await frames.ask({ t: 'lease', session, action: 'take' });
    const at = `${gateway.url}/v1/sessions/${session}/output`;
    const streams = await Promise.all([
      fetch(`${at}?follow=1`, { headers }),
      fetch(at, { headers: { ...headers, accept: 'text/event-stream' } }),
    ]);
    const over = (response: Response) =>
      response.text().then(
        () => performance.now(),
        () => performance.now(),
      );
    const ends = streams.map(over);
    const begun = performance.now();
    expect((await gateway.ask(`/v1/shares/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await frames.closing(1000)).toEqual({ code: 4006, reason: 'share_revoked' });
    for (const end of await Promise.all(ends)) expect(end - begun).toBeLessThan(1000);
    const reply = await gateway.ask(`/v1/sessions/${session}`, { token: credential });
    expect(reply).toMatchObject({ status: 410, code: 'share_revoked' });
    expect(await redeem(secret)).toMatchObject({ status: 410, code: 'share_revoked' });
    expect(await detailsOf(id)).toMatchObject({ state: 'revoked', revokedBy: 'admin', viewers: [] });
    // its lease is for others at once, or after the grace that anybody has.
    const owner = await gateway.frames();
    expect((await owner.ask({ t: 'lease', session, action: 'take' })).t).toBe('ok');
    owner.ws.terminate();
  });

  it('that expires closes what is open, in real time', async () => {
    const { credential, secret } = await guestOf({ session, expiresInMs: 700 });
    const frames = await gateway.frames('/v1/ws', credential);
    expect(await frames.closing(2000)).toEqual({ code: 4005, reason: 'share_expired' });
    const late = await gateway.ask(`/v1/sessions/${session}`, { token: credential });
    expect(late).toMatchObject({ status: 410, code: 'share_expired' });
    expect(await redeem(secret)).toMatchObject({ status: 410, code: 'share_expired' });
    const blink = await make({ session, expiresInMs: 1 });
    await until('it has expired', async () => (await detailsOf(blink.id)).state === 'expired');
    expect(await redeem(blink.secret)).toMatchObject({ status: 410, code: 'share_expired' });
  });

  it('to a session that is deleted says so, and takes no use for it', async () => {
    const gone = (await gateway.create({ argv: ['/bin/cat'] })).id;
    const { id, credential, secret } = await guestOf({ session: gone, uses: 2 });
    const frames = await gateway.frames('/v1/ws', credential);
    await frames.ask({ t: 'subscribe', session: gone });
    await gateway.ask(`/v1/sessions/${gone}`, { method: 'DELETE' });
    await frames.next(({ t, error }) => t === 'end' || error?.code === 'session_gone');
    const looked = await gateway.ask(`/v1/sessions/${gone}`, { token: credential });
    expect(looked).toMatchObject({ status: 410, code: 'session_gone' });
    expect(await redeem(secret)).toMatchObject({ status: 410, code: 'session_gone' });
    expect((await detailsOf(id)).used).toBe(1);
    const body = { session: gone };
    expect(await gateway.ask('/v1/shares', { body })).toMatchObject({ status: 410, code: 'session_gone' });
    frames.ws.terminate();
  });

  it('to a session of a conversation shows nothing that its maker does not see any more', async () => {
    const ada = (await gateway.ask('/v1/tokens', { body: { name: 'ada', scope: 'input', user: 'ada' } })).json;
    const visibility = { kind: 'shared', with: ['ada'] };
    const { key } = (await gateway.ask('/v1/conversations', { body: { agent: 'echo', visibility } })).json;
    const { credential, secret } = await guestOf({ conversation: key, mode: 'type' }, ada.token);
    const frames = await gateway.frames('/v1/ws', credential);
    await frames.ask({ t: 'follow', conversation: key });
    const path = `/v1/conversations/${encodeURIComponent(key)}`;
    expect((await gateway.ask(path, { token: credential })).json).toMatchObject({ owner: null, mine: false });
    await gateway.ask(path, { method: 'PATCH', body: { visibility: { kind: 'private' } } });
    await frames.next(({ t, error }) => t === 'error' && error.code === 'conversation_not_found');
    expect(await gateway.ask(path, { token: credential })).toMatchObject({ code: 'conversation_not_found' });
    expect(await redeem(secret)).toMatchObject({ code: 'conversation_not_found' });
    frames.ws.terminate();
  });

  it.for([
    [{}],
    [{ session: 'x', conversation: 'y' }],
    [{ session: 7 }],
    [{ session: 'SESSION', mode: 'admin' }],
    [{ session: 'SESSION', expiresInMs: 30 * 86_400_000 + 1 }],
    [{ session: 'SESSION', expiresInMs: 0 }],
    [{ session: 'SESSION', uses: 0 }],
    [{ session: 'SESSION', uses: 1.5 }],
    [{ session: 'SESSION', scope: 'admin' }],
  ] as const)('%j is refused with a code', async ([asked]) => {
    const body = JSON.parse(JSON.stringify(asked).replace('SESSION', session));
    expect(await gateway.ask('/v1/shares', { body })).toMatchObject({ status: 400, code: 'bad_request' });
  });
});

describe('redeeming', () => {
  it('over a kill -9 is one use: with the same id it is the same guest again', async () => {
    const { id, secret } = await make({ session, uses: 1 });
    const again = { id: 'chosen-by-the-client-0123' };
    // The answers of those that were asked before the kill are lost, whether they were carried out or not.
    const lost = Array.from({ length: 5 }, () => redeem(secret, again).catch(() => undefined));
    const first = await Promise.race(lost);
    await gateway.kill();
    await Promise.all(lost);
    await gateway.start();
    const { status, json } = await redeem(secret, again);
    expect(status).toBe(201);
    if (first !== undefined) expect(json.credential).toBe(first.json.credential);
    expect(await detailsOf(id)).toMatchObject({ used: 1, state: 'used_up', guests: [{ name: 'guest 1' }] });
    expect(await redeem(secret)).toMatchObject({ code: 'share_used_up' });
    expect((await gateway.ask(`/v1/sessions/${session}`, { token: json.credential })).status).toBe(200);
  });

  it('is looked at before: what it would show, for no use; and why it shows nothing', async () => {
    const look = (secret: string) => gateway.ask('/v1/shares/look', { token: null, body: { secret } });
    const { id, secret } = await make({ session, mode: 'type', uses: 1, label: 'for Bea' });
    const { status, json } = await look(secret);
    expect(status).toBe(200);
    // No id and no name of anybody: those are for guests.
    expect(json).toEqual({
      kind: 'session',
      mode: 'type',
      label: 'for Bea',
      expiresAt: expect.any(Number),
      usesLeft: 1,
    });
    expect(await detailsOf(id)).toMatchObject({ used: 0, state: 'open' });
    await redeem(secret);
    expect(await look(secret)).toMatchObject({ status: 410, code: 'share_used_up' });
    const { audit } = await detailsOf(id);
    expect(audit.at(-1)).toMatchObject({ what: 'refused', by: 'share_used_up' });
    await gateway.ask(`/v1/shares/${id}`, { method: 'DELETE' });
    expect(await look(secret)).toMatchObject({ status: 410, code: 'share_revoked' });
    const gone = (await gateway.create({ argv: ['/bin/cat'] })).id;
    const toGone = await make({ session: gone });
    await gateway.ask(`/v1/sessions/${gone}`, { method: 'DELETE' });
    expect(await look(toGone.secret)).toMatchObject({ code: expect.stringMatching(/^session_/) });
    expect(await look(`${secret}x`)).toMatchObject({ status: 401, code: 'unauthorized' });
  });

  it('takes no guesses: wrong secrets are refused, and too many from one address wait', async () => {
    const strict = await openGateway();
    try {
      const { id } = await strict.create({ argv: ['/bin/cat'] });
      const { secret } = (await strict.ask('/v1/shares', { body: { session: id } })).json;
      const guess = (n: number) => ({ token: null, body: { secret: `bs_guess${n}` } });
      const codes = new Map<string | undefined, number>();
      for (let n = 0; n < 100; n += 1) {
        const { code } = await strict.ask('/v1/shares/redeem', guess(n));
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      expect(Object.fromEntries(codes)).toEqual({ unauthorized: 20, rate_limited: 80 });
      const late = await strict.ask('/v1/shares/redeem', guess(0));
      expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0);
      // Nobody else waits for that: not with a link that was made, nor with a token.
      expect((await strict.ask('/v1/shares/redeem', { token: null, body: { secret } })).status).toBe(201);
      expect((await strict.ask('/v1/me')).status).toBe(200);
    } finally {
      await strict.close();
    }
  });
});

describe('what is written down', () => {
  it('tells who made it, who redeemed it from where, and who revoked it', async () => {
    const { id, secret } = await make({ session, label: 'demo' });
    await redeem(secret, { name: 'Ada' });
    await gateway.ask(`/v1/shares/${id}`, { method: 'DELETE' });
    await redeem(secret);
    const { audit, label } = await detailsOf(id);
    const address = expect.stringMatching(/127\.0\.0\.1$/);
    const at = expect.any(Number);
    expect(label).toBe('demo');
    expect(audit).toEqual([
      { at, what: 'made', by: 'admin', address },
      { at, what: 'redeemed', by: 'Ada (guest)', address },
      { at, what: 'revoked', by: 'admin', address },
      { at, what: 'refused', by: 'share_revoked', address },
    ]);
  });

  it('no secret and no credential is in any file or in the log', async () => {
    const { id, secret, url, credential } = await guestOf({ session });
    expect(url).toBe(`${gateway.url}/#share=${secret}`);
    await upgrade('/v1/ws', `binnacle, binnacle.guest.${credential}`);
    await gateway.ask(`/v1/sessions/${session}`, { token: credential });
    const told = JSON.stringify([await detailsOf(id), (await gateway.ask('/v1/shares')).json]);
    const files = readdirSync(gateway.dir, { recursive: true })
      .map((name) => join(gateway.dir, String(name)))
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
    for (const hidden of [secret, credential]) {
      const found = files.filter((path) => contentOf(path).includes(hidden));
      expect({ hidden: hidden.slice(0, 3), found }).toEqual({ hidden: hidden.slice(0, 3), found: [] });
      expect(gateway.stderr.includes(hidden)).toBe(false);
      expect(told.includes(hidden)).toBe(false);
    }
    expect(gateway.stderr).toContain('"path":"/v1/shares/redeem"');
  });
});
