// The catalogue is damaged, or gone: the gateway names the file and the way out, and all that the logs know comes back.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import type { SessionInfo } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../packages/server/src/store/sqlite.ts';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

let gateway: GatewayProcess | Gateway;
let file: string;
const use = (opened: GatewayProcess | Gateway): void => {
  gateway = opened;
  file = join(gateway.dir, 'catalogue.db');
};
const openProcess = async (): Promise<void> => use(await openGatewayProcess({ flags: [] }));

const send = async (method: string, path: string, body: object, token = gateway.token) => {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const answer = await gateway.fetch(path, { method, headers, body: JSON.stringify(body) });
  return { status: answer.status, json: (await answer.json().catch(() => undefined)) as Record<string, string> };
};

const infoOf = async (id: string): Promise<SessionInfo> => await gateway.client.sessions.get(id);

/** Ends every process of the gateway but its programs, then does something to the catalogue. */
async function kill(then: () => void): Promise<void> {
  if (!(gateway instanceof GatewayProcess)) throw new Error('It is not a process of its own.');
  await gateway.kill();
  then();
}

const removeFiles = (): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
};

const doctor = (...flags: string[]): string =>
  execFileSync(process.execPath, [BINARY, 'doctor', '--data', gateway.dir, ...flags], { encoding: 'utf8' });

/** Returns what a start of the gateway says; the start must fail. */
function refusal(): string {
  const args = [BINARY, 'serve', '--data', gateway.dir, '--port', '0'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
  expect(status).toBe(1);
  expect(stderr).not.toMatch(/^ {4}at /m);
  return stderr;
}

/** A catalogue of some pages: of each kind of row a few, and more tokens than one page has. */
async function fill(): Promise<{ readonly ended: string; readonly tokens: string[] }> {
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  const made = await Promise.all(numbers.map((i) => send('POST', '/v1/tokens', { name: `token ${i}`, scope: 'view' })));
  const tokens = made.map(({ json }) => json.token ?? '');
  const { id } = await gateway.client.sessions.create({ command: 'echo kept; exit 3', mode: 'pipe', name: 'over' });
  await until('it has ended', async () => (await infoOf(id)).state === 'closed');
  return { ended: id, tokens };
}

const works = async (token: string): Promise<boolean> =>
  (await gateway.fetch('/v1/me', { headers: { authorization: `Bearer ${token}` } })).status === 200;

/** Random bytes over some of a file. */
function spoil(at: number, bytes: number): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 197 + 61) & 0xff)), 0, bytes, at);
  closeSync(fd);
}

