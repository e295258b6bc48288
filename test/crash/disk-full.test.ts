import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mountSmallDisk, type SmallDisk } from '../gateway/small-disk.fixture.ts';
import { count, inAll, some } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { isRunning, MIB, startFlood, threeWays, Watcher } from './flooding.fixture.ts';

const disk = mountSmallDisk(48);
const why = 'reason' in disk ? ` (skipped, no file system can be mounted here: ${disk.reason})` : '';

describe.skipIf('reason' in disk)(`seen-means-kept: the disk is full${why}`, () => {
  const small = disk as SmallDisk;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await small.within(() => openGatewayProcess({ flags: [] }));
    // The index starts a second after the gateway. A start on a full disk takes room and gives it back, again and again.
    await gateway.client.search('nothing');
  });
  afterEach(() => small.empty());
  afterAll(async () => {
    await gateway.close();
    small.remove();
  });

  it.each(some(['pty', 'pipe'] as const, 1))(
    'a program on a %s waits, its session says why, and when there is room everything arrives',
    async (mode) => {
      small.take(small.free() - 6 * MIB);
      const flooding = await startFlood(gateway, { label: `full-${mode}`, mode, bytes: 12 * MIB });
      const watcher = new Watcher(gateway.client, flooding.id);
      const infoOf = () => gateway.client.sessions.get(flooding.id);
      // Other files of the gateway may give some room back at first. The runner tries to take it every 100 ms.
      let still = { offset: -1, since: 0 };
      await until('it stalls, and three tries have brought nothing', async () => {
        const { stalled, outputOffset: offset } = await infoOf();
        if (offset !== still.offset) still = { offset, since: performance.now() };
        return stalled === 'disk_full' && performance.now() - still.since > 300;
      });
      const { outputOffset, pid } = await infoOf();
      expect(outputOffset).toBeLessThan(12 * MIB);
      await watcher.reached(outputOffset);
      // Some time with a full disk, in which nothing moves and everybody is answered.
      const end = performance.now() + count({ quick: 400, all: 2000 });
      while (performance.now() < end) {
        expect(await infoOf()).toMatchObject({ state: 'running', stalled: 'disk_full', outputOffset });
        expect((await gateway.fetch('/healthz')).status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(isRunning(pid ?? -1)).toBe(true);
      small.empty();
      expect(await watcher.ended).toMatchObject({ state: 'closed', exitCode: 0, stalled: null });
      expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
      for (const { viewer, log, generator } of await threeWays(gateway, flooding, watcher)) {
        expect(log).toEqual(generator);
        expect(viewer).toEqual(generator);
      }
      expect(watcher.digest(mode === 'pty' ? 'tty' : 'stdout').bytes).toBe(12 * MIB);
      expect(isRunning(gateway.pid)).toBe(true);
    },
    30_000,
  );

  it('a program exits meanwhile: the gateway goes on, and its exit is told when it can be kept', async () => {
    const file = join(small.dir, 'go');
    const { id } = await gateway.client.sessions.create({
      command: `printf before; until [ -e ${file} ]; do sleep 0.02; done; printf after; exit 6`,
      mode: 'pipe',
    });
    const watcher = new Watcher(gateway.client, id);
    await watcher.reached(6);
    const { pid } = await gateway.client.sessions.get(id);
    writeFileSync(file, '');
    small.fill();
    await until('it has ended', () => !isRunning(pid ?? -1));
    for (let i = 0; i < 10; i++) {
      expect((await gateway.fetch('/v1/sessions')).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    small.empty();
    expect(await watcher.ended).toMatchObject({ state: 'closed', exitCode: 6, outputOffset: 11 });
    expect(watcher.types()).toEqual(['attached', 'exit', 'closed', 'end']);
    expect(isRunning(gateway.pid)).toBe(true);
  }, 30_000);

  inAll(
    'several programs of one runner wait: each has its own bytes afterwards, and none of another',
    async () => {
      const signs = ['a', 'b', 'c', 'd'];
      // On another disk.
      const elsewhere = mkdtempSync(join(tmpdir(), 'binnacle-go-'));
      const go = join(elsewhere, 'go');
      const make = async (sign: string) => {
        const counting = `i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo ${sign}$i; done`;
        const command = `until [ -e ${go} ]; do sleep 0.02; done; ${counting}`;
        return await gateway.client.sessions.create({ command, mode: 'pipe' });
      };
      const sessions = await Promise.all(signs.map(make));
      small.fill();
      writeFileSync(go, '');
      await until('all of them wait', async () => {
        const infos = await Promise.all(sessions.map(({ id }) => gateway.client.sessions.get(id)));
        return infos.every(({ stalled, state }) => stalled === 'disk_full' || state === 'closed');
      });
      small.empty();
      for (const [i, { id }] of sessions.entries()) {
        await until('it has closed', async () => (await gateway.client.sessions.get(id)).state === 'closed');
        const output = await (await gateway.fetch(`/v1/sessions/${id}/output`)).text();
        const lines = Array.from({ length: 3000 }, (_, n) => `${signs[i]}${n + 1}\n`);
        expect(output).toBe(lines.join(''));
      }
      rmSync(elsewhere, { recursive: true });
    },
    30_000,
  );

  it('whatever cannot be kept is refused with disk_full, wherever it is asked for', async () => {
    const send = async (method: string, path: string, body?: object): Promise<string> => {
      const headers = { 'content-type': 'application/json' };
      const init = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
      const answer = await gateway.fetch(path, init);
      const json = (await answer.json().catch(() => ({}))) as { error?: { code: string }; code?: string };
      return `${answer.status} ${json.error?.code ?? json.code?.toLowerCase() ?? ''}`.trim();
    };
    const { id } = await gateway.client.sessions.create({ command: 'sleep 60', mode: 'pipe' });
    expect(await send('POST', '/v1/conversations', { name: 'kept' })).toBe('201');
    const { conversations } = (await (await gateway.fetch('/v1/conversations')).json()) as {
      conversations: { key: string }[];
    };
    const conversation = `/v1/conversations/${encodeURIComponent(conversations[0]?.key ?? '')}`;
    small.fill();
    const token = { name: 'another', scope: 'view' };
    // The journal of the catalogue may have some room of its own left.
    await until('the catalogue is full', async () => (await send('POST', '/v1/tokens', token)) === '507 disk_full');
    const all: [string, string, object?][] = [
      ['POST', '/v1/tokens', token],
      ['POST', '/v1/shares', { session: id }],
      ['POST', '/v1/sessions', { command: 'true', mode: 'pipe' }],
      ['PUT', `/v1/sessions/${id}/mute`],
      ['PUT', `${conversation}/mute`],
      ['POST', '/v1/conversations', { name: 'new' }],
      ['POST', `${conversation}/messages`, { text: 'x'.repeat(100_000) }],
      ['PATCH', '/v1/push', { done: false }],
      ['POST', '/v1/inbound', { channel: 'hook', text: 'x'.repeat(100_000), peer: { kind: 'direct', id: 'me' } }],
      ['POST', '/pty', {}],
      ['POST', '/session', {}],
      ['POST', '/command', { command: 'true' }],
      ['POST', '/v1/pty-traffic/emit', { session_id: 'job', response: 'x'.repeat(100_000) }],
    ];
    const answers = await Promise.all(all.map(async (one) => `${one[0]} ${one[1]}: ${await send(...one)}`));
    // The sandbox daemon's routes have one code for all that goes wrong.
    const refused = [': 507 disk_full', ': 507 runtime_error'];
    expect(answers.filter((answer) => !refused.some((end) => answer.endsWith(end)))).toEqual([]);
    small.empty();
    await until('there is room again', async () => (await send('POST', '/v1/tokens', token)) === '201');
  }, 30_000);

  inAll(
    'who has a token is served, and what the catalogue cannot keep ends nobody',
    async () => {
      const asked = { name: 'agent', scope: 'input' };
      const { token } = await (
        await gateway.fetch('/v1/tokens', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(asked),
        })
      ).json();
      const { id } = await gateway.client.sessions.create({ command: 'read -r; exit 7', mode: 'pipe' });
      const path = `/v1/sessions/${id}`;
      const as = (headers: Record<string, string>) => ({ authorization: `Bearer ${token}`, ...headers });
      small.fill();
      const leased = await gateway.fetch(`${path}/lease`, {
        method: 'POST',
        headers: as({ 'content-type': 'application/json' }),
        body: JSON.stringify({ action: 'acquire', ttlMs: 1000 }),
      });
      expect(leased.status).toBe(200);
      const { lease } = await leased.json();
      const written = await gateway.fetch(`${path}/input`, {
        method: 'POST',
        headers: as({ 'binnacle-lease': lease }),
        body: '\n',
      });
      expect(written.status).toBe(200);
      // Past the end of the lease, which no request asks for.
      await new Promise((resolve) => setTimeout(resolve, 1200));
      expect((await gateway.fetch('/v1/me', { headers: as({}) })).status).toBe(200);
      small.empty();
      await until('its end is told', async () => (await gateway.client.sessions.get(id)).state === 'closed');
      expect(await gateway.client.sessions.get(id)).toMatchObject({ exitCode: 7, lease: null });
      await gateway.kill();
      await gateway.restart();
      expect(await gateway.client.sessions.get(id)).toMatchObject({ state: 'closed', exitCode: 7 });
    },
    30_000,
  );
});

if ('reason' in disk) it.skip(`the disk is full${why}`, () => undefined);
