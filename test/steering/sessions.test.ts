// Sessions from their start to their end: what is refused leaves nothing, what runs sees a clean world, nothing survives.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, inAll } from '../support/count.ts';
import { type GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

/** What the environment of a gateway may hold that is no business of any program. */
const SECRETS = {
  BINNACLE_TOKEN: 'bn_0123456789012345678901234567890123456789012',
  NODE_OPTIONS: '--no-warnings',
  npm_config_cache: '/nowhere',
  npm_lifecycle_event: 'test',
  TMUX: 'x',
  STY: 'x',
  AWS_SECRET_ACCESS_KEY: 'canary-key',
  BASH_ENV: '/nowhere/env.sh',
  CANARY: 'canary-value',
  PASSED_ON: 'as-asked',
};
const MOST = count({ quick: 5, all: 12 });
let gateway: GatewayProcess;
beforeAll(async () => {
  gateway = await openGatewayProcess({ passEnv: ['PASSED_ON'], maxSessions: MOST, env: SECRETS });
});

const create = (body: unknown) => gateway.ask('/v1/sessions', { body });
const isAlive = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '');
  } catch {
    return false; // No such process.
  }
};

describe('a session that cannot be', () => {
  const file = join(tmpdir(), `binnacle-no-program-${process.pid}`);
  const nul = 'a\0b';
  const bad: readonly (readonly [string, unknown, number, string])[] = [
    ['a directory that is not there', { cwd: '/no/such/place' }, 400, 'bad_cwd'],
    ['a directory that is a file', { cwd: '/etc/passwd' }, 400, 'bad_cwd'],
    ['an empty directory name', { cwd: '' }, 400, 'bad_cwd'],
    ['a program that is not there', { argv: ['no-such-program-here'] }, 400, 'command_not_found'],
    ['a path that is not there', { argv: ['/no/such/program'] }, 400, 'command_not_found'],
    ['a program that is a directory', { argv: ['/tmp'] }, 400, 'command_not_found'],
    ['a program that is no program', { argv: [file] }, 400, 'command_not_found'],
    ['a shell that is not there', { env: { SHELL: '/no/shell' } }, 400, 'command_not_found'],
    ['command and argv', { command: 'true', argv: ['true'] }, 400, 'bad_request'],
    ['an empty command', { command: '' }, 400, 'bad_request'],
    ['a blank command', { command: ' \n\t' }, 400, 'bad_request'],
    ['an empty argv', { argv: [] }, 400, 'bad_request'],
    ['an empty program name', { argv: [''] }, 400, 'bad_request'],
    ['an argv that is no list', { argv: 'true' }, 400, 'bad_request'],
    ['an argument that is no text', { argv: ['true', 5] }, 400, 'bad_request'],
    ['a NUL byte in the command', { command: nul }, 400, 'bad_request'],
    ['a NUL byte in an argument', { argv: ['true', nul] }, 400, 'bad_request'],
    ['a NUL byte in the directory', { cwd: nul }, 400, 'bad_request'],
    ['a NUL byte in the name', { name: nul }, 400, 'bad_request'],
    ['a NUL byte in a value', { env: { A: nul } }, 400, 'bad_request'],
    ['a NUL byte in a variable name', { env: { [nul]: 'x' } }, 400, 'bad_request'],
    ['an empty variable name', { env: { '': 'x' } }, 400, 'bad_request'],
    ['a variable name with =', { env: { 'A=B': 'x' } }, 400, 'bad_request'],
    ['a variable name with a space', { env: { 'A B': 'x' } }, 400, 'bad_request'],
    ['a variable name that begins with a digit', { env: { '1A': 'x' } }, 400, 'bad_request'],
    ['a value that is no text', { env: { A: 5 } }, 400, 'bad_request'],
    ['too large a value', { env: { A: 'x'.repeat(200_000) } }, 400, 'bad_request'],
    ['too many variables', { env: manyVariables(1_001) }, 400, 'bad_request'],
    ['a command that is longer than an argument can be', { command: `: ${'x'.repeat(131_070)}` }, 400, 'bad_request'],
    [
      'an argument that is longer in bytes than in characters',
      { argv: ['true', '€'.repeat(50_000)] },
      400,
      'bad_request',
    ],
    ['too many arguments', { argv: Array.from({ length: 5_000 }, () => 'x') }, 400, 'bad_request'],
    ['a mode that does not exist', { mode: 'tty' }, 400, 'bad_request'],
    ['a field that does not exist', { comand: 'true' }, 400, 'bad_request'],
    ['a list', [], 400, 'bad_request'],
    ['null', null, 400, 'bad_request'],
    ['more than 1 MiB', { command: 'x'.repeat(1_100_000) }, 413, 'body_too_large'],
  ];
  beforeAll(() => writeFileSync(file, '#!/bin/sh\n', { mode: 0o600 }));
  afterAll(() => rmSync(file));

  it('is refused by code, and leaves no directory and no row', async () => {
    for (const [name, body, status, code] of bad) {
      const reply = await create(body);
      expect.soft({ name, status: reply.status, code: reply.code }).toEqual({ name, status, code });
    }
    for (const [body, headers] of [
      ['{"command":', { 'content-type': 'application/json' }],
      ['command=true', { 'content-type': 'application/x-www-form-urlencoded' }],
      ['{"command":"true"}', { 'content-type': 'text/plain' }],
      [Buffer.from('{"command":"\xff"}', 'latin1'), { 'content-type': 'application/json' }],
    ] as const) {
      const { status } = await gateway.ask('/v1/sessions', { body, headers });
      expect.soft([400, 415]).toContain(status);
    }
    expect((await gateway.ask('/v1/sessions')).json.sessions).toEqual([]);
    expect(readdirSync(join(gateway.dir, 'sessions'))).toEqual([]);
  });

  it('takes the longest argument that Linux does', async () => {
    const { id } = await gateway.create({ argv: ['/bin/true', 'x'.repeat(128 * 1024 - 1)], mode: 'pipe' });
    expect(await gateway.closed(id)).toMatchObject({ exitCode: 0 });
  });

  it('is one too many beyond the limit, until another has gone', async () => {
    const ids: string[] = [];
    for (let n = 0; n < MOST; n++) ids.push((await gateway.create({ argv: ['/bin/sleep', '60'], mode: 'pipe' })).id);
    const { status, json } = await create({});
    expect({ status, code: json.error.code, details: json.error.details }).toEqual({
      status: 429,
      code: 'too_many_sessions',
      details: { limit: MOST },
    });
    await Promise.all(ids.map((id) => gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' })));
    await gateway.ask(`/v1/sessions/${(await gateway.create({})).id}`, { method: 'DELETE' });
  });
});

describe.each(['pty', 'pipe'])('a program on a %s', (mode) => {
  /** A second variant in `npm test`, where a program on a terminal proves the property. */
  const inAllOnPipes = mode === 'pipe' ? inAll : it;

  it('has none of the environment of the gateway but what is listed, and what was asked for', async () => {
    const env = { MINE: 'yes', SHELL: '/bin/bash' };
    const { id } = await gateway.create({ argv: ['/usr/bin/env'], mode, env, cwd: '/usr' });
    await gateway.closed(id);
    const lines = (await gateway.output(id)).replaceAll('\r', '').trim().split('\n');
    const found = new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    for (const name of Object.keys(SECRETS)) {
      expect.soft([name, found.get(name)]).toEqual([name, name === 'PASSED_ON' ? 'as-asked' : undefined]);
    }
    expect([...found.keys()].filter((name) => /^(npm_|NODE_|VITEST|INIT_CWD|LINES$|COLUMNS$)/i.test(name))).toEqual([]);
    expect(Object.fromEntries(found)).toMatchObject({ MINE: 'yes', PWD: '/usr', BINNACLE_SESSION: id });
    expect(found.get('TERM')).toBe(mode === 'pty' ? 'xterm-256color' : undefined);
    expect((await gateway.info(id)).cwd).toBe('/usr');
  });

  it('has the descriptors 0, 1 and 2, though others run beside it and viewers look on', async () => {
    const beside = await gateway.create({ argv: ['/bin/cat'], mode });
    const frames = await gateway.frames();
    await frames.ask({ t: 'subscribe', session: beside.id });
    const { id, pid } = await gateway.create({ argv: ['/bin/sleep', '60'], mode });
    await until('it is what it will be', () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n');
    // The loader of libraries has one more for a moment.
    await until('only those are open', () => readdirSync(`/proc/${pid}/fd`).sort().join() === '0,1,2');
    for (const one of [id, beside.id]) await gateway.ask(`/v1/sessions/${one}`, { method: 'DELETE' });
  });

  it('ends with everything that it has started: other groups, stopped jobs, other sessions, those who will not listen', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'binnacle-family-'));
    const command = `
      cd ${dir}; set -m
      sleep 71 & echo $! > group
      sleep 72 & echo $! > stopped; kill -STOP $!
      setsid sh -c 'echo $$ > session; exec sleep 73' &
      setsid sh -c 'setsid sh -c "echo \\$\\$ > grandchild; exec sleep 74" & exit' &
      (trap '' HUP TERM INT; echo $BASHPID > deaf; while :; do sleep 0.1; done) &
      wait; wait; sleep 75`;
    const { id, pid } = await gateway.create({ command, mode, env: { SHELL: '/bin/bash' } });
    const names = ['group', 'stopped', 'session', 'grandchild', 'deaf'];
    const read = (name: string) => Number(readFileSync(join(dir, name), 'utf8'));
    await until('all have begun', () => names.every((name) => readdirSync(dir).includes(name) && read(name) > 0));
    const pids = [pid ?? -1, ...names.map(read)];
    expect(pids.map(isAlive)).toEqual(pids.map(() => true));
    const begun = performance.now();
    expect((await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(pids.filter(isAlive)).toEqual([]);
    expect((await gateway.ask(`/v1/sessions/${id}`)).status).toBe(410);
    expect((await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status).toBe(410);
    expect(readdirSync(join(gateway.dir, 'sessions'))).not.toContain(id);
    rmSync(dir, { recursive: true });
  });

  inAllOnPipes('may be deleted by two at once, and while somebody steers it', async () => {
    const { id } = await gateway.create({ argv: ['/bin/cat'], mode });
    const frames = await gateway.frames(`/ws/session/${id}`);
    await frames.next();
    const replies = await Promise.all([1, 2, 3].map(() => gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' })));
    for (const { status } of replies) expect([204, 404, 410]).toContain(status);
    expect(replies.some(({ status }) => status === 204)).toBe(true);
    await frames.closing();
    expect((await gateway.ask('/healthz')).status).toBe(200);
    expect(gateway.stderr).toBe('');
  });

  inAllOnPipes('leaves alone what is not its own', async () => {
    const stranger = spawn('/bin/sleep', ['60'], { stdio: 'ignore', detached: true });
    const other = await gateway.create({ argv: ['/bin/sleep', '60'], mode });
    const { id } = await gateway.create({ command: 'sleep 60', mode });
    await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' });
    expect(isAlive(stranger.pid ?? -1)).toBe(true);
    expect(await gateway.info(other.id)).toMatchObject({ state: 'running' });
    stranger.kill('SIGKILL');
    await gateway.ask(`/v1/sessions/${other.id}`, { method: 'DELETE' });
  });
});

function manyVariables(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`A${n}`, '']));
}

it('a delete that meets the end of its program deletes', async () => {
  const statuses = new Set<number>();
  for (let i = 0; i < count({ quick: 8, all: 30 }); i++) {
    const { id } = await gateway.create({ command: 'true', mode: 'pipe' });
    statuses.add((await gateway.ask(`/v1/sessions/${id}`, { method: 'DELETE' })).status);
  }
  expect([...statuses]).toEqual([204]);
}, 20_000);
