// Sessions that are not for everybody: an agent's terminals are seen with their conversation, its own process by nobody.

import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SocketRouteParts, socketRoutes } from '../../packages/server/src/gateway/surfaces.ts';
import { openDatabase } from '../../packages/server/src/store/sqlite.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import type { Frames } from '../support/wire.ts';
import { openParts, type Parts } from './session-access.fixture.ts';

/** An answer without what is another each time: the date, and the id that was asked for. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

describe('a session that is hidden or foreign is answered like one that never was', () => {
  let gateway: Gateway;
  let stranger: string;
  let unknown: string;
  /** What each is, and its id. */
  let secrets: Readonly<Record<string, string>>;
  let shell: string;
  const CONVERSATION = 'no-conversation-of-anybody';

  const editCatalogue = async (...statements: string[]): Promise<void> => {
    await gateway.stop();
    const db = openDatabase(join(gateway.dir, 'catalogue.db'));
    for (const statement of statements) db.exec(statement);
    db.close();
    await gateway.start();
  };

  beforeAll(async () => {
    gateway = await openGateway();
    const started = async (asked: object) => (await gateway.create(asked)).id;
    const cat = { argv: ['/bin/cat'], mode: 'pipe' };
    shell = await started({ runs: true, mode: 'pipe' });
    await gateway.ask(`/v1/sessions/${shell}/runs?wait=5000`, { body: { id: 'r1', command: 'true' } });
    const ended = await started({ argv: ['/bin/true'], mode: 'pipe' });
    await gateway.closed(ended);
    const deleted = await started(cat);
    await gateway.ask(`/v1/sessions/${deleted}`, { method: 'DELETE' });
    const command = await gateway.ask('/command', { body: { command: 'sleep 600', background: true } });
    secrets = {
      foreign: await started(cat),
      'foreign, on a terminal': await started({ argv: ['/bin/cat'] }),
      'foreign, with runs': shell,
      'foreign, ended': ended,
      'foreign, deleted': deleted,
      'foreign, a command': /"text":"([0-9a-f-]{36})"/.exec(command.text)?.[1] ?? '',
      hidden: await started(cat),
    };
    unknown = uuidv7();
    const quoted = Object.values(secrets).map((id) => `'${id}'`);
    expect(new Set(quoted).size).toBe(7);
    await editCatalogue(
      `UPDATE sessions SET conversation = '${CONVERSATION}' WHERE id IN (${quoted.join()})`,
      `UPDATE sessions SET hidden = 1 WHERE id = '${secrets.hidden}'`,
    );
    stranger = (await gateway.tokenOf('create')).token;
  });
  afterAll(async () => {
    await editCatalogue('UPDATE sessions SET conversation = NULL, hidden = 0');
    await gateway.close();
  });

  /** As it comes over the wire, upgrades included. */
  function ask(method: string, path: string, id: string, body?: string, upgrade = false): Promise<Answer> {
    const headers = {
      authorization: `Bearer ${stranger}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) }),
      ...(upgrade
        ? {
            connection: 'upgrade',
            upgrade: 'websocket',
            'sec-websocket-version': '13',
            'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          }
        : {}),
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(gateway.url + path.replaceAll('{id}', id), { method, headers, agent: false });
      outgoing.on('response', (response) => {
        let text = '';
        response.on('data', (bytes) => {
          text += String(bytes);
        });
        response.on('end', () => {
          const { date: _, ...rest } = response.headers;
          resolve({ status: response.statusCode ?? 0, headers: rest, body: text.replaceAll(id, '{id}') });
        });
      });
      outgoing.on('upgrade', (_response, socket) => {
        socket.destroy();
        resolve({ status: 101, headers: {}, body: '' });
      });
      outgoing.on('error', reject).end(body);
    });
  }

  /** What a route needs in its body to come as far as the session. */
  const BODIES: Readonly<Record<string, object>> = {
    'POST /v1/sessions/{id}/signal': { signal: 'SIGINT' },
    'POST /v1/sessions/{id}/resize': { cols: 80, rows: 24 },
    'POST /v1/sessions/{id}/lease': { action: 'acquire' },
    'POST /v1/sessions/{id}/runs': { id: 'r2', command: 'true' },
    'POST /session/{id}/run': { command: 'true' },
    'POST /v1/sessions/{id}/report': { state: 'working' },
  };
  /** Refused before the session is looked for: the secret of a session says all of whoever has it. */
  const REFUSED: Readonly<Record<string, number>> = { 'POST /v1/sessions/{id}/report': 401 };
  /** Whose `:name`s are no sessions. What is not here is asked. */
  const OTHERS = [/^\/assets\//, /^\/v1\/tokens\//, /^\/v1\/sandboxes\//, /^\/v1\/conversations\//, /^\/v1\/plugins\//];

  interface Described {
    readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  }
  /** Every route of the description that takes an id of a session: in its path, or as `?id=`. */
  async function routes(): Promise<{ readonly name: string; readonly method: string; readonly path: string }[]> {
    const { paths } = (await gateway.ask('/openapi.json', { token: null })).json;
    return Object.entries(paths as Record<string, Record<string, Described>>).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { parameters = [] }]) => {
        if (OTHERS.some((other) => other.test(path))) return [];
        const inQuery = parameters.some((one) => one.in === 'query' && one.name === 'id');
        if (!path.includes('{') && !inQuery) return [];
        const name = `${method.toUpperCase()} ${path}`;
        const asked = path.replace('{run}', 'r1') + (inQuery ? '?id={id}' : '');
        return [{ name, method: method.toUpperCase(), path: asked }];
      }),
    );
  }

  it('over every route of the description that takes an id', async () => {
    const all = await routes();
    expect(all.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'GET /v1/sessions/{id}',
        'DELETE /v1/sessions/{id}',
        'GET /v1/sessions/{id}/output',
        'GET /v1/sessions/{id}/runs/{run}/output',
        'DELETE /command',
        'GET /command/status/{id}',
        'GET /command/{id}/logs',
        'GET /session/{id}',
        'DELETE /session/{id}',
        'GET /pty/{id}',
        'DELETE /pty/{id}',
      ]),
    );
    expect(all.length).toBeGreaterThanOrEqual(23);
    for (const { name, method, path } of all) {
      const known = BODIES[name];
      const body = method === 'POST' ? JSON.stringify(known ?? {}) : undefined;
      const expected = await ask(method, path, unknown, body);
      // Else it was refused for something else, and this proves nothing: the route needs a body above.
      expect.soft({ name, status: expected.status }).toEqual({ name, status: REFUSED[name] ?? 404 });
      for (const [what, id] of Object.entries(secrets)) {
        expect.soft({ name, what, ...(await ask(method, path, id, body)) }).toEqual({ name, what, ...expected });
      }
    }
    // Nothing was done to them either. (An agent's process that no conversation goes on with is ended at the start.)
    for (const what of ['foreign', 'foreign, with runs']) {
      expect(await stateOf(secrets[what] ?? '')).toBe('running');
    }
  });

  it('over the ids that clients of the sandbox daemon know its runs by', async () => {
    for (const path of ['/command/status/{id}.run', '/command/{id}.run/logs', '/command?id={id}.run']) {
      const method = path.includes('?') ? 'DELETE' : 'GET';
      const expected = await ask(method, path, unknown);
      expect.soft(expected.status).toBe(404);
      for (const id of Object.values(secrets)) expect.soft(await ask(method, path, id)).toEqual(expected);
    }
  });

  it('over every WebSocket address, before the upgrade', async () => {
    const paths = socketRoutes({} as SocketRouteParts, { maxViewers: 0, maxSubscriptions: 0 }).map(({ path }) => path);
    const taking = paths.filter((path) => path.includes(':')).map((path) => path.replace(':id', '{id}'));
    expect(taking).toEqual(expect.arrayContaining(['/ws/session/{id}', '/pty/{id}/ws']));
    for (const path of taking.flatMap((one) => [one, `${one}?takeover=1`, `${one}?since=0`])) {
      const expected = await ask('GET', path, unknown, undefined, true);
      expect.soft({ path, status: expected.status }).toEqual({ path, status: 404 });
      for (const [what, id] of Object.entries(secrets)) {
        expect
          .soft({ path, what, ...(await ask('GET', path, id, undefined, true)) })
          .toEqual({ path, what, ...expected });
      }
    }
  });

  it('over every frame of /v1/ws that names a session', async () => {
    const asked: Readonly<Record<string, readonly object[]>> = {
      subscribe: [{}, { from: 'now' }, { from: { offset: 10 } }],
      unsubscribe: [{}],
      input: [{ text: 'x' }, { base64: '', auto: true }, { text: 'x', client: 'c', n: 1 }, { text: 'x', lease: 'l' }],
      close_stdin: [{}],
      signal: [{ signal: 'SIGTERM' }],
      resize: [{ cols: 10, rows: 10 }],
      lease: [
        ...['acquire', 'renew', 'release', 'take', 'ask'].map((action) => ({ action, lease: 'x' })),
        { action: 'hand_over', lease: 'x', to: 'y' },
      ],
      watch_watchers: [{ on: true }, { on: false }],
    };
    // The frames as the protocol has them: a later one is missing above until somebody puts it there.
    const source = readFileSync(resolve(import.meta.dirname, '../../packages/protocol/src/frames.ts'), 'utf8');
    const [, ofClients = ''] = /type ClientFrame =([\s\S]*?)\n\n/.exec(source) ?? [];
    const frames = ofClients.split(/\| \{/).filter((one) => /readonly session: string/.test(one));
    const names = frames.map((one) => /readonly t: '(\w+)'/.exec(one)?.[1]);
    expect(names.toSorted()).toEqual(Object.keys(asked).toSorted());

    const socket = await gateway.frames('/v1/ws', stranger);
    const said = async (frame: object, session: string): Promise<string> => {
      const { seq: _, ref: __, ...answer } = await socket.ask({ ...frame, session });
      return JSON.stringify(answer).replaceAll(session, '{id}');
    };
    for (const [t, variants] of Object.entries(asked)) {
      for (const variant of variants) {
        const expected = await said({ t, ...variant }, unknown);
        // Who does not follow a session is told no more about it, whatever it is.
        const refusal = t === 'watch_watchers' ? '"not_subscribed"' : '"session_not_found"';
        if (t !== 'unsubscribe')
          expect.soft([t, variant, expected]).toEqual([t, variant, expect.stringContaining(refusal)]);
        for (const [what, id] of Object.entries(secrets)) {
          expect.soft([t, what, await said({ t, ...variant }, id)]).toEqual([t, what, expected]);
        }
      }
    }
  });

  it('is in no list, on no page, and not in the news', async () => {
    const ids = new Set(Object.values(secrets));
    const list = (await gateway.ask('/v1/sessions?limit=1000', { token: stranger })).json;
    expect(list).toEqual({ sessions: [], next: null });
    const watcher = await gateway.frames('/v1/ws', stranger);
    await watcher.ask({ t: 'watch', on: true });
    const mine = (await gateway.create({ argv: ['/bin/true'], mode: 'pipe' })).id;
    await gateway.closed(mine);
    await watcher.next((frame) => frame.t === 'session' && frame.info.id === mine && frame.info.state === 'closed');
    expect(watcher.all.filter(({ t, info }) => t === 'session' && ids.has(info.id))).toEqual([]);
    const page = (await gateway.ask('/v1/sessions?limit=1', { token: stranger })).json;
    expect(page.sessions.map(({ id }: { id: string }) => id)).toEqual([mine]);
    expect(page.next).toBeNull();
  });

  async function stateOf(id: string): Promise<string> {
    const db = openDatabase(join(gateway.dir, 'catalogue.db'));
    const row = db.prepare('SELECT state FROM sessions WHERE id = ?').get(id) as { readonly state: string };
    db.close();
    return row.state;
  }
});

it('no part that answers anybody can reach a session past its viewer', () => {
  const source = resolve(import.meta.dirname, '../../packages/server/src');
  const files = ['api', 'presence', 'visibility'].flatMap((folder) =>
    readdirSync(join(source, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(name))
      .map((name) => join(folder, name)),
  );
  const importing = files.filter((name) =>
    /from '[./]*\/sessions\/sessions\.ts'/.test(readFileSync(join(source, name), 'utf8')),
  );
  expect(files.length).toBeGreaterThan(80);
  expect(importing).toEqual(['visibility/session-access.ts']);
});

describe('who may see the sessions of a conversation', () => {
  let parts: Parts;
  /** Users by conversation, as a test changes them. */
  const guests = new Map<string, Set<string>>();
  const share = (conversation: string, ...users: string[]) => guests.set(conversation, new Set(users));
  let ann: string;
  let bob: string;
  beforeAll(async () => {
    parts = await openParts((conversation, { user }) => guests.get(conversation)?.has(user) ?? false);
    [ann, bob] = [await parts.token('ann'), await parts.token('bob')];
  });
  afterAll(() => parts.close());

  const cat = { argv: ['/bin/cat'], mode: 'pipe' } as const;
  const idsOf = async (token: string, query = 'limit=1000'): Promise<string[]> => {
    const { sessions } = await (await parts.fetch(`/v1/sessions?${query}`, token)).json();
    return sessions.map(({ id }: { id: string }) => id);
  };
  const lost = (frames: Frames, session: string) =>
    frames.next((frame) => frame.t === 'error' && frame.session === session, 1000);

  it('see and steer them like their own, and nobody sees a hidden one, the admin neither', async () => {
    share('c1', 'ann');
    const seen = await parts.create(cat, { conversation: 'c1' });
    const hidden = await parts.create(cat, { conversation: 'c1', hidden: true });
    const ownProcess = await parts.create(cat, { hidden: true });
    expect(await idsOf(ann)).toContain(seen);
    expect(await idsOf(bob)).not.toContain(seen);
    expect((await parts.fetch(`/v1/sessions/${seen}/input`, ann, { method: 'POST', body: 'x' })).status).toBe(200);
    expect((await parts.fetch(`/v1/sessions/${seen}/input`, bob, { method: 'POST', body: 'x' })).status).toBe(404);
    for (const token of [ann, bob, parts.adminToken]) {
      for (const id of [hidden, ownProcess]) {
        expect((await parts.fetch(`/v1/sessions/${id}`, token)).status).toBe(404);
        expect((await parts.fetch(`/v1/sessions/${id}`, token, { method: 'DELETE' })).status).toBe(404);
        expect(await idsOf(token)).not.toContain(id);
      }
    }
    expect(parts.sessions.get(hidden).record).toMatchObject({ hidden: true, conversation: 'c1', state: 'running' });
    await parts.sessions.delete(seen);
    // Those who saw it are told that it is gone; to all others it never was.
    expect((await parts.fetch(`/v1/sessions/${seen}`, ann)).status).toBe(410);
    expect((await parts.fetch(`/v1/sessions/${seen}`, bob)).status).toBe(404);
  });

  it('are the admins alone where nobody knows of conversations', async () => {
    const plain = await openParts();
    const id = await plain.create(cat, { conversation: 'c1' });
    const user = await plain.token('ann');
    expect((await plain.fetch(`/v1/sessions/${id}`, user)).status).toBe(404);
    expect((await plain.fetch(`/v1/sessions/${id}`, await plain.token('bob', 'admin'))).status).toBe(200);
    expect((await plain.fetch(`/v1/sessions/${id}`, plain.adminToken)).status).toBe(200);
    await plain.close();
  });

  it('get full pages whatever lies between, and no next that leads to nothing', async () => {
    share('c2', 'ann');
    share('nobody');
    const made: { readonly id: string; readonly isAnns: boolean }[] = [];
    for (const kind of 'ahhafffahaffhhh') {
      const options =
        kind === 'a' ? { conversation: 'c2' } : kind === 'f' ? { conversation: 'nobody' } : { hidden: true };
      made.push({ id: await parts.create({ argv: ['/bin/true'], mode: 'pipe' }, options), isAnns: kind === 'a' });
    }
    const anns = made.filter(({ isAnns }) => isAnns).map(({ id }) => id);
    const others = new Set((await idsOf(bob)).concat(await idsOf(parts.adminToken)));
    for (let limit = 1; limit <= 6; limit += 1) {
      const seen: string[] = [];
      let after: string | null = '';
      while (after !== null) {
        const query: string = `limit=${limit}${after === '' ? '' : `&after=${after}`}`;
        const page: { sessions: { id: string }[]; next: string | null } = await (
          await parts.fetch(`/v1/sessions?${query}`, ann)
        ).json();
        if (page.next !== null) expect(page.sessions).toHaveLength(limit);
        if (after !== '') expect(page.sessions.length).toBeGreaterThan(0);
        seen.push(...page.sessions.map(({ id }) => id));
        after = page.next;
      }
      expect(seen.filter((id) => !others.has(id))).toEqual(anns.toReversed());
      expect(new Set(seen).size).toBe(seen.length);
    }
  });

  it('hear of them in the news, and others do not', async () => {
    share('c3', 'ann');
    const [hers, his] = [await parts.frames(ann), await parts.frames(bob)];
    for (const frames of [hers, his]) await frames.ask({ t: 'watch', on: true });
    const id = await parts.create(cat, { conversation: 'c3' });
    await hers.next((frame) => frame.t === 'session' && frame.info.id === id);
    await parts.sessions.delete(id);
    await hers.next((frame) => frame.t === 'deleted' && frame.session === id);
    // Comes behind all news of before.
    const everybodys = await parts.create(cat);
    await his.next((frame) => frame.t === 'session' && frame.info.id === everybodys);
    expect(JSON.stringify(his.all)).not.toContain(id);
  });

  it('cannot tell from a name that there is another', async () => {
    share('c4', 'ann');
    await parts.create({ argv: ['/bin/cat'] }, { conversation: 'c4' });
    await parts.create({ argv: ['/bin/cat'] }, { hidden: true });
    const named = async (token: string) => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ argv: ['/bin/cat'], mode: 'pty' });
      return (await (await parts.fetch('/v1/sessions', token, { method: 'POST', headers, body })).json()) as {
        id: string;
        name: string;
      };
    };
    const before = new Set(
      (await (await parts.fetch('/v1/sessions', bob)).json()).sessions.map((one: { name: string }) => one.name),
    );
    const { name } = await named(bob);
    const number = Number(/^cat-(\d+)$/.exec(name)?.[1] ?? 1);
    for (let n = 2; n < number; n += 1) expect(before).toContain(`cat-${n}`);
  });

  describe('end within a second with what they may see', () => {
    let session: string;
    let n = 0;
    let conversation: string;
    const countOpen = () => parts.access.countOpen(conversation);
    const open = async (asked: object = cat) => {
      n += 1;
      conversation = `shrinking-${n}`;
      share(conversation, 'ann', 'bob');
      session = await parts.create(asked, { conversation });
      /** Bob is out; the hook is told. */
      return () => {
        share(conversation, 'ann');
        parts.access.recheck(conversation);
      };
    };

    it('a subscription: an error for that session, and nothing after it; others go on', async () => {
      const shrink = await open();
      const [hers, his] = [await parts.frames(ann), await parts.frames(bob)];
      const free = await parts.create(cat);
      for (const frames of [hers, his]) {
        expect((await frames.ask({ t: 'subscribe', session })).t).toBe('subscribed');
      }
      expect((await his.ask({ t: 'subscribe', session: free })).t).toBe('subscribed');
      shrink();
      const { error } = await lost(his, session);
      expect(error.code).toBe('session_not_found');
      const at = his.all.length;
      await hers.ask({ t: 'input', session, text: 'canary\n' });
      await hers.next((frame) => Buffer.isBuffer(frame) && frame.includes('canary'));
      await his.ask({ t: 'input', session: free, text: 'mine\n' });
      await his.next((frame) => Buffer.isBuffer(frame) && frame.includes('mine'));
      const after = his.all
        .slice(at)
        .map((frame) => (Buffer.isBuffer(frame) ? frame.toString() : JSON.stringify(frame)));
      expect(after.join()).not.toContain('canary');
      expect(after.join()).not.toContain(session);
      expect((await his.ask({ t: 'subscribe', session })).error.code).toBe('session_not_found');
    });

    it('the lease: it is let go of, and its holder hears no more of it', async () => {
      const shrink = await open();
      const [hers, his] = [await parts.frames(ann), await parts.frames(bob)];
      expect((await his.ask({ t: 'lease', session, action: 'acquire' })).t).toBe('ok');
      shrink();
      expect((await lost(his, session)).error.code).toBe('session_not_found');
      const at = his.all.length;
      // The grace of a holder whose connection broke, not the five minutes of one who is there.
      expect(parts.sessions.get(session).lease.info?.expiresInMs).toBeLessThanOrEqual(15_000);
      expect((await hers.ask({ t: 'lease', session, action: 'take' })).t).toBe('ok');
      await his.ask({ t: 'ping', time: 1 });
      expect(JSON.stringify(his.all.slice(at))).not.toContain(session);
    });

    it.each([
      ['raw output', '/v1/sessions/ID/output?follow=1', {}],
      ['events', '/v1/sessions/ID/output', { accept: 'text/event-stream' }],
      ['a long poll', '/v1/sessions/ID/output?wait=50000', {}],
    ])('%s: the end of the stream', async (_what, path, headers) => {
      const shrink = await open();
      const hers = parts.fetch(path.replace('ID', session), ann, { headers });
      const his = parts.fetch(path.replace('ID', session), bob, { headers });
      const ended = his
        .then((response) => response.text())
        .then(
          () => 'whole',
          () => 'cut',
        );
      // Both are being shown it.
      await until('both wait for output', () => countOpen() === 2);
      const shrunkAt = performance.now();
      shrink();
      expect(await ended).toBe('cut');
      expect(performance.now() - shrunkAt).toBeLessThan(1000);
      await parts.fetch(`/v1/sessions/${session}/input`, ann, { method: 'POST', body: 'still here\n' });
      const { body } = await hers;
      const { value } = (await body?.getReader().read()) ?? {};
      expect(value?.length).toBeGreaterThan(0);
      await body?.cancel().catch(() => undefined);
      await parts.sessions.delete(session);
    });

    it('the sockets of the sandbox daemon: an error, and a close that says not to come back', async () => {
      for (const path of ['/ws/session/ID', '/pty/ID/ws?readonly=1']) {
        const shrink = await open();
        const his = await parts.frames(bob, path.replace('ID', session));
        await his.next((frame) => frame.type === 'connected');
        shrink();
        expect((await his.next((frame) => frame.type === 'error', 1000)).code).toBe('SESSION_NOT_FOUND');
        expect((await his.closing(1000)).code).toBe(4004);
        await until('the lease is free', () => parts.sessions.get(session).lease.info === null);
      }
    });

    it('what waits for a run, streams it or is told of it', async () => {
      const shrink = await open({ runs: true, mode: 'pipe' });
      const headers = { 'content-type': 'application/json' };
      const runs = `/v1/sessions/${session}/runs`;
      const body = JSON.stringify({ id: 'r1', command: 'sleep 600' });
      expect((await parts.fetch(runs, ann, { method: 'POST', headers, body })).status).toBe(201);
      await until('it runs', () => parts.sessions.get(session).runs.find('r1').state === 'running');
      const outcome = (answer: Promise<Response>): Promise<string> =>
        answer.then(
          async (response) => (await response.text().catch(() => undefined)) ?? 'cut',
          () => 'cut',
        );
      const waiting = outcome(parts.fetch(`${runs}/r1?wait=50000`, bob));
      const streams = [
        parts.fetch(`${runs}/r1/output?follow=1`, bob),
        parts.fetch(`${runs}/r1/output`, bob, { headers: { accept: 'text/event-stream' } }),
        parts.fetch(`/session/${session}/run`, bob, { method: 'POST', headers, body: '{"command":"true"}' }),
      ].map(outcome);
      await until('all of them wait', () => countOpen() === 4);
      shrink();
      expect(JSON.parse(await waiting).error.code).toBe('session_not_found');
      expect(await Promise.all(streams)).toEqual(['cut', 'cut', 'cut']);
      expect(parts.sessions.get(session).runs.find('r1').state).toBe('running');
      await parts.sessions.delete(session);
    });

    it('is not noticed by who still may, and costs nothing once all is closed', async () => {
      const shrink = await open();
      const hers = await parts.frames(ann);
      await hers.ask({ t: 'subscribe', session });
      expect(countOpen()).toBeGreaterThan(0);
      shrink();
      await hers.ask({ t: 'input', session, text: 'x\n' });
      await hers.next((frame) => Buffer.isBuffer(frame) && frame.includes('x'));
      await hers.ask({ t: 'unsubscribe', session });
      expect(countOpen()).toBe(0);
    });
  });
});
