// Golden transcript: the routes of OpenSandbox, and the sockets that speak its protocol.

import { join } from 'node:path';
import { it } from 'vitest';
import { openTranscript } from './transcript.fixture.ts';

/** Addresses of the daemon that say that there is nothing; no description has them. */
const NOT_OFFERED = [
  ...['DELETE /files', 'GET /files/info', 'POST /files/mv', 'POST /files/permissions', 'GET /files/search'],
  ...['POST /files/replace', 'POST /files/upload', 'GET /files/download', 'GET /directories/list'],
  ...['POST /directories', 'DELETE /directories', 'POST /code', 'POST /code/context', 'GET /code/contexts'],
  ...['DELETE /code/contexts', 'GET /code/contexts/x', 'DELETE /code/contexts/x', 'POST /v1/isolated/session'],
  ...['GET /v1/isolated/sessions', 'GET /v1/isolated/session/x', 'DELETE /v1/isolated/session/x'],
  ...['POST /v1/isolated/session/x/run', 'GET /metrics/watch'],
];

it('the routes of OpenSandbox are answered as they were', async () => {
  const t = await openTranscript('opensandbox');
  try {
    const cwd = join(t.root, 'work');
    const execd = { token: null, as: 'execd', headers: { 'X-EXECD-ACCESS-TOKEN': t.gateway.adminToken } };
    const viewer = { token: await t.token('view'), as: 'a viewer' };
    t.part('the daemon');
    await t.ask('GET /ping', execd);
    await t.ask('GET /ping', { token: null, headers: { 'X-Request-Id': 'r-1' } });
    await t.ask('GET /v1/sandboxes/any/endpoints/8080', {
      token: null,
      as: 'its client',
      headers: { 'OPEN-SANDBOX-API-KEY': t.gateway.adminToken },
    });
    await t.ask('GET /v1/sandboxes/any/endpoints/8080', { token: null });
    for (const target of NOT_OFFERED)
      await t.ask(target, { ...execd, show: ({ code, message }) => ({ code, message }) });

    t.part('commands');
    const body = { command: 'echo one; read x || echo two >&2; exit 3', cwd, envs: { A: 'b' }, more: true };
    const ran = await t.ask('POST /command', { ...execd, body });
    await t.ask('POST /command', { ...execd, body: { command: 'echo fine', cwd } });
    await t.ask('POST /command', { ...execd, body: { cwd } });
    await t.ask('POST /command', { ...viewer, body: { command: 'true' } });
    const { text: id = '' } = JSON.parse(/data: (\{.*"init".*\})/.exec(ran.text)?.[1] ?? '{}');
    await t.ask(`GET /command/status/${id}`, execd);
    await t.ask('GET /command/status/nosuchcommand', execd);
    await t.ask(`GET /command/${id}/logs`, execd);
    await t.ask(`GET /command/${id}/logs?cursor=4`, execd);
    await t.ask(`GET /command/${id}/logs?cursor=99`, execd);
    const long = await t.ask('POST /command', { ...execd, body: { command: 'sleep 60', background: true, cwd } });
    const { text: sleeping = '' } = JSON.parse(/data: (\{.*"init".*\})/.exec(long.text)?.[1] ?? '{}');
    await t.ask(`DELETE /command?id=${sleeping}`, execd);
    await t.ask('DELETE /command', execd);
    await t.ask('DELETE /code?id=nosuchcommand', execd);

    t.part('sessions');
    const { json: session } = await t.ask('POST /session', { ...execd, body: { cwd } });
    await t.ask('POST /session?pty=1', { ...execd, body: { cwd } });
    await t.ask('POST /session', { ...viewer, body: {} });
    const of = `/session/${session.session_id}`;
    await t.ask(`POST ${of}/run`, { ...execd, body: { command: 'X=1; echo ran' } });
    await t.ask(`POST ${of}/run?since=0`, { ...execd, body: { command: '(exit 4)' } });
    await t.ask(`POST ${of}/run`, { ...execd, body: {} });
    await t.ask(`GET ${of}`, execd);
    await t.ask('GET /session/nosuchsession', execd);
    await t.ask(`DELETE /code?id=${session.session_id}`, execd);
    const sleeps = t.ask(`POST ${of}/run`, { ...execd, body: { command: 'echo sleeps; sleep 60' }, isSilent: true });
    await t.shows(session.session_id, 'sleeps');
    await t.ask(`DELETE /code?id=${session.session_id}`, execd);
    await sleeps;
    await t.ask(`DELETE ${of}`, execd);
    await t.ask(`DELETE ${of}`, execd);

    t.part('terminals');
    const { json: pty } = await t.ask('POST /pty', { ...execd, body: { command: 'read x; echo got $x; exit 5', cwd } });
    await t.ask('POST /pty', { ...execd, body: { command: 7 } });
    await t.ask(`GET /pty/${pty.session_id}`, execd);
    await t.ask('GET /pty/nosuchpty', execd);
    await t.trySocket(`/pty/${pty.session_id}/ws?readonly=1`, { name: 'too early' });
    await t.trySocket('/pty/nosuchpty/ws', { name: 'nowhere' });
    const one = await t.socket(`/pty/${pty.session_id}/ws?pty=0`, { name: 'one', laneOf });
    await one.gets(({ type }) => type === 'connected');
    await t.trySocket(`/pty/${pty.session_id}/ws`, { name: 'second' });
    one.send({ type: 'ping' });
    one.send({ type: 'nosuchtype' });
    one.send({ type: 'resize', cols: 90, rows: 20 });
    one.send({ type: 'signal', signal: 'SIGUNKNOWN' });
    one.send({ type: 'pong' });
    await one.until((frames) => frames.filter(({ type }) => type === 'error').length === 3);
    const watching = await t.socket(`/pty/${pty.session_id}/ws?readonly=1`, { name: 'watching', laneOf });
    await watching.gets(({ type }) => type === 'connected');
    one.send({ type: 'stdin', data: 'ah' });
    one.send(Buffer.from('\u0000oy\n'));
    await one.gets(({ type }) => type === 'exit');
    await one.closing();
    await one.end();
    await watching.closing();
    await watching.end();
    const late = await t.socket(`/pty/${pty.session_id}/ws?since=0`, { name: 'late', laneOf });
    await late.closing();
    await late.end();
    await t.ask(`DELETE /pty/${pty.session_id}`, execd);
    await t.ask(`DELETE /pty/${pty.session_id}`, execd);
    t.compare();
  } finally {
    await t.close();
  }
});

