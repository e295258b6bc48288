#!/usr/bin/env node
// Makes the data directory that opens.test.ts opens, and what is in it: `node test/data-dir/make.mjs CHECKOUT`, where
// CHECKOUT is a built checkout of the version that is to have written it. That of 0.1 is commit e73d806, the last one
// before the sources were reordered. Everything happens below /tmp/binnacle-fixture, so that no path tells of a machine.
//
// The gateway is killed with SIGKILL while a program runs, an approval waits and a terminal is pending: as a crash
// leaves it, databases with their write-ahead logs. Writes data.tar.gz and expected.json beside this file.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inventoryOf } from './inventory.mjs';

const ROOT = '/tmp/binnacle-fixture';
const [checkout = '.'] = process.argv.slice(2);
const library = resolve(checkout, 'packages/server/dist/gateway.js');
const data = join(ROOT, 'data');
const work = join(ROOT, 'place');

const CONFIG = {
  agents: { entries: { main: { driver: 'echo', default: true }, other: { driver: 'echo' } } },
  bindings: [{ agentId: 'other', match: { channel: 'chat-app' } }],
  notify: { pushOrigins: ['http://127.0.0.1:9'] },
};
const PLUGIN = `export default (api) => {
  api.route('GET', '/kept', async () => ({ body: { kept: (await api.storage.get('kept')) ?? null } }));
  api.route('POST', '/keep', async ({ body }) => {
    await api.storage.set('kept', Buffer.from(body).toString());
    return { status: 201 };
  });
};
`;
const RECORDING = [
  '{"version":3,"term":{"cols":80,"rows":24},"timestamp":1700000000,"command":"make","title":"A build"}',
  '[0.5,"o","$ make\\r\\n"]',
  '[1.25,"o","\\u001b[32mok\\u001b[0m \\u00fc\\r\\n"]',
  '[0.1,"r","100x30"]',
  '[2,"o","done\\r\\n"]',
  '[0.01,"x","3"]',
  '',
].join('\n');

rmSync(ROOT, { recursive: true, force: true });
for (const dir of [data, work, join(ROOT, 'home'), join(ROOT, 'plugin')])
  mkdirSync(dir, { recursive: true, mode: 0o700 });
writeFileSync(join(data, 'config.jsonc'), `${JSON.stringify(CONFIG, null, 2)}\n`, { mode: 0o600 });
writeFileSync(join(ROOT, 'plugin/index.js'), PLUGIN);
writeFileSync(
  join(ROOT, 'plugin/binnacle.plugin.json'),
  JSON.stringify({
    ...{ id: 'keeper', version: '1.0.0', entry: 'index.js' },
    permissions: { httpRoutes: { reason: 'To be asked.' }, storage: { reason: 'To keep.' } },
  }),
);

const script = `
  const { startGateway } = await import(${JSON.stringify(library)});
  const gateway = await startGateway({ dataDir: ${JSON.stringify(data)}, port: 0, pageCacheBytes: 1048576 });
  process.stdout.write(JSON.stringify({ url: gateway.url, token: gateway.adminToken }) + '\\n');
`;
// Nothing of who makes it: programs write their environment into what they say.
const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: join(ROOT, 'home'), LANG: 'C.UTF-8', TERM: 'xterm' };
const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
  env,
  cwd: work,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [ready] = await once(child.stdout, 'data');
const { url, token: admin } = JSON.parse(String(ready));

