// The promise denied-by-default, over a real gateway with real programs: every address, every frame, every place.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { contentOf } from './content.fixture.ts';

let gateway: GatewayProcess;
let session: string;
beforeAll(async () => {
  gateway = await openGatewayProcess({ logLevel: 'trace' });
  session = (await gateway.create({ argv: ['/bin/cat'], mode: 'pipe' })).id;
});
afterAll(() => gateway.close());

/** Asks with exactly these headers, upgrade included, and returns the status. */
function upgrade(path: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(gateway.url + path, {
      headers: {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
      },
    });
    outgoing.on('response', ({ statusCode }) => resolve(statusCode ?? 0));
    outgoing.on('upgrade', (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    outgoing.on('error', reject).end();
  });
}

describe('denied-by-default', () => {
  it('addresses that do not exist say so to everybody, in the same words', async () => {
    for (const path of ['/v1', '/v1/', '/v1/session', '/v1/sessions/', '/metric', '/admin', '/v1/sessions/a/b/c']) {
      for (const token of [null, gateway.token]) {
        const { status } = await gateway.ask(path, { token });
        expect.soft({ path, status }).toEqual({ path, status: 404 });
      }
    }
  });

  it('a token never makes one that may more than itself', async () => {
    const { token } = await gateway.tokenOf('view');
    const { status } = await gateway.ask('/v1/tickets', { token, body: { scope: 'admin' } });
    expect(status).toBe(403);
    const { json } = await gateway.ask('/v1/tickets', { token, body: {} });
    if (json.ticket !== undefined) {
      const login = await gateway.ask('/v1/login', {
        token: null,
        body: { ticket: json.ticket },
        headers: { origin: gateway.url },
      });
      const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
      const me = await gateway.ask('/v1/me', { token: null, headers: { cookie, 'binnacle-key': login.json.key } });
      expect(me.json).toMatchObject({ scope: 'view' });
      // Used once, it is used up.
      const again = await gateway.ask('/v1/login', {
        token: null,
        body: { ticket: json.ticket },
        headers: { origin: gateway.url },
      });
      expect(again.status).toBe(401);
    }
  });
});

describe('a token that is revoked', () => {
  it('is cut off within a second wherever it is in use: both WebSockets (4003), events, a raw follow', async () => {
    const { id, token } = await gateway.tokenOf('input');
    const headers = { authorization: `Bearer ${token}` };
    const [ws, compat] = await Promise.all([
      gateway.frames('/v1/ws', token),
      gateway.frames(`/ws/session/${session}`, token),
    ]);
    await ws.ask({ t: 'subscribe', session });
    const follow = await fetch(`${gateway.url}/v1/sessions/${session}/output?follow=1`, { headers });
    const events = await fetch(`${gateway.url}/v1/sessions/${session}/output`, {
      headers: { ...headers, accept: 'text/event-stream' },
    });
    const poll = fetch(`${gateway.url}/v1/sessions/${session}/output?since=0&wait=30000`, { headers }).then(
      (response) => response.text(),
      () => 'cut',
    );
    expect([follow.status, events.status]).toEqual([200, 200]);
    const over = (response: Response) =>
      response.text().then(
        () => 'over',
        () => 'over',
      );
    const ends = [over(follow), over(events), poll.then(() => 'over'), ws.closing(2_000), compat.closing(2_000)];
    const begun = performance.now();
    expect((await gateway.ask(`/v1/tokens/${id}`, { method: 'DELETE' })).status).toBe(204);
    const [, , , wsClose, compatClose] = await Promise.all(ends);
    // The last ones are destroyed after 900 ms; the rest is for a machine that is busy with other tests.
    expect(performance.now() - begun).toBeLessThan(1_500);
    expect([wsClose, compatClose]).toMatchObject([{ code: 4003 }, { code: 4003 }]);
    expect((await gateway.ask('/v1/sessions', { token })).status).toBe(401);
    await until('its lease is free', async () => (await gateway.info(session)).lease === null);
    expect((await gateway.info(session)).running).toBe(true);
  });

  it('closes what was opened with a login that came from it', async () => {
    const { id, token } = await gateway.tokenOf('input');
    const { ticket } = (await gateway.ask('/v1/tickets', { token, body: {} })).json;
    const login = await gateway.ask('/v1/login', { token: null, body: { ticket }, headers: { origin: gateway.url } });
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
    const key = { 'sec-websocket-protocol': `binnacle, binnacle.key.${login.json.key}` };
    expect(await upgrade('/v1/ws', { cookie, origin: gateway.url })).toBe(401);
    expect(await upgrade('/v1/ws', { cookie, origin: gateway.url, ...key })).toBe(101);
    await gateway.ask(`/v1/tokens/${id}`, { method: 'DELETE' });
    expect([401, 429]).toContain(await upgrade('/v1/ws', { cookie, origin: gateway.url, ...key }));
  });
});

