// Ways in, and ways to lose something, that somebody found who set out to.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mountSmallDisk, type SmallDisk } from '../gateway/small-disk.fixture.ts';
import { count, isAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { asJson, endOf, pathOf, Wire, withJson, writeConfig } from './conversation.fixture.ts';

const FAKE_ACP = resolve(import.meta.dirname, '../agents/fake-acp.mjs');
const AGENTS = {
  main: { driver: 'echo', default: true },
  open: { driver: 'echo', visibility: { kind: 'everyone' } },
  acp: { driver: 'acp', command: [process.execPath, FAKE_ACP] },
};

let gateway: Gateway;
beforeAll(async () => {
  gateway = await openGateway({
    prepare: (dir) =>
      writeConfig(dir, { agents: { entries: AGENTS }, bindings: [{ agentId: 'open', match: { channel: 'user' } }] }),
  });
});
afterAll(() => gateway.close());

const tokenOf = async (user: string, scope = 'input'): Promise<{ id: string; token: string }> =>
  await asJson(gateway.fetch('/v1/tokens', withJson({ name: user, scope, user })), 201);

const codeOf = async (response: Response): Promise<{ status: number; code: string | undefined }> => {
  const { error } = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: error?.code };
};

const post = (path: string, body: object, token?: string): Promise<Response> =>
  gateway.fetch(path, withJson(body, token));

describe('a conversation of somebody else is not handed out', () => {
  test('by a name of an agent that spells the key', async () => {
    const [bob, eve] = await Promise.all([tokenOf('bob'), tokenOf('eve')]);
    await asJson(post('/v1/conversations', { name: 'user:eve:x' }, bob.token), 201);
    const asked = await post('/v1/conversations', { agent: 'main:user:bob', name: 'x' }, eve.token);
    expect(await codeOf(asked)).toEqual({ status: 400, code: 'unknown_agent' });
  });

  test('by the name that an admin has given it in another user’s name', async () => {
    const mallory = await tokenOf('mallory');
    await asJson(post('/v1/conversations', { key: 'agent:main:user:mallory:note' }), 201);
    const asked = await post('/v1/conversations', { name: 'note' }, mallory.token);
    expect(await codeOf(asked)).toEqual({ status: 404, code: 'conversation_not_found' });
  });

  test('to a channel that calls itself like a user, nor to a peer of any kind', async () => {
    const asUser = await post('/v1/inbound', { channel: ' User ', peer: { kind: 'group', id: 'x' }, text: 'hi' });
    expect(await codeOf(asUser)).toEqual({ status: 400, code: 'bad_request' });
    const asPeer = await post('/v1/inbound', { channel: 'web', peer: { kind: 'bob', id: 'secret' }, text: 'hi' });
    expect(await codeOf(asPeer)).toEqual({ status: 400, code: 'bad_request' });
    const withColon = await post('/v1/inbound', { channel: 'user:bob', peer: { kind: 'group', id: 'x' }, text: 'hi' });
    expect(await codeOf(withColon)).toEqual({ status: 400, code: 'bad_request' });
  });
});