describe('a catalogue that is gone', () => {
  it('is made again of the logs: what runs goes on, what ended says how, and what was deleted stays so', async () => {
    await openProcess();
    const live = await gateway.client.sessions.create({ command: 'read -r x; echo got $x; read -r y', name: 'live' });
    const { ended } = await fill();
    const gone = await gateway.client.sessions.create({ command: 'sleep 60', mode: 'pipe' });
    await gateway.client.sessions.delete(gone.id);
    await send('POST', '/v1/pty-traffic/emit', { session_id: 'job', response: 'from afar', source: 'elsewhere' });
    const { json } = await send('POST', '/v1/conversations', { name: 'kept', title: 'What we said' });
    const key = encodeURIComponent((json.key ?? '') as string);
    await send('POST', `/v1/conversations/${key}/messages`, { text: 'remember this' });
    await until('it is answered', async () => {
      const { messages } = await (await gateway.fetch(`/v1/conversations/${key}/messages`)).json();
      return messages.length === 2;
    });
    await kill(removeFiles);
    await gateway.restart();
    expect(await infoOf(live.id)).toMatchObject({ state: 'running', name: 'live', pid: live.pid, argv: live.argv });
    await gateway.client.session(live.id).write('it\r');
    await until('it has read', async () =>
      (await (await gateway.fetch(`/v1/sessions/${live.id}/output`)).text()).includes('got it'),
    );
    expect(await infoOf(ended)).toMatchObject({ state: 'closed', exitCode: 3, name: 'over', cwd: expect.any(String) });
    const { sessions } = await gateway.client.sessions.list();
    expect(sessions.map(({ id }) => id)).not.toContain(gone.id);
    const foreign = sessions.find((one) => one.foreign?.sessionId === 'job');
    expect(foreign).toMatchObject({ state: 'running', foreign: { source: 'elsewhere', user: 'admin' } });
    expect(sessions).toHaveLength(3);
    const { messages } = await (await gateway.fetch(`/v1/conversations/${key}/messages`)).json();
    expect(messages.map(({ text }: { text: string }) => text)).toEqual(['remember this', expect.any(String)]);
    expect(await (await gateway.fetch(`/v1/conversations/${key}`)).json()).toMatchObject({ title: 'What we said' });
    // Nothing is under way in it: the next start does not read it again.
    await gateway.stop();
    const db = openDatabase(file);
    expect(db.prepare('SELECT state, place > 0 AS isRead FROM conversations').all()).toEqual([
      { state: 'idle', isRead: 1 },
    ]);
    db.close();
    await gateway.restart();
  }, 30_000);

  inAll('leaves sessions that nobody described to an admin', async () => {
    await openProcess();
    const { id } = await gateway.client.sessions.create({ command: 'echo secret', mode: 'pipe' });
    await until('it has ended', async () => (await infoOf(id)).state === 'closed');
    await kill(() => {
      removeFiles();
      rmSync(join(gateway.dir, 'sessions', id, 'session.json'));
    });
    await gateway.restart();
    expect(await infoOf(id)).toMatchObject({ state: 'closed', name: `found-${id.slice(-8)}` });
    const { json } = await send('POST', '/v1/tokens', { name: 'another', scope: 'view' });
    const seen = await gateway.fetch(`/v1/sessions/${id}`, { headers: { authorization: `Bearer ${json.token}` } });
    expect(seen.status).toBe(404);
  });
});

describe('a catalogue that is damaged', () => {
  it('is named with the way out, and rebuilt of what can be read and of the logs', async () => {
    use(await openGateway());
    const { ended, tokens } = await fill();
    await gateway.stop();
    // A clean stop leaves no journal.
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    // From the second page on, every fifth has some other bytes.
    for (let at = 4096; at + 512 < statSync(file).size; at += 4096 * 5) spoil(at, 512);
    const said = refusal();
    expect(said).toContain(file);
    expect(said).toContain('binnacle doctor --rebuild-catalogue');
    const before = readFileSync(file);
    const told = doctor('--rebuild-catalogue');
    const aside = readdirSync(gateway.dir).find((name) => name.startsWith('catalogue.db.damaged-')) ?? '';
    expect(told).toContain(aside);
    expect(readFileSync(join(gateway.dir, aside)).equals(before)).toBe(true);
    await gateway.restart();
    expect(await infoOf(ended)).toMatchObject({ state: 'closed', exitCode: 3, name: 'over' });
    const kept = (await Promise.all(tokens.map(works))).filter(Boolean).length;
    expect(told).toMatch(kept === tokens.length ? /was rebuilt/ : /Incomplete: tokens/);
    expect((await send('POST', '/v1/tokens', { name: 'new', scope: 'view' })).status).toBe(201);
  }, 30_000);

  inAll('is named when it is a directory, or emptied beside its journal', async () => {
    await openProcess();
    await fill();
    await kill(() => truncateSync(file, 0));
    expect(refusal()).toContain(`${file} is damaged`);
    const aside = `${file}.mine`;
    renameSync(file, aside);
    mkdirSync(file);
    expect(refusal()).toContain(file);
    rmSync(file, { recursive: true });
    removeFiles();
    await gateway.restart();
  });

  inAll('takes the last rows along with a journal that was removed, and the sessions come back', async () => {
    await openProcess();
    const { id } = await gateway.client.sessions.create({ command: 'echo kept; sleep 60', mode: 'pipe', name: 'last' });
    await kill(() => {
      rmSync(`${file}-wal`);
      rmSync(`${file}-shm`);
    });
    await gateway.restart();
    expect(await infoOf(id)).toMatchObject({ state: 'running', name: 'last' });
  });

  inAll('leaves no journal behind a clean stop of serve', async () => {
    await openProcess();
    await fill();
    await gateway.stop();
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
  });
});
