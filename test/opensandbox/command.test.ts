// `/command`, `/ping`, `/metrics` and the endpoint route, byte by byte: what the SDK does not look at.

import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { count } from '../support/count.ts';
import type { Ask } from '../support/gateway-access.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

let gateway: GatewayProcess;
let dir: string;
beforeAll(async () => {
  dir = tempDir('command');
  gateway = await openGatewayProcess();
});

const execd = (ask: Ask = {}): Ask => ({
  ...ask,
  token: null,
  headers: { 'X-EXECD-ACCESS-TOKEN': gateway.token, ...ask.headers },
});
const command = (body: object) => gateway.ask('/command', execd({ body }));
const refusal = async (path: string, ask: Ask = {}) => {
  const { status, json } = await gateway.ask(path, execd(ask));
  return { status, code: json?.code };
};
// biome-ignore lint/suspicious/noExplicitAny: a test knows which event it waits for.
const eventsOf = (text: string): any[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));

describe('the answer of /command', () => {
  it('is server-sent events: an id each, init first, one end, no second to wait for', async () => {
    const begun = performance.now();
    const { status, headers, text } = await command({ command: 'printf a; printf b >&2; exit 2' });
    expect(performance.now() - begun).toBeLessThan(900);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect(text).toMatch(/^(id: [a-z0-9]+\.[0-9a-z]+\.[0-9a-z]+\ndata: \{.*\}\n\n){4}$/);
    const events = eventsOf(text);
    expect(events[0]).toMatchObject({ type: 'init', text: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(
      events
        .slice(1, 3)
        .map(({ type, text: said }) => `${type} ${said}`)
        .sort(),
    ).toEqual(['stderr b', 'stdout a']);
    expect(events[3]).toEqual({
      type: 'error',
      error: { ename: 'CommandExecError', evalue: '2', traceback: ['exit status 2'] },
      timestamp: expect.any(Number),
    });
  });

  it('can be read on from any of its ids', async () => {
    const { text } = await command({ command: 'for n in 1 2 3; do echo $n; sleep 0.02; done' });
    const session = eventsOf(text)[0].text;
    const frames = [...text.matchAll(/id: (\S+)\ndata: (.*)/g)].map(([, id, data]) => ({
      id,
      data: JSON.parse(data ?? ''),
    }));
    const first = frames.find(({ data }) => data.type === 'stdout');
    const rest = await gateway.ask(`/v1/sessions/${session}/output?position=${first?.id}`);
    expect(first?.data.text + rest.text).toBe('1\n2\n3\n');
  });

  it('of one in the background is init and execution_complete at once', async () => {
    const begun = performance.now();
    const { text } = await command({ command: 'sleep 60', background: true });
    expect(performance.now() - begun).toBeLessThan(900);
    const [init, complete, ...more] = eventsOf(text);
    expect([init.type, complete.type, more]).toEqual(['init', 'execution_complete', []]);
    const ended = await gateway.ask(`/command?id=${init.text}`, execd({ method: 'DELETE' }));
    expect([ended.status, ended.text, ended.headers.get('content-length')]).toEqual([200, '', '0']);
  });

  it('shows megabytes without a line break, byte for byte', async () => {
    const size = count({ quick: 4_000_000, all: 20_000_000 });
    const { text } = await command({ command: `head -c ${size} /dev/zero | tr '\\0' x` });
    const events = eventsOf(text);
    expect(events.filter(({ type }) => type === 'stdout').reduce((sum, { text: part }) => sum + part.length, 0)).toBe(
      size,
    );
    expect(events.at(-1).type).toBe('execution_complete');
  });
});

describe('what /command is asked', () => {
  it('finds its directory by ~, $HOME and envs, and never by the environment of the gateway', async () => {
    const pwd = async (cwd: string, envs?: Record<string, string>) => {
      const { text } = await command({ command: 'pwd -P', cwd, envs });
      const [event] = eventsOf(text).filter(({ type }) => type === 'stdout');
      return event?.text.trim();
    };
    for (const cwd of ['~', '$HOME', `\${HOME}`, '.']) expect([cwd, await pwd(cwd)]).toEqual([cwd, homedir()]);
    expect(await pwd('$BASE/..', { BASE: dir })).toBe(tmpdir());
    expect(await refusal('/command', { body: { command: 'pwd', cwd: '$PATH' } })).toEqual({
      status: 400,
      code: 'INVALID_REQUEST_BODY',
    });
  });

  it('is refused where it makes no sense, and then nothing is started', async () => {
    const before = (await gateway.ask('/v1/sessions?limit=1000')).json.sessions.length;
    const bad: object[] = [
      {},
      { command: '' },
      { command: ' \n' },
      { command: 5 },
      { command: 'a\0b' },
      { command: 'x'.repeat(128 * 1024) },
      { command: 'true', cwd: join(dir, 'nowhere') },
      { command: 'true', cwd: '/etc/hostname' },
      { command: 'true', timeout: -1 },
      { command: 'true', timeout: 1.5 },
      { command: 'true', timeout: '5' },
      { command: 'true', background: 'yes' },
      { command: 'true', gid: 1 },
      { command: 'true', uid: -1 },
      { command: 'true', envs: { A: 5 } },
      { command: 'true', envs: { 'A=B': 'x' } },
      { command: 'true', envs: { A: 'x\0y' } },
    ];
    for (const body of bad) {
      expect([body, await refusal('/command', { body })]).toEqual([
        body,
        { status: 400, code: 'INVALID_REQUEST_BODY' },
      ]);
    }
    const raw = (body: string, type: string) => refusal('/command', { body, headers: { 'content-type': type } });
    expect(await raw('{', 'application/json')).toEqual({ status: 400, code: 'INVALID_REQUEST_BODY' });
    expect(await raw('{}', 'text/plain')).toEqual({ status: 415, code: 'INVALID_REQUEST_BODY' });
    expect(
      await raw(JSON.stringify({ command: 'true', envs: { A: 'x'.repeat(1024 * 1024) } }), 'application/json'),
    ).toEqual({
      status: 413,
      code: 'INVALID_REQUEST_BODY',
    });
    expect(await refusal('/command', { method: 'DELETE' })).toEqual({ status: 400, code: 'MISSING_QUERY' });
    expect(await refusal('/command?id=', { method: 'DELETE' })).toEqual({ status: 400, code: 'MISSING_QUERY' });
    expect(await refusal('/command/x/logs?cursor=-1')).toEqual({ status: 400, code: 'BAD_OFFSET' });
    expect(await refusal('/command', { method: 'PUT' })).toEqual({ status: 405, code: 'METHOD_NOT_ALLOWED' });
    expect((await gateway.ask('/v1/sessions?limit=1000')).json.sessions.length).toBe(before);
  });

  it('takes null for what is left out, and fields that it does not know', async () => {
    const body = { command: 'echo fine', cwd: null, envs: null, timeout: null, uid: null, gid: null, later: true };
    expect(eventsOf((await command(body)).text).map(({ type }) => type)).toEqual([
      'init',
      'stdout',
      'execution_complete',
    ]);
  });

  it('knows only commands: no other session has a status, logs or an interrupt there', async () => {
    const { id } = await gateway.create({ command: 'sleep 60' });
    const notFound = { status: 404, code: 'CONTEXT_NOT_FOUND' };
    expect(await refusal(`/command/status/${id}`)).toEqual(notFound);
    expect(await refusal(`/command/${id}/logs`)).toEqual(notFound);
    expect(await refusal(`/command?id=${id}`, { method: 'DELETE' })).toEqual(notFound);
    expect((await gateway.info(id)).running).toBe(true);
  });
});

describe('the timeout of a command', () => {
  const TIMEOUT_MS = count({ quick: 1000, all: 2500 });

  it('survives a kill -9 of the gateway', async () => {
    const asked = Date.now();
    const { text } = await command({ command: 'sleep 60', background: true, timeout: TIMEOUT_MS });
    const id = eventsOf(text)[0].text;
    await gateway.kill();
    await gateway.start();
    const { running } = (await gateway.ask(`/command/status/${id}`)).json;
    // A gateway that takes longer to start finds that it is time; when it was ended is looked at below.
    if (Date.now() < asked + TIMEOUT_MS) expect(running).toBe(true);
    await until('it is ended', async () => !(await gateway.ask(`/command/status/${id}`)).json.running);
    const { json } = await gateway.ask(`/command/status/${id}`);
    expect(json).toEqual({
      id,
      content: 'sleep 60',
      running: false,
      error: expect.stringContaining('timeout'),
      started_at: expect.any(String),
      finished_at: expect.any(String),
    });
    expect(Date.parse(json.finished_at) - Date.parse(json.started_at)).toBeGreaterThanOrEqual(TIMEOUT_MS - 100);
  });

  it('that was met ends nothing later', async () => {
    const { text } = await command({ command: 'exit 4', timeout: 300 });
    const id = eventsOf(text)[0].text;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect((await gateway.ask(`/command/status/${id}`)).json).toMatchObject({ exit_code: 4, error: 'exit status 4' });
  });
});

describe('an interrupt', () => {
  it('asks first', async () => {
    const tidied = join(dir, 'tidied');
    const text = `trap "touch ${tidied}; exit 3" TERM; echo ready; sleep 60 & wait`;
    const id = eventsOf((await command({ command: text, background: true })).text)[0].text;
    await until('it is ready', async () => (await gateway.ask(`/command/${id}/logs`)).text === 'ready\n');
    await gateway.ask(`/command?id=${id}`, execd({ method: 'DELETE' }));
    expect(existsSync(tidied)).toBe(true);
    expect((await gateway.ask(`/command/status/${id}`)).json).toMatchObject({ running: false, exit_code: 3 });
  });
});

describe('who may', () => {
  it('is asked, and told to who has no token in the words of the daemon', async () => {
    const { status, json } = await gateway.ask('/ping', { token: null });
    expect([status, json.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(json.error).toBe(json.message);
  });

  it('is told by one token: twice the same is one, two are none, and an API key is none for the daemon', async () => {
    const ping = async (headers: Record<string, string>) =>
      (await gateway.ask('/ping', { token: null, headers })).status;
    const { token } = gateway;
    const bearer = { authorization: `Bearer ${token}` };
    expect(await ping({ 'X-EXECD-ACCESS-TOKEN': token, ...bearer })).toBe(200);
    expect(await ping({ 'x-execd-access-token': token })).toBe(200);
    expect(await ping({ 'X-EXECD-ACCESS-TOKEN': 'bn_other', ...bearer })).toBe(401);
    expect(await ping({ 'X-EXECD-ACCESS-TOKEN': '', ...bearer })).toBe(401);
    expect(await ping({ 'OPEN-SANDBOX-API-KEY': token })).toBe(401);
    // That of another server, beside the token that we gave for it.
    expect(await ping({ 'OPEN-SANDBOX-API-KEY': 'other', 'X-EXECD-ACCESS-TOKEN': token })).toBe(200);
    expect(await ping({ 'X-EXECD-ACCESS-TOKEN': token, origin: 'https://evil.example' })).toBe(403);
  });
});

describe('the rest of the daemon', () => {
  it('keeps the number of a request on its answer, refusals included', async () => {
    const headers = { 'x-request-id': 'job-17' };
    for (const path of ['/ping', '/command/status/x', '/nowhere']) {
      expect((await gateway.ask(path, execd({ headers }))).headers.get('x-request-id')).toBe('job-17');
    }
    const { headers: streamed } = await gateway.ask('/command', execd({ headers, body: { command: 'true' } }));
    expect(streamed.get('x-request-id')).toBe('job-17');
    const odd = await gateway.ask('/ping', execd({ headers: { 'x-request-id': `a b${'x'.repeat(200)}` } }));
    expect(odd.headers.get('x-request-id')).toBeNull();
  });

  it('says where it is: our own address, whatever port is asked for, with the token that came', async () => {
    for (const header of ['OPEN-SANDBOX-API-KEY', 'X-EXECD-ACCESS-TOKEN']) {
      const path = '/v1/sandboxes/any/endpoints/18080?use_server_proxy=false';
      const { status, json } = await gateway.ask(path, { token: null, headers: { [header]: gateway.token } });
      expect(status).toBe(200);
      const headers = { 'X-EXECD-ACCESS-TOKEN': gateway.token };
      expect(json).toEqual({ endpoint: new URL(gateway.url).host, headers });
    }
  });

  it('measures for Prometheus, and for the daemon’s clients by their header', async () => {
    await command({ command: 'true' });
    const { headers, text } = await gateway.ask('/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(text).toMatch(/^binnacle_sessions\{state="running"\} \d+$/m);
    expect(text).toMatch(/^binnacle_viewers \d+$/m);
    expect(text).toMatch(/^binnacle_runners [1-9]\d*$/m);
    expect(text).toMatch(/^binnacle_build_info\{version=".+",node="v\d.+"\} 1$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect(text).not.toContain(gateway.token);
    const { json } = await gateway.ask('/metrics', execd());
    expect(Object.keys(json)).toEqual(['cpu_count', 'cpu_used_pct', 'mem_total_mib', 'mem_used_mib', 'timestamp']);
    const running = async () => Number(/running"\} (\d+)/.exec((await gateway.ask('/metrics')).text)?.[1]);
    const before = await running();
    const { id } = await gateway.create({ command: 'sleep 60' });
    expect(await running()).toBe(before + 1);
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    expect(await running()).toBe(before);
  });

  it('says what is not there, and what to do instead', async () => {
    for (const path of ['/files/info?path=/etc', '/code/contexts', '/v1/isolated/sessions', '/metrics/watch']) {
      const { status, json } = await gateway.ask(path, execd());
      expect([path, status, json.code]).toEqual([path, 501, 'NOT_SUPPORTED']);
      expect(json.message.length).toBeGreaterThan(20);
    }
  });
});