async function ask(method, path, { body, token = admin, headers = {} } = {}) {
  const isRaw = typeof body === 'string' || body === undefined;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(isRaw ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  const json = response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : undefined;
  return { text, json, response };
}
const post = async (path, body, more = {}) => (await ask('POST', path, { body, ...more })).json;
const get = async (path, more = {}) => (await ask('GET', path, more)).json;
async function until(name, isSo) {
  const deadline = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${name}.`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
const shows = (id, wanted) =>
  until(`it shows ${wanted}`, async () => (await ask('GET', `/v1/sessions/${id}/output`)).text.includes(wanted));
const closed = (id) => until('it is closed', async () => (await get(`/v1/sessions/${id}`)).state === 'closed');

// Sessions.
const pty = await post('/v1/sessions', { argv: ['/bin/cat'], cwd: work, name: 'a terminal', labels: { kind: 'pet' } });
await post(`/v1/sessions/${pty.id}/input`, 'Ahoy, \u00fc \u{1f9ed}!\n');
await shows(pty.id, '!\r\nAhoy');
await post(`/v1/sessions/${pty.id}/resize`, { cols: 100, rows: 30 });
await post(`/v1/sessions/${pty.id}/input`, '\u001b[31mred\u001b[0m\n');
await shows(pty.id, 'red');
await post(`/v1/sessions/${pty.id}/close-stdin`);
await closed(pty.id);
const pipe = await post('/v1/sessions', {
  ...{ command: 'echo out; echo err >&2; seq 1 2000; exit 3', cwd: work, mode: 'pipe', name: 'on pipes' },
});
await closed(pipe.id);
const shell = await post('/v1/sessions', { runs: true, mode: 'pipe', cwd: work, name: 'a shell' });
for (const [id, command] of [
  ['r1', 'echo first; (exit 3)'],
  ['r2', 'echo second >&2'],
  ['r3', 'exit 4'],
]) {
  await post(`/v1/sessions/${shell.id}/runs?wait=10000`, { id, command });
}
await post(`/v1/sessions/${shell.id}/runs`, { id: 'r4', command: 'echo waits; sleep 600' });
await shows(shell.id, 'waits');
await ask('DELETE', `/v1/sessions/${shell.id}/runs/r4`);
const running = await post('/v1/sessions', { command: 'echo runs still; sleep 600', cwd: work, name: 'runs still' });
await shows(running.id, 'runs still');
const gone = await post('/v1/sessions', { argv: ['/bin/true'], cwd: work, name: 'deleted' });
await closed(gone.id);
await ask('DELETE', `/v1/sessions/${gone.id}`);
const { session: recording } = await post('/v1/recordings', RECORDING);
const execd = await post('/pty', { command: 'echo never', cwd: work });

// Sessions that run elsewhere.
const ingest = await post('/v1/tokens', { name: 'emitter', scope: 'ingest', user: 'ci' });
await post(
  '/v1/pty-traffic/emit',
  {
    producer: { id: 'runner-1', epoch: 1 },
    events: [
      {
        session_id: 'job-1',
        seq: 0,
        command: 'make',
        source: 'ci',
        labels: { branch: 'main' },
        response: 'compiling keel\r\n',
      },
      { session_id: 'job-1', seq: 1, response: 'done\r\n', exit_code: 0, is_final: true },
      { session_id: 'job-2', seq: 0, command: 'test', source: 'ci', stream: 'stdout', response: 'one of many\n' },
    ],
  },
  { token: ingest.token },
);

// Conversations.
const ada = await post('/v1/tokens', { name: 'laptop', scope: 'input', user: 'ada' });
const asAda = { token: ada.token };
const plans = await post('/v1/conversations', { name: 'plans', title: 'Plans' }, asAda);
const of = `/v1/conversations/${encodeURIComponent(plans.key)}`;
for (const [id, text] of [
  ['m1', 'hello there'],
  ['m2', '/tool ahoy'],
  ['m3', '/fail because'],
]) {
  await post(`${of}/messages?wait=10000`, { id, text }, asAda);
}
const asks = (id) => until('it asks', async () => (await get(of)).approvals.some(({ run }) => run === id));
await post(`${of}/messages`, { id: 'm4', text: '/ask jump' }, asAda);
await asks('m4');
await post(`${of}/messages`, { id: 'm5', text: 'is taken back' }, asAda);
await ask('DELETE', `${of}/messages/m5`, asAda);
await post(`${of}/approvals/m4.m4-1`, { option: 'allow' }, asAda);
await get(`${of}/runs/m4?wait=10000`);
await post(`${of}/notes`, { text: 'a note' }, asAda);
await ask('PATCH', of, { ...asAda, body: { title: 'Better plans', visibility: { kind: 'shared', with: ['bo'] } } });
await post('/v1/inbound', { channel: 'chat-app', peer: { kind: 'direct', id: 'p1' }, text: 'from afar', id: 'c1' });
const open = await post('/v1/conversations', { name: 'asks still' }, asAda);
const ofOpen = `/v1/conversations/${encodeURIComponent(open.key)}`;
await post(`${ofOpen}/messages`, { id: 'o1', text: '/ask sail' }, asAda);
await until('it asks', async () => (await get(ofOpen)).approvals.length === 1);
await post(`${ofOpen}/messages`, { id: 'o2', text: 'waits behind it' }, asAda);

// Tokens, shares and notifications.
const viewer = await post('/v1/tokens', { name: 'wall', scope: 'view' });
const revoked = await post('/v1/tokens', { name: 'lost phone', scope: 'view' });
await ask('DELETE', `/v1/tokens/${revoked.id}`);
const { ticket } = await post('/v1/tickets', { scope: 'input' });
const login = await ask('POST', '/v1/login', { body: { ticket }, token: null });
const cookie = String(login.response.headers.get('set-cookie')).split(';')[0].split('=')[1];
const redirect = 'http://127.0.0.1:4711/callback';
const client = await post('/oauth/register', { client_name: 'An agent', redirect_uris: [redirect] }, { token: null });
const verifier = 'a'.repeat(64);
const query = new URLSearchParams({
  ...{ response_type: 'code', client_id: client.client_id, redirect_uri: redirect, state: 's', scope: 'view' },
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  ...{ code_challenge_method: 'S256', resource: `${url}/mcp` },
}).toString();
const page = { cookie: `binnacle_${new URL(url).port}=${cookie}`, 'binnacle-key': login.json.key, origin: url };
const decided = await post('/v1/authorization/decision', { query, decision: 'allow' }, { token: null, headers: page });
await post(
  '/oauth/token',
  new URLSearchParams({
    ...{
      grant_type: 'authorization_code',
      client_id: client.client_id,
      code_verifier: verifier,
      redirect_uri: redirect,
    },
    code: new URL(decided.redirect).searchParams.get('code'),
  }).toString(),
  { token: null, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
);
const month = 30 * 24 * 3600_000;
const typed = await post('/v1/shares', { session: pty.id, mode: 'type', uses: 3, label: 'for Bo', expiresInMs: month });
const shown = await post('/v1/shares', { conversation: plans.key, expiresInMs: month });
const ended = await post('/v1/shares', { session: pipe.id, expiresInMs: month });
await ask('DELETE', `/v1/shares/${ended.id}`);
const guest = await post('/v1/shares/redeem', { secret: typed.secret, name: 'Bo' }, { token: null });
const keys = {
  p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
};
await ask('PUT', '/v1/push/subscription', { body: { endpoint: 'http://127.0.0.1:9/a-browser', keys } });
await ask('PATCH', '/v1/push', { body: { done: false } });
await ask('PUT', `/v1/sessions/${shell.id}/mute`);
await ask('PUT', `${of}/mute`);

// A plugin and what it keeps.
const path = join(ROOT, 'plugin');
const { digest } = await post('/v1/plugins/preview', { path });
await post('/v1/plugins', { path, digest, grants: { httpRoutes: true, storage: true } });
await until('the plugin runs', async () => (await get('/v1/plugins/keeper')).state === 'running');
await ask('POST', '/plugins/keeper/keep', { body: 'a compass' });

await until('all is found', async () => {
  const found = await Promise.all(['Ahoy', 'keel', '1999', 'second'].map((q) => get(`/v1/search?q=${q}`)));
  return found.every(({ hits, behindBytes }) => hits.length > 0 && behindBytes === 0);
});
await until('all is on the disk', async () =>
  (await get('/v1/sessions?limit=100')).sessions.every(
    ({ syncedOffset, outputOffset }) => syncedOffset === outputOffset,
  ),
);

const inventory = await inventoryOf({ url, token: admin });
writeFileSync(
  join(import.meta.dirname, 'expected.json'),
  `${JSON.stringify(
    {
      madeAt: Date.now(),
      // Secrets of this data directory alone.
      secrets: {
        ...{ admin, viewer: viewer.token, ada: ada.token, ingest: ingest.token, revoked: revoked.token },
        ...{ cookie, key: login.json.key },
        ...{ typed: typed.secret, shown: shown.secret, ended: ended.secret, guest: guest.credential },
      },
      ids: { pty: pty.id, pipe: pipe.id, shell: shell.id, running: running.id, gone: gone.id, recording: recording.id },
      keys: { plans: plans.key, open: open.key },
      execd: execd.session_id,
      inventory,
    },
    null,
    1,
  )}\n`,
);

child.kill('SIGKILL');
await once(child, 'exit');
// Paths of the machine: the program that agents' hooks call, which each start rewrites, and variables of bash.
const texts = readdirSync(data, { recursive: true }).filter((name) => /(^hook|\/shell\/state)$/.test(name));
for (const name of texts) {
  const text = readFileSync(join(data, name), 'utf8');
  const plain = text
    .replaceAll(resolve(checkout), join(ROOT, 'binnacle'))
    .replace(/^(declare -- HOSTNAME)=.*$/m, '$1="box"');
  writeFileSync(join(data, name), plain, { mode: statSync(join(data, name)).mode });
}
const archive = join(import.meta.dirname, 'data.tar.gz');
const tar = spawnSync('tar', [
  ...['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--exclude=*.sock', '-C', data, '-czf', archive, '.'],
]);
if (tar.status !== 0) throw new Error(String(tar.stderr));
// Processes that outlive the gateway by design.
for (const pid of pidsOf(data)) process.kill(pid, 'SIGKILL');
rmSync(ROOT, { recursive: true, force: true });
console.log(`${archive}: ${statSync(archive).size} bytes`);

/** Runners of the data directory, and what they have started: all that have it in their arguments or their directory. */
function pidsOf(dir) {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' });
  const all = stdout.split('\n').map((line) => /^ *(\d+) (.*)$/.exec(line) ?? []);
  const isOurs = (pid, args) => {
    if (args?.includes(dir)) return true;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(ROOT);
    } catch {
      return false;
    }
  };
  return all
    .filter(([, pid, args]) => pid !== undefined && Number(pid) !== process.pid && isOurs(pid, args))
    .map(([, pid]) => Number(pid));
}
