// `/pty` of the sandbox daemon as PTY.md and its code have it: REST, binary frames, replay, takeover.

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { attachPty, createPty, refusedPty } from './pty.fixture.ts';

let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ maxPendingPtys: 20 });
});
afterAll(() => gateway.close());

const standing = async (id: string) => (await gateway.ask(`/pty/${id}`)).json;
const code = async (path: string, ask: Parameters<GatewayProcess['ask']>[1] = {}) => {
  const { status, json } = await gateway.ask(path, ask);
  return { status, code: json?.code };
};

describe('/pty', () => {
  it('starts nothing before somebody attaches, then bash without start-up files in a terminal', async () => {
    const id = await createPty(gateway, { cwd: '/tmp' });
    expect(await standing(id)).toEqual({ session_id: id, running: false, output_offset: 0 });
    expect((await gateway.ask(`/v1/sessions/${id}`)).status).toBe(404);
    const pty = await attachPty(gateway, id);
    expect(await pty.frame('connected')).toMatchObject({ session_id: id, mode: 'pty' });
    pty.type('pwd; tty; stty size; echo "$-" $0 $TERM; shopt -q login_shell || echo no-login\n');
    await pty.seen('/tmp\r\n/dev/pts/');
    await pty.seen('24 80\r\n');
    await pty.seen(/himBHs bash xterm-256color|himBHs \/bin\/bash xterm-256color/);
    await pty.seen('\nno-login');
    expect((await standing(id)).running).toBe(true);
    expect((await standing(id)).output_offset).toBeGreaterThan(0);
    pty.type('exit 5\n');
    expect(await pty.closing()).toEqual({ code: 1000, reason: 'process exited' });
    expect(pty.frames.at(-1)).toEqual({ type: 'exit', exit_code: 5 });
    expect(pty.order.at(-1)).toBe('exit');
    expect(await standing(id)).toMatchObject({ running: false });
  });

  it('takes no body, and a command instead of an interactive shell', async () => {
    const bare = await gateway.ask('/pty', { method: 'POST' });
    expect(bare.status).toBe(201);
    const id = await createPty(gateway, { command: 'stty size; exit 3', cols: 90, rows: 30 });
    const pty = await attachPty(gateway, id);
    await pty.closing();
    expect(pty.text).toBe('30 90\r\n');
    expect(pty.frames.at(-1)).toEqual({ type: 'exit', exit_code: 3 });
  });

  it('runs on pipes with pty=0: stdout and stderr in frames of their own, resize refused', async () => {
    const id = await createPty(gateway);
    const pty = await attachPty(gateway, id, '?pty=0');
    expect(await pty.frame('connected')).toMatchObject({ mode: 'pipe' });
    pty.type('echo out; echo err >&2\n');
    await until('both have come', () => pty.output(1) === 'out\n' && pty.output(2) === 'err\n');
    pty.send({ type: 'resize', cols: 100, rows: 30 });
    expect(await pty.frame('error')).toMatchObject({ code: 'NOT_A_TTY' });
    pty.type('exit\n');
    await pty.closing();
    // The mode is the session's, whatever is asked for later.
    const again = await attachPty(gateway, id, '?pty=1');
    expect(await again.frame('connected')).toMatchObject({ mode: 'pipe' });
  });

  it('takes stdin as text, too, resizes, and answers a ping', async () => {
    const pty = await attachPty(gateway, await createPty(gateway));
    pty.send({ type: 'resize', cols: 120, rows: 40 });
    pty.send({ type: 'stdin', data: 'stty size\n' });
    await pty.seen('40 120');
    pty.send({ type: 'ping' });
    await pty.frame('pong');
    pty.send({ type: 'dance' });
    expect(await pty.frame('error')).toMatchObject({ code: 'INVALID_FRAME' });
    pty.ws.send(Buffer.from([9, 65]));
    await until('two errors have come', () => pty.frames.filter(({ type }) => type === 'error').length === 2);
    pty.ws.close();
  });

  it('replays from a byte, says where, and goes on live from there', async () => {
    const id = await createPty(gateway);
    const first = await attachPty(gateway, id, '?pty=0');
    first.type("printf 'aé'; printf 'x' >&2\n");
    await until('all is seen', () => first.text.length === 3);
    first.ws.close();
    await first.closing();
    await until('the writer has gone', async () => (await gateway.info(id)).lease === null);
    const again = await attachPty(gateway, id, '?since=1');
    const connected = await again.frame('connected');
    expect(again.replayed.map(({ offset, bytes, stream }) => [offset, bytes.toString('hex'), stream])).toEqual([
      [1, 'c3a9', 'stdout'],
      [3, '78', 'stderr'],
    ]);
    expect(again.order).toEqual(['replay', 3, 'replay', 3, 'connected']);
    expect(connected).toMatchObject({ offset: 4, oldest_offset: 0, running: true });
    again.type('printf live\n');
    await until('it is live', () => again.output(1) === 'live');
    again.ws.close();
    await again.closing();
    await until('the writer has gone', async () => (await gateway.info(id)).lease === null);
    const nothing = await attachPty(gateway, id, '?since=8');
    await nothing.frame('connected');
    expect(nothing.replayed).toEqual([]);
    nothing.ws.close();
  });

  it('lets one writer in: 409 before the upgrade, unless it takes over; the loser is closed with 4001', async () => {
    const id = await createPty(gateway);
    const old = await attachPty(gateway, id);
    await old.seen('bash-');
    expect(await refusedPty(gateway, id)).toEqual({ status: 409, code: 'ALREADY_CONNECTED' });
    expect(await refusedPty(gateway, id, '?takeover=0')).toEqual({ status: 409, code: 'ALREADY_CONNECTED' });
    expect(old.closed).toBeUndefined();
    old.type('MINE=kept\n');
    await old.seen('MINE=kept\r\n');
    const next = await attachPty(gateway, id, '?takeover=1&since=0');
    expect(await old.closing()).toEqual({ code: 4001, reason: 'TAKEN_OVER' });
    await next.seen('MINE=kept\r\n');
    next.type('echo [$MINE]\n');
    await next.seen('[kept]');
    // The end of the loser has not let go of what is not its own any more.
    expect(await refusedPty(gateway, id)).toEqual({ status: 409, code: 'ALREADY_CONNECTED' });
    next.ws.close();
  });

  it('evicts nobody for a handshake that fails, and starts nothing for one', async () => {
    const pending = await createPty(gateway);
    const held = await createPty(gateway);
    const holder = await attachPty(gateway, held);
    for (const id of [pending, held]) {
      const status = await new Promise<number>((resolve, reject) => {
        const headers = {
          connection: 'upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'short',
          'sec-websocket-version': '13',
          'x-execd-access-token': gateway.token,
        };
        request(`${gateway.url}/pty/${id}/ws?takeover=1`, { headers })
          .on('response', ({ statusCode }) => resolve(statusCode ?? 0))
          .on('error', reject)
          .end();
      });
      expect(status).toBe(400);
    }
    expect((await gateway.ask(`/v1/sessions/${pending}`)).status).toBe(404);
    holder.send({ type: 'ping' });
    await holder.frame('pong');
    holder.ws.close();
  });

  it('is started once by many who attach at once, one of whom writes', async () => {
    const id = await createPty(gateway, { command: 'echo started; sleep 60' });
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => attachPty(gateway, id)));
    const inside = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(inside.length).toBe(1);
    for (const one of asked) if (one.status === 'rejected') expect(one.reason.body.code).toBe('ALREADY_CONNECTED');
    await inside[0]?.seen('started');
    expect((await gateway.output(id)).match(/started/g)?.length).toBe(1);
    inside[0]?.ws.close();
    expect((await gateway.ask(`/pty/${id}`, { method: 'DELETE' })).status).toBe(200);
  });

  it('refuses before the upgrade, each with its own status and code', async () => {
    const id = await createPty(gateway);
    const unknown = '01890000-0000-7000-8000-000000000000';
    expect(await refusedPty(gateway, unknown)).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    expect(await refusedPty(gateway, 'nonsense')).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    expect(await refusedPty(gateway, id, '?since=1')).toEqual({ status: 416, code: 'OFFSET_AHEAD' });
    expect(await refusedPty(gateway, id, '?pty=maybe')).toEqual({ status: 400, code: 'INVALID_REQUEST_BODY' });
    expect(await refusedPty(gateway, id, '?since=0&tail=5')).toEqual({ status: 400, code: 'INVALID_REQUEST_BODY' });
    expect(await refusedPty(gateway, id, '?readonly=1')).toEqual({ status: 409, code: 'NOT_STARTED' });
    expect(await refusedPty(gateway, id, '', 'bn_wrong')).toEqual({ status: 401, code: 'UNAUTHORIZED' });
    const { token } = await gateway.tokenOf('view');
    expect(await refusedPty(gateway, id, '', token)).toEqual({ status: 409, code: 'NOT_STARTED' });
    expect((await gateway.ask(`/v1/sessions/${id}`)).status).toBe(404);
    expect(await code(`/pty/${id}/ws`)).toEqual({ status: 426, code: 'UPGRADE_REQUIRED' });
    expect(await code(`/pty/${unknown}`)).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    expect(await code(`/pty/${unknown}`, { method: 'DELETE' })).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    for (const body of [{ cwd: '/nowhere/at/all' }, { cwd: 5 }, { cwd: '/etc/hostname' }, { command: 'a\0b' }]) {
      expect(await code('/pty', { body })).toEqual({ status: 400, code: 'INVALID_REQUEST_BODY' });
    }
    for (const cols of [0, 65_536, 1.5, -1]) {
      expect(await code('/pty', { body: { cols } })).toEqual({ status: 400, code: 'BAD_SIZE' });
    }
    expect(await code('/pty', { body: '{', headers: { 'content-type': 'application/json' } })).toEqual({
      status: 400,
      code: 'INVALID_REQUEST_BODY',
    });
    expect(await code('/pty', { body: {}, token })).toEqual({ status: 403, code: 'FORBIDDEN' });
  });

  it('keeps what was asked for over a restart, but for values of its environment, which are never on the disk', async () => {
    const plain = await createPty(gateway, { cwd: '/tmp', command: 'pwd' });
    const secret = await createPty(gateway, { envs: { KEY: 'sesame' }, command: 'echo $KEY' });
    const used = await createPty(gateway, { envs: { KEY: 'sesame' }, command: 'echo $KEY' });
    const before = await attachPty(gateway, used);
    await before.closing();
    expect(before.text).toBe('sesame\r\n');
    await gateway.kill();
    await gateway.start();
    expect(await standing(plain)).toEqual({ session_id: plain, running: false, output_offset: 0 });
    const pty = await attachPty(gateway, plain);
    await pty.closing();
    expect(pty.text).toBe('/tmp\r\n');
    expect(await refusedPty(gateway, secret)).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    const again = await attachPty(gateway, used, '?since=0');
    await again.closing();
    expect(again.text).toBe('sesame\r\n');
  });

  it('is closed with 4003 within a second when its token is revoked, and its program goes on', async () => {
    const { id: tokenId, token } = await gateway.tokenOf('input');
    const id = await createPty(gateway, { command: 'cat' });
    const pty = await attachPty(gateway, id, '', token);
    await pty.frame('connected');
    await gateway.ask(`/v1/tokens/${tokenId}`, { method: 'DELETE' });
    expect(await pty.closing()).toEqual({ code: 4003, reason: 'REVOKED' });
    expect((await standing(id)).running).toBe(true);
  });

  it('refuses variables that no environment can hold, and more than it keeps for who never comes', async () => {
    for (const envs of [{ 'A=B': 'x' }, { '': 'x' }, { N: 'a\0b' }, { BIG: 'x'.repeat(70_000) }]) {
      const { status } = await gateway.ask('/pty', { body: { envs } });
      expect(status).toBe(400);
    }
  });

  it('bounds those that nobody attaches to', async () => {
    const made: string[] = [];
    let refused: Awaited<ReturnType<typeof code>> | undefined;
    while (refused === undefined) {
      const { status, json } = await gateway.ask('/pty', { body: {} });
      if (status === 201) made.push(json.session_id);
      else refused = { status, code: json.code };
      expect(made.length).toBeLessThanOrEqual(20);
    }
    expect(refused).toEqual({ status: 429, code: 'TOO_MANY_PTYS' });
    for (const id of made) expect((await gateway.ask(`/pty/${id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await gateway.ask(`/pty/${made[0]}`)).status).toBe(404);
    await createPty(gateway);
  });
});
