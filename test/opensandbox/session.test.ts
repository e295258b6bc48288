// `/session` of the sandbox daemon and what seed 003 adds: replay before a run, a status, the WebSocket beside it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyGateway, killGateway, openAnyGateway } from '../support/any-gateway.ts';
import { count, inAll } from '../support/count.ts';
import type { Ask } from '../support/gateway-access.ts';
import { until } from '../support/until.ts';

let gateway: AnyGateway;
beforeAll(async () => {
  gateway = await openAnyGateway();
});
afterAll(() => gateway.close());

// biome-ignore lint/suspicious/noExplicitAny: a test knows which event it waits for.
const eventsOf = (text: string): any[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));
const open = async (): Promise<string> => (await gateway.ask('/session', { method: 'POST' })).json.session_id;
const standing = async (id: string) => (await gateway.ask(`/session/${id}`)).json;
const run = async (id: string, command: string, query = '', more: object = {}) =>
  eventsOf((await gateway.ask(`/session/${id}/run${query}`, { body: { command, ...more } })).text);
const refusal = async (path: string, ask: Ask = {}) => {
  const { status, json } = await gateway.ask(path, ask);
  return { status, code: json?.code };
};
const textOf = (events: readonly { type: string; text?: string }[], ...types: string[]): string =>
  events
    .filter(({ type }) => types.includes(type))
    .map(({ text }) => text)
    .join('');