describe('the secrets of the gateway', () => {
  it('after all of this are in no file but its own, in no log, in no command line and in no environment', async () => {
    const { json: lease } = await gateway.ask(`/v1/sessions/${session}/lease`, { body: { action: 'acquire' } });
    const shell = await gateway.create({
      command: 'env; cat /proc/self/cmdline /proc/$PPID/cmdline | tr "\\0" " "; sleep 60',
    });
    await gateway.seen(shell.id, /binnacle-runner|runner\.mjs/);
    const { token: another } = await gateway.tokenOf('create');
    const { ticket } = (await gateway.ask('/v1/tickets', { body: {} })).json;
    await gateway.ask('/nowhere', { token: gateway.token });
    const secrets = { admin: gateway.token, another, lease: lease.lease as string, ticket: ticket as string };
    for (const [name, secret] of Object.entries(secrets)) {
      const found = filesIn(gateway.dir).filter((path) => contentOf(path).includes(secret));
      expect.soft({ name, found }).toEqual({ name, found: name === 'admin' ? [join(gateway.dir, 'admin.token')] : [] });
      expect.soft(gateway.stderr.includes(secret)).toBe(false);
      expect.soft(await gateway.output(shell.id)).not.toContain(secret);
      expect.soft({ name, seen: processesThatKnow(secret) }).toEqual({ name, seen: [] });
    }
    // It did write a log, or this would prove nothing.
    expect(gateway.stderr).toContain('"path":"/nowhere"');
    // A digest of a token would do no harm, but of a short secret it would: none of the plain ones is there.
    const sha256 = createHash('sha256').update(gateway.token).digest('hex');
    expect(gateway.stderr).not.toContain(sha256);
  });

  it('given by the environment are in no file, and in no process but the gateway itself', async () => {
    const secret = 'bn_of-the-environment-0123456789012345678901234567';
    const other = await openGatewayProcess({ logLevel: 'trace', env: { BINNACLE_TOKEN: secret } });
    try {
      expect(other.token).toBe(secret);
      for (const mode of ['pty', 'pipe']) await other.create({ argv: ['/bin/sleep', '60'], mode });
      expect(filesIn(other.dir).filter((path) => contentOf(path).includes(secret))).toEqual([]);
      expect(other.stderr).not.toContain(secret);
      // What a process was started with cannot be taken back: /proc shows it, to the same user alone.
      expect(processesThatKnow(secret)).toEqual([`${other.pid} environ`]);
    } finally {
      await other.close();
    }
  });

  it('are for the owner alone: directories and the script of hooks 0700, files and sockets 0600', () => {
    const hash = createHash('sha256').update(gateway.dir).digest('hex').slice(0, 8);
    const sockets = [process.env.XDG_RUNTIME_DIR, tmpdir()]
      .filter((dir) => dir !== undefined)
      .flatMap((dir) => readdirSync(dir).map((name) => join(dir, name)))
      .filter((path) => path.includes(`binnacle-${hash}`));
    expect(sockets.length).toBeGreaterThan(0);
    const seen = { directories: 0, files: 0, sockets: 0 };
    for (const path of [gateway.dir, ...sockets].flatMap((dir) => [dir, ...everythingIn(dir)])) {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue; // A journal that comes and goes.
      const mode = (stat.mode & 0o777).toString(8);
      // Hooks of agents run it.
      const isProgram = path === join(gateway.dir, 'hook');
      expect.soft({ path, mode }).toEqual({ path, mode: stat.isDirectory() || isProgram ? '700' : '600' });
      seen[stat.isDirectory() ? 'directories' : stat.isSocket() ? 'sockets' : 'files'] += 1;
    }
    expect(seen.directories).toBeGreaterThan(4);
    expect(seen.files).toBeGreaterThan(4);
    expect(seen.sockets).toBeGreaterThan(0);
  });
});

function everythingIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true }).map((name) => join(dir, String(name)));
}

/** Plain files: a FIFO would wait for somebody who writes. */
const filesIn = (dir: string) =>
  everythingIn(dir).filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);

/** Processes of this user, the gateway and its tests included, that have it in their command line or environment. */
function processesThatKnow(secret: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) =>
      ['cmdline', 'environ'].flatMap((file) => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(secret) ? [`${pid} ${file}`] : [];
        } catch {
          return []; // It has just ended, or is somebody else's.
        }
      }),
    );
}