it('the session socket speaks as it did', async () => {
  const t = await openTranscript('session-socket', { livenessTimes: { heartbeatMs: 300 } });
  try {
    const cwd = join(t.root, 'work');
    const { id } = await t.create({ command: 'echo begun; read x; echo "got $x"; read y; exit 3', cwd, name: 'asks' });
    await t.shows(id, 'begun');
    await t.trySocket('/ws/session/nosuchsession', { name: 'nowhere' });
    await t.trySocket(`/ws/session/${id}?since=soon`, { name: 'when' });
    await t.trySocket(`/ws/session/${id}?since=99`, { name: 'ahead' });
    const one = await t.socket(`/ws/session/${id}?since=0`, { name: 'one', laneOf: withPings, lastOf: ['ping'] });
    await one.gets(({ type }) => type === 'connected');
    await t.trySocket(`/ws/session/${id}`, { name: 'second' });
    one.send({ type: 'ping' });
    one.send({ type: 'resize', cols: 100, rows: 20 });
    one.send({ type: 'signal', signal: 'SIGUNKNOWN' });
    one.send({ type: 'nosuchtype' });
    one.send('no JSON');
    one.send({ type: 'stdin', data: 'x\n' });
    await one.until((frames) => frames.some(({ data }) => data?.includes('got x')));
    await one.gets(({ type }) => type === 'ping');
    one.send({ type: 'pong' });
    const two = await t.socket(`/ws/session/${id}?takeover=1&encoding=base64`, {
      name: 'two',
      // Base64 that came in pieces of chance is not one text.
      laneOf: ({ type }) => (type === 'stdout' ? undefined : laneOf({ type })),
    });
    await one.closing();
    await one.end();
    two.send({ type: 'stdin', data: '\n' });
    await two.closing();
    await two.end();
    const late = await t.socket(`/ws/session/${id}`, { name: 'late', laneOf });
    await late.closing();
    await late.end();
    const pipe = await t.create({
      command: 'echo out; read x; echo err >&2; read y; kill -TERM $$',
      mode: 'pipe',
      cwd,
    });
    const viewer = await t.socket(`/ws/session/${pipe.id}`, { name: 'piped', laneOf });
    await viewer.until((frames) => frames.some(({ type }) => type === 'stdout'));
    viewer.send({ type: 'stdin', data: '\n' });
    await viewer.until((frames) => frames.some(({ type }) => type === 'stderr'));
    viewer.send({ type: 'stdin', data: '\n' });
    await viewer.closing();
    await viewer.end();
    t.compare();
  } finally {
    await t.close();
  }
});

it('what is gone is told on the sockets of sessions as it was', async () => {
  const t = await openTranscript('session-socket-gap', { retainBytes: 262_144, segmentBytes: 65_536 });
  try {
    t.normal.chance('position', 'to', 'offset');
    const cwd = join(t.root, 'work');
    const { id } = await t.create({
      command: 'head -c 1000000 /dev/zero | tr "\\\\0" x',
      mode: 'pipe',
      cwd,
      name: 'much',
    });
    await t.closed(id);
    await t.until('the oldest is gone', async () => (await t.need(`GET /v1/sessions/${id}`)).oldestOffset > 0);
    for (const path of [`/ws/session/${id}?since=0`, `/pty/${id}/ws?since=0`]) {
      const socket = await t.socket(path, { name: path.split('/')[1] ?? '', laneOf: onlyGaps });
      await socket.closing();
      await socket.end();
    }
    t.compare();
  } finally {
    await t.close();
  }
});

/** Pings come when the machine is slow. */
function laneOf({ type }: { readonly type?: string }): string | undefined {
  if (type === 'ping') return undefined;
  return type === 'pong' || type === 'error' ? type : 'output';
}
const withPings = (frame: { readonly type?: string }): string | undefined =>
  frame.type === 'ping' ? 'ping' : laneOf(frame);
const onlyGaps = ({ type }: { readonly type?: string }): string | undefined => (type === 'error' ? type : undefined);