describe('/session', () => {
  it('refuses a folder that cannot be made, at once: below /proc a recursive mkdir of Node 20 never ends', async () => {
    const { status } = await gateway.ask('/session', { body: { cwd: '/proc/nope/x' } });
    expect(status).toBe(400);
  });

  it('with pty=1 is a terminal, in which runs work and what is typed arrives', async () => {
    const { json } = await gateway.ask('/session?pty=1', { method: 'POST' });
    expect(json).toEqual({ session_id: expect.any(String), mode: 'pty' });
    const { session_id: id } = json as { session_id: string };
    expect(await gateway.info(id)).toMatchObject({ mode: 'pty', cols: 80, rows: 24 });
    expect(textOf(await run(id, 'test -t 0 && test -t 1 && stty size'), 'stdout')).toContain('24 80');
    const frames = await gateway.frames(`/ws/session/${id}?since=0&pty=1`);
    frames.send({ type: 'resize', cols: 132, rows: 40 });
    frames.send({ type: 'stdin', data: 'stty size\n' });
    await gateway.seen(id, '40 132');
    expect((await gateway.ask('/session', { method: 'POST' })).json).toEqual({ session_id: expect.any(String) });
    expect((await gateway.ask('/session?pty=0', { method: 'POST' })).json).toMatchObject({ mode: 'pipe' });
  });

  it('tells whether it runs and how much it has written', async () => {
    const id = await open();
    expect(await standing(id)).toEqual({ session_id: id, running: true, output_offset: 0 });
    await run(id, 'printf 12345; printf 678 >&2');
    expect(await standing(id)).toEqual({ session_id: id, running: true, output_offset: 8 });
    const deleted = await gateway.ask(`/session/${id}`, { method: 'DELETE' });
    expect([deleted.status, deleted.text, deleted.headers.get('content-length')]).toEqual([200, '', '0']);
    expect(await refusal(`/session/${id}`)).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
  });

  it('with since sends what came before as replay, then the run', async () => {
    const id = await open();
    await run(id, 'printf aé');
    await run(id, 'printf err >&2');
    const all = await run(id, 'echo now', '?since=0');
    expect(all.map(({ type }) => type)).toEqual(['init', 'replay', 'replay', 'stdout', 'execution_complete']);
    expect(all.slice(1, 3)).toMatchObject([
      { type: 'replay', text: 'aé', offset: 3, stream: 'stdout' },
      { type: 'replay', text: 'err', offset: 6, stream: 'stderr' },
    ]);
    expect(textOf(all, 'stdout')).toBe('now\n');
    const some = await run(id, 'echo more', '?since=3');
    expect(textOf(some, 'replay')).toBe('errnow\n');
    const none = await run(id, 'echo last', `?since=${(await standing(id)).output_offset}`);
    expect(none.map(({ type }) => type)).toEqual(['init', 'stdout', 'execution_complete']);
    const without = await run(id, 'true');
    expect(without.map(({ type }) => type)).toEqual(['init', 'execution_complete']);
  });

  it('refuses a bad since, command or directory before anything runs or streams', async () => {
    const id = await open();
    const body = { command: 'echo ran' };
    for (const since of ['-1', '12abc', '1e3', '', 'NaN', '9007199254740992']) {
      expect([since, await refusal(`/session/${id}/run?since=${since}`, { body })]).toEqual([
        since,
        { status: 400, code: 'BAD_OFFSET' },
      ]);
    }
    expect(await refusal(`/session/${id}/run?since=1`, { body })).toEqual({ status: 416, code: 'OFFSET_AHEAD' });
    expect(await refusal(`/session/${id}/run?since=0&since=0`, { body })).toEqual({
      status: 400,
      code: 'INVALID_REQUEST_BODY',
    });
    for (const bad of [
      {},
      { command: '' },
      { command: ' ' },
      { command: 'x', timeout: -1 },
      { command: 'x', cwd: '/nowhere/at/all' },
    ]) {
      expect([bad, await refusal(`/session/${id}/run`, { body: bad })]).toEqual([
        bad,
        { status: 400, code: 'INVALID_REQUEST_BODY' },
      ]);
    }
    const unknown = '01890000-0000-7000-8000-000000000000';
    expect(await refusal(`/session/${unknown}/run`, { body })).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    expect(await refusal('/session/nonsense/run', { body })).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' });
    const plain = await gateway.create({ command: 'sleep 60', mode: 'pipe' });
    expect(await refusal(`/session/${plain.id}/run`, { body })).toEqual({ status: 409, code: 'NO_RUNS' });
    expect((await standing(id)).output_offset).toBe(0);
  });

  it('tells each of many short runs from its first byte to its end, whichever of them is over before it is answered', async () => {
    const sessions = await Promise.all(Array.from({ length: 4 }, open));
    const all = sessions.flatMap((id) => Array.from({ length: count({ quick: 10, all: 40 }) }, (_, n) => ({ id, n })));
    const outcomes = await Promise.all(
      all.map(async ({ id, n }) => {
        const events = await run(id, `echo ${n}; (exit ${n % 3})`);
        return `${textOf(events, 'stdout')}${events.at(-1).error?.evalue ?? 0}`;
      }),
    );
    expect(outcomes).toEqual(all.map(({ n }) => `${n}\n${n % 3}`));
  });

  it('cuts off what only waits when it is interrupted, and says so', async () => {
    const id = await open();
    const first = run(id, 'sleep 60');
    const inState = async (wanted: string) => {
      const { runs } = (await gateway.ask(`/v1/sessions/${id}/runs`)).json;
      return (runs as { id: string; state: string }[]).filter(({ state }) => state === wanted);
    };
    // The shell has it before that, and may not have begun.
    await until('it runs', async () => (await inState('running')).length === 1);
    const second = run(id, 'echo never');
    await until('it waits', async () => (await inState('queued')).length === 1);
    const waiting = (await inState('queued'))[0]?.id ?? '';
    expect((await gateway.ask(`/command/status/${waiting}`)).json).toMatchObject({
      running: true,
      content: 'echo never',
    });
    const logs = await gateway.ask(`/command/${waiting}/logs`);
    expect([logs.status, logs.text, logs.headers.get('execd-commands-tail-cursor')]).toEqual([200, '', '0']);
    expect((await gateway.ask(`/command?id=${waiting}`, { method: 'DELETE' })).status).toBe(200);
    expect((await second).at(-1)).toMatchObject({ type: 'error', error: { evalue: 'cancelled' } });
    expect((await gateway.ask(`/command?id=${id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await first).at(-1)).toMatchObject({ type: 'error', error: { evalue: '130' } });
    expect(await refusal(`/command?id=${id}`, { method: 'DELETE' })).toEqual({ status: 409, code: 'NO_JOB' });
    expect(textOf(await run(id, 'echo usable'), 'stdout')).toBe('usable\n');
  });

  it('is interrupted by DELETE /code, its address for that, and stays usable', async () => {
    const id = await open();
    const byCode = (query: string) => gateway.ask(`/code${query}`, { method: 'DELETE' });
    const running = run(id, 'kept=here; echo on; sleep 60');
    await until('it is on', async () => (await standing(id)).output_offset === 3);
    expect((await byCode(`?id=${id}`)).status).toBe(200);
    expect((await running).at(-1)).toMatchObject({ type: 'error', error: { evalue: '130' } });
    expect(textOf(await run(id, 'echo $kept'), 'stdout')).toBe('here\n');
    expect((await byCode(`?id=${id}`)).json).toMatchObject({ code: 'NO_JOB' });
    expect((await byCode('')).json).toMatchObject({ code: 'MISSING_QUERY' });
    expect((await byCode('?id=nobody')).json).toMatchObject({ code: 'CONTEXT_NOT_FOUND' });
    expect((await gateway.ask('/code', { body: { code: '1' } })).status).toBe(501);
  });

  it('ends the stream of a run that is going on when it is deleted, with one end', async () => {
    const id = await open();
    const running = run(id, 'echo on; sleep 60');
    await until('it is on', async () => (await standing(id)).output_offset === 3);
    await gateway.ask(`/session/${id}`, { method: 'DELETE' });
    const events = await running;
    expect(events.filter(({ type }) => type === 'error' || type === 'execution_complete').length).toBe(1);
    expect(events.at(-1).type).toBe('error');
    expect(Number.isInteger(Number(events.at(-1).error.evalue))).toBe(false);
  });

  inAll(
    'goes on with a run whose client has gone, which another finds by its id, over a restart of the gateway',
    async () => {
      const id = await open();
      const leaving = new AbortController();
      const answer = await fetch(`${gateway.url}/session/${id}/run`, {
        method: 'POST',
        headers: { 'X-EXECD-ACCESS-TOKEN': gateway.token, 'content-type': 'application/json' },
        body: JSON.stringify({ command: 'echo one; sleep 1; echo two' }),
        signal: leaving.signal,
      });
      const { value } = (await answer.body?.getReader().read()) ?? {};
      const [init] = eventsOf(Buffer.from(value ?? []).toString());
      leaving.abort();
      await killGateway(gateway);
      await gateway.start();
      await until(
        'it has ended',
        async () => (await gateway.ask(`/command/status/${init.text}`)).json.running === false,
      );
      expect((await gateway.ask(`/command/status/${init.text}`)).json).toMatchObject({ id: init.text, exit_code: 0 });
      const logs = await gateway.ask(`/command/${init.text}/logs?cursor=4`);
      expect([logs.text, logs.headers.get('execd-commands-tail-cursor')]).toEqual(['two\n', '8']);
      expect(textOf(await run(id, 'echo still', '?since=0'), 'replay', 'stdout')).toBe('one\ntwo\nstill\n');
    },
  );
});

describe('/ws/session beside runs', () => {
  const attach = (id: string, query = '') => gateway.frames(`/ws/session/${id}${query}`);

  it('executes what is typed, shows it and the output of runs, and says exit behind the last byte', async () => {
    const id = await open();
    await run(id, 'X=from-a-run; echo early');
    const frames = await attach(id, '?since=0&pty=1');
    expect(await frames.next()).toEqual({ type: 'replay', offset: 6, data: 'early\n' });
    expect(await frames.next()).toEqual({ type: 'connected', session_id: id, mode: 'pipe', offset: 6 });
    frames.send({ type: 'stdin', data: 'echo typed $X; echo err >&2\n' });
    await until(
      'it is executed',
      () => frames.text('stdout') === 'typed from-a-run\n' && frames.text('stderr') === 'err\n',
    );
    // The socket's client has the lease: no other client puts a run between two of its lines.
    expect(await refusal(`/session/${id}/run`, { body: { command: 'true' } })).toEqual({
      status: 409,
      code: 'LEASE_HELD',
    });
    expect((await gateway.info(id)).running).toBe(true);
    frames.ws.close();
    await frames.closing();
    await until('the lease is free', async () => (await gateway.info(id)).lease === null);
    const { token } = await gateway.tokenOf('view');
    const watching = await gateway.frames(`/ws/session/${id}?since=${(await standing(id)).output_offset}`, token);
    await watching.next();
    await run(id, 'echo by a run');
    await until('it is seen', () => watching.text('stdout') === 'by a run\n');
    watching.ws.close();
  });

  it('of a session that has ended gives its output and its exit, and starts nothing', async () => {
    const id = await open();
    await run(id, 'echo last words');
    const shell = (await gateway.info(id)).pid;
    await gateway.input(id, 'exit 3\n');
    await until('it has ended', async () => (await gateway.info(id)).state === 'closed');
    for (const query of ['?since=0', '?since=0&takeover=1', '?since=0&pty=1']) {
      const frames = await attach(id, query);
      expect(await frames.closing()).toEqual({ code: 1000, reason: 'exit' });
      const types = frames.all.map(({ type }) => type).filter((type) => type !== 'ping');
      expect([...new Set(types)]).toEqual(['replay', 'connected', 'exit']);
      expect(frames.text('replay')).toMatch(/^last words\n/);
      expect(frames.all.at(-1)).toEqual({ type: 'exit', exit_code: 3 });
    }
    expect((await gateway.info(id)).pid).toBe(shell);
    expect(await standing(id)).toMatchObject({ running: false });
    expect(await refusal(`/session/${id}/run`, { body: { command: 'true' } })).toEqual({
      status: 409,
      code: 'SESSION_EXITED',
    });
  });
});