describe('who waits for an answer', () => {
  const talk = async (user: string) => {
    const owner = await tokenOf(`owner-${user}`);
    const guest = await tokenOf(user);
    const made = { visibility: { kind: 'shared', with: [user] } };
    const { key } = await asJson<{ key: string }>(post('/v1/conversations', made, owner.token), 201);
    await asJson(
      post(
        `${pathOf(key)}/messages`,
        { id: 'm1', text: `/slow ${'word '.repeat(count({ quick: 8, all: 20 }))}` },
        owner.token,
      ),
      202,
    );
    const headers = { authorization: `Bearer ${guest.token}` };
    const waiting = gateway.fetch(`${pathOf(key)}/runs/m1?wait=20000`, { headers });
    return { key, owner, guest, waiting };
  };

  test('is not told it when they may not see it any more', async () => {
    const { key, owner, waiting } = await talk('waits');
    const change = { ...withJson({ visibility: { kind: 'private' } }, owner.token), method: 'PATCH' };
    await asJson(gateway.fetch(pathOf(key), change));
    expect(await codeOf(await waiting)).toEqual({ status: 404, code: 'conversation_not_found' });
  });

  test('is not told it when their token was revoked', async () => {
    const { guest, waiting } = await talk('revoked');
    expect((await gateway.fetch(`/v1/tokens/${guest.id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await waiting).status).toBe(401);
  });
});

test('A message that waits is changed by who sent it, and by nobody past the lease', async () => {
  const [ann, ben] = await Promise.all([tokenOf('ann'), tokenOf('ben')]);
  const made = { visibility: { kind: 'shared', with: ['ben'] } };
  const { key } = await asJson<{ key: string }>(post('/v1/conversations', made, ann.token), 201);
  await asJson(post(`${pathOf(key)}/messages`, { id: 'm1', text: `/slow ${'word '.repeat(30)}` }, ann.token), 202);
  await asJson(post(`${pathOf(key)}/messages`, { id: 'm2', text: 'mine' }, ann.token), 202);
  await asJson(post(`${pathOf(key)}/messages`, { id: 'm3', text: 'of Ben' }, ben.token), 202);
  const edit = (id: string, token: string): Promise<Response> =>
    gateway.fetch(`${pathOf(key)}/messages/${id}`, { ...withJson({ text: 'another' }, token), method: 'PATCH' });
  expect(await codeOf(await edit('m2', ben.token))).toEqual({ status: 403, code: 'forbidden' });
  expect((await edit('m3', ben.token)).status).toBe(200);
  expect((await edit('m3', ann.token)).status).toBe(200);
  await asJson(post(`${pathOf(key)}/lease`, { action: 'acquire' }, ben.token));
  expect(await codeOf(await edit('m2', ann.token))).toEqual({ status: 409, code: 'lease_held' });
  await asJson(post(`${pathOf(key)}/abort`, {}, ann.token));
});

test('Which processes there are on the host is not told to who may only send', async () => {
  const nosy = await tokenOf('nosy');
  const { key } = await asJson<{ key: string }>(post('/v1/conversations', {}, nosy.token), 201);
  const asked = await post(`${pathOf(key)}/lease`, { action: 'acquire', pid: process.pid }, nosy.token);
  expect(await codeOf(asked)).toEqual({ status: 403, code: 'forbidden' });
});

test('A message that would not fit where it must is refused, and every other one of the size goes to its end', async () => {
  const { key } = await asJson<{ key: string }>(post('/v1/conversations', { agent: 'acp' }), 201);
  const refused = await post(`${pathOf(key)}/messages`, { id: 'm1', text: '\u001b'.repeat(256 * 1024) });
  expect(await codeOf(refused)).toEqual({ status: 413, code: 'message_too_large' });
  for (const [i, sign] of ['x', '"', 'ö', '\n'].entries()) {
    const count = Math.floor((sign === 'x' ? 256 : 128) * 1024 - 10);
    const text = `say ${sign === '\n' ? 'x\n'.repeat(60_000) : sign.repeat(count / Buffer.byteLength(sign))}`;
    await asJson(post(`${pathOf(key)}/messages`, { id: `big-${i}`, text: text.slice(0, 250_000) }), 202);
    const run = await endOf(gateway, key, `big-${i}`);
    expect(run.end, JSON.stringify(run.end)).not.toMatchObject({ error: { code: 'invariant' } });
  }
});

test('A reply goes to the address that is allowed, and not to one that only begins alike', async () => {
  const got: string[] = [];
  const server = createServer((request, response) => {
    got.push(request.url ?? '');
    request.resume();
    response.end();
  }).listen(0);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const allowed = { agents: { entries: AGENTS }, inbound: { replies: [`${url}/team`] } };
  writeConfig(gateway.dir, allowed);
  const send = (reply: string): Promise<Response> =>
    post('/v1/inbound', { channel: 'hooks', peer: { kind: 'group', id: 'g' }, text: 'hi', reply });
  await until('it may reply there', async () => (await send(`${url}/team`)).status === 202);
  for (const path of ['/teams', '/team/..%2fadmin', '/team/../admin', '/', '/TEAM']) {
    expect(await codeOf(await send(url + path)), path).toEqual({ status: 403, code: 'reply_not_allowed' });
  }
  expect((await send(`${url}/team/a`)).status).toBe(202);
  await until('both have come', () => got.includes('/team') && got.includes('/team/a'));
  server.close();
});

test('An agent that is not in the config any more leaves no process behind when its conversation goes', async () => {
  // Its arguments tell it from all others on the machine.
  const mark = mkdtempSync(join(tmpdir(), 'binnacle-mark-'));
  const acp = { driver: 'acp', command: [process.execPath, FAKE_ACP, '--dir', mark] };
  const prepare = (dir: string): void => writeConfig(dir, { agents: { entries: { main: AGENTS.main, acp } } });
  const other = isAll ? await openGatewayProcess({ flags: [], prepare }) : await openGateway({ prepare });
  const mine = (): string[] => readdirSync('/proc').filter((pid) => commandOf(pid).includes(mark));
  try {
    const { key } = await asJson<{ key: string }>(other.fetch('/v1/conversations', withJson({ agent: 'acp' })), 201);
    await asJson(other.fetch(`${pathOf(key)}/messages?wait=20000`, withJson({ id: 'm1', text: 'say hello' })), 202);
    expect(mine()).toHaveLength(1);
    if ('kill' in other) await other.kill();
    else await other.stop();
    writeConfig(other.dir, { agents: { entries: { main: AGENTS.main } } });
    await other.start();
    await until('its process is gone', () => mine().length === 0);
  } finally {
    await other.close();
    rmSync(mark, { recursive: true });
  }
});

/** Empty for what is no process, or has just ended. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

const disk = mountSmallDisk(16);

describe.skipIf('reason' in disk)(
  `on a full disk${'reason' in disk ? ` (skipped, no file system can be mounted here: ${disk.reason})` : ''}`,
  () => {
    const small = disk as SmallDisk;
    afterAll(() => small.remove());

    test('a run has one end, its reply comes when there is room, and the conversation can be opened again', async () => {
      const bodies: { state: string; text: string }[] = [];
      const server = createServer((request, response) => {
        let body = '';
        request.on('data', (part) => {
          body += String(part);
        });
        request.on('end', () => {
          bodies.push(JSON.parse(body) as { state: string; text: string });
          response.end();
        });
      }).listen(0);
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const there = await small.within(() =>
        openGatewayProcess({
          flags: [],
          prepare: (data) => writeConfig(data, { agents: { entries: AGENTS }, inbound: { replies: [url] } }),
        }),
      );
      try {
        // A word each 100 ms: the disk is full before the last of them.
        const text = `/slow ${'word '.repeat(count({ quick: 8, all: 15 }))}`;
        const asked = { channel: 'web', peer: { kind: 'group', id: 'g' }, text, id: '1', reply: url };
        const receipt = await asJson<{ conversation: string; run: { id: string } }>(
          there.fetch('/v1/inbound', withJson(asked)),
          202,
        );
        const { conversation: key } = receipt;
        const run = receipt.run.id;
        // The turn goes on into the full disk.
        await until('words cannot be kept', async () => {
          // Filled before each try: a checkpoint of the catalogue gives pages back.
          small.fill();
          const sent = await there.fetch(`${pathOf(key)}/messages`, withJson({ text: `full ${'x'.repeat(5000)}` }));
          return sent.status === 507;
        });
        await new Promise((resolve) => setTimeout(resolve, count({ quick: 1200, all: 2500 })));
        small.empty();
        const end = await endOf(there, key, run);
        await until('the reply has come', () => bodies.length > 0);
        expect(bodies).toHaveLength(1);
        expect(bodies[0]).toMatchObject({ state: end.state, text: end.text });
        const wire = await Wire.open(there.url, there.token);
        await wire.ask({ t: 'follow', conversation: key, from: 'start' });
        await wire.untilSo(() => wire.of(key).end(run));
        expect(
          wire
            .of(key)
            .events.filter((event) => 'run' in event && event.run === run && /final|error|aborted/.test(event.type)),
        ).toHaveLength(1);
        wire.close();
        await there.kill();
        await there.restart();
        expect((await there.fetch(pathOf(key))).status).toBe(200);
        const again = { ...asked, text: 'once more', id: '2', reply: undefined };
        const next = await asJson<{ run: { id: string } }>(there.fetch('/v1/inbound', withJson(again)), 202);
        expect(await endOf(there, key, next.run.id)).toMatchObject({ state: 'final' });
      } finally {
        small.empty();
        await there.close();
        server.close();
      }
    }, 60_000);
  },
);
