// `binnacle emit` against a real gateway: the program is as it would be alone, and every byte arrives.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { SessionInfo } from '@binnacle/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { count, inAll, isAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { GatewayProcess, openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const BINARY = resolve(import.meta.dirname, '../../node_modules/.bin/binnacle');

let gateway: Gateway | GatewayProcess;
let token: string;
let dir: string;
let children: ChildProcess[];

beforeAll(async () => {
  gateway = await (isAll ? openGatewayProcess({ flags: [] }) : openGateway());
  token = (await gateway.client.tokens.create({ name: 'emitter', scope: 'ingest' })).token;
});
afterAll(async () => await gateway.close());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-emit-cli-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly out: () => Buffer;
  readonly err: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly ms: number }>;
}

/** `stdin`: what a shell is to redirect it to. */
function emit(args: readonly string[], env: Readonly<Record<string, string>> = {}, stdin?: string): Run {
  const began = performance.now();
  const argv = [process.execPath, BINARY, 'emit', ...args];
  const [program = '', ...rest] = stdin === undefined ? argv : ['sh', '-c', `exec "$@" ${stdin}`, 'sh', ...argv];
  const child = spawn(program, rest, {
    cwd: dir,
    env: { PATH: process.env.PATH ?? '', BINNACLE_URL: gateway.url, BINNACLE_TOKEN: token, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  const out: Buffer[] = [];
  let err = '';
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ms: performance.now() - began }));
  return { child, out: () => Buffer.concat(out), err: () => err, ended };
}

async function sessionOf(id: string): Promise<SessionInfo | undefined> {
  return (await gateway.client.sessions.all()).find(({ foreign }) => foreign?.sessionId === id);
}

async function outputOf(id: string): Promise<Buffer> {
  const session = await sessionOf(id);
  const answer = await gateway.fetch(`/v1/sessions/${session?.id}/output?since=0`);
  return Buffer.from(await answer.arrayBuffer());
}

it('passes on bytes, streams and the exit code as they are, and all of it is in the session', async () => {
  const file = join(dir, 'bytes');
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31 + (n >> 8)) & 0xff));
  writeFileSync(file, bytes);
  const run = emit([
    '--session',
    'whole',
    '--label',
    'job=7',
    '--',
    'sh',
    '-c',
    `cat ${file}; echo oh > /dev/stderr; exit 7`,
  ]);
  expect((await run.ended).code).toBe(7);
  expect(run.out().equals(bytes)).toBe(true);
  expect(run.err()).toBe('oh\n');
  expect(await sessionOf('whole')).toMatchObject({
    state: 'closed',
    exitCode: 7,
    cwd: dir,
    foreign: { source: 'sh', labels: { job: '7' } },
  });
  const kept = await outputOf('whole');
  expect(kept.length).toBe(bytes.length + 3);
  expect(Buffer.from(kept.toString('latin1').replace('oh\n', ''), 'latin1').equals(bytes)).toBe(true);
});

it('gives the program our stdin, forwards signals, and ends as the program did', async () => {
  const asked = emit(['--session', 'asked', '--', 'sh', '-c', 'read name; echo "hello $name"']);
  asked.child.stdin?.end('Ada\n');
  expect((await asked.ended).code).toBe(0);
  expect((await outputOf('asked')).toString()).toBe('hello Ada\n');

  const trapped = emit([
    '--session',
    'trapped',
    '--',
    'sh',
    '-c',
    'trap "echo bye; exit 9" TERM; echo on; while :; do sleep 0.02; done',
  ]);
  await until('it runs', () => trapped.out().toString() === 'on\n');
  trapped.child.kill('SIGTERM');
  expect((await trapped.ended).code).toBe(9);
  expect((await outputOf('trapped')).toString()).toBe('on\nbye\n');

  const killed = emit(['--session', 'killed', '--', 'sh', '-c', 'kill -KILL $$']);
  expect((await killed.ended).code).toBe(137);
  expect(await sessionOf('killed')).toMatchObject({ exitCode: null, signal: 'SIGKILL' });

  const missing = emit(['--session', 'missing', '--', 'no-such-program']);
  expect((await missing.ended).code).toBe(127);
  expect(await sessionOf('missing')).toBeUndefined();
});

it('passes on and emits what comes on stdin', async () => {
  const run = emit(['--session', 'teed', '--source', 'make']);
  run.child.stdin?.write('one\n');
  await until('the first is passed on', () => run.out().toString() === 'one\n');
  run.child.stdin?.end('two\n');
  expect((await run.ended).code).toBe(0);
  expect(run.out().toString()).toBe('one\ntwo\n');
  expect((await outputOf('teed')).toString()).toBe('one\ntwo\n');
  expect(await sessionOf('teed')).toMatchObject({ state: 'closed', exitCode: null, foreign: { source: 'make' } });
});

it('emits a file, nothing, and a stdin that is closed, and tells of one that cannot be read', async () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31 + (n >> 8)) & 0xff));
  writeFileSync(join(dir, 'file'), bytes);
  // Other tests emit /dev/null, too.
  const stdins = [
    ['file', '<file', bytes, 0],
    ['dev-null', '</dev/null', Buffer.alloc(0), 0],
    ['shut', '<&-', Buffer.alloc(0), 0],
    ['not-to-be-read', '0>written', Buffer.alloc(0), 1],
  ] as const;
  for (const [id, stdin, output, code] of some(stdins, 3)) {
    const run = emit(['--session', id], {}, stdin);
    expect((await run.ended).code, id).toBe(code);
    expect(run.err(), id).toMatch(code === 0 ? /^$/ : /^binnacle emit: stdin cannot be read: EBADF/);
    expect(run.out().equals(output), id).toBe(true);
    expect((await outputOf(id)).equals(output), id).toBe(true);
    expect(await sessionOf(id), id).toMatchObject({ state: 'closed' });
  }
});

it('makes sessions on pipes, named by the command, else by the source, and found by their own id', async () => {
  expect((await emit(['--session', 'job-1', '--', 'sh', '-c', 'echo one; echo two >&2']).ended).code).toBe(0);
  expect(await sessionOf('job-1')).toMatchObject({ mode: 'pipe', name: "sh -c 'echo one; echo two >&2'" });
  const named = emit(['--session', 'job-2', '--source', 'make'], {}, '</dev/null');
  expect((await named.ended).code).toBe(0);
  expect(await sessionOf('job-2')).toMatchObject({ mode: 'pipe', name: 'make' });
  const env = { PATH: process.env.PATH ?? '', BINNACLE_DATA: gateway.dir };
  // Rejects where it ends with another code than 0.
  const tail = await promisify(execFile)(process.execPath, [BINARY, 'tail', 'job-1'], { env });
  expect(tail.stdout).toContain('one\n');
});

it('says in one line what to do when an id is used a second time, in memory and in a directory', async () => {
  const buffer = join(dir, 'buffer');
  for (const [id, code, args] of [
    ['twice', 'session_taken', []],
    ['twice-kept', 'session_exited', ['--buffer-dir', buffer]],
  ] as const) {
    expect((await emit(['--session', id, ...args, '--', 'echo', 'once']).ended).code).toBe(0);
    const again = emit(['--session', id, ...args, '--', 'sh', '-c', 'echo again; exit 3']);
    expect((await again.ended).code).toBe(3);
    expect(again.out().toString()).toBe('again\n');
    const lines = again.err().trim().split('\n');
    expect(lines[0]).toMatch(
      new RegExp(
        `^binnacle emit: The emitter stops sending a session: .* \\[${code}\\] \\(${id}\\) This run is not shown\\.`,
      ),
    );
    expect(lines[0]).toContain(`leave it out or make it unique, e.g. --session ${id}-$(date +%s)`);
    expect(lines[1]).toBe('binnacle emit: 6 bytes of output were lost.');
    expect(lines).toHaveLength(2);
    expect((await outputOf(id)).toString()).toBe('once\n');
  }
});

it('goes on and emits all of it when nobody reads its stdout any more', async () => {
  const last = count({ quick: 60_000, all: 200_000 });
  const run = emit(['--session', 'unread', '--', 'sh', '-c', `seq 1 ${last}; exit 4`]);
  run.child.stdout?.once('data', () => run.child.stdout?.destroy());
  expect((await run.ended).code).toBe(4);
  expect(run.err()).toBe('');
  const lines = (await outputOf('unread')).toString().trim().split('\n');
  expect(lines.length).toBe(last);
  expect(lines.at(-1)).toBe(String(last));
});

it('forwards a signal also while nobody reads its stdout', async () => {
  const mark = join(dir, 'mark');
  const script = `trap "kill \\$!; touch ${mark}; exit 5" TERM; yes & wait`;
  const run = emit(['--session', 'stalled', '--', 'sh', '-c', script]);
  await once(run.child.stdout ?? run.child, 'data');
  run.child.stdout?.pause();
  // The program stands still when nothing more is kept of it.
  let before = -1;
  await until('it stands still', async () => {
    const now = (await sessionOf('stalled'))?.outputOffset ?? 0;
    const isStill = now > 0 && now === before;
    before = now;
    if (!isStill) await new Promise((resolve) => setTimeout(resolve, 100));
    return isStill;
  });
  run.child.kill('SIGTERM');
  await until('the program has got it', () => existsSync(mark));
  run.child.stdout?.resume();
  expect((await run.ended).code).toBe(5);
  expect((await outputOf('stalled')).equals(run.out())).toBe(true);
});

inAll(
  'delivers every byte over kills of the gateway, while the program goes on at its pace',
  async () => {
    const script =
      'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "line $i of what is said"; [ $((i % 50)) = 0 ] && sleep 0.03; done; exit 6';
    const run = emit(['--session', 'over-kills', '--flush-ms', '20000', '--', 'sh', '-c', script]);
    const expected = Array.from({ length: 3000 }, (_, n) => `line ${n + 1} of what is said\n`).join('');
    if (!(gateway instanceof GatewayProcess)) throw new Error('The gateway has no process to kill.');
    for (const bytes of [10_000, 35_000, 60_000]) {
      await until('some is said', () => run.out().length > bytes);
      await gateway.kill();
      await gateway.restart();
    }
    expect((await run.ended).code).toBe(6);
    expect(run.out().toString()).toBe(expected);
    expect((await outputOf('over-kills')).toString()).toBe(expected);
    expect(await sessionOf('over-kills')).toMatchObject({ state: 'closed', exitCode: 6 });
    expect(
      run
        .err()
        .split('\n')
        .filter((line) => line !== '').length,
    ).toBeLessThanOrEqual(1);
  },
  60_000,
);

it('leaves a program unharmed where there is no gateway, with one warning and one line at the end', async () => {
  const run = emit(['--flush-ms', '700', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3'], {
    BINNACLE_URL: 'http://127.0.0.1:9',
  });
  const { code, ms } = await run.ended;
  expect(code).toBe(3);
  expect(run.out().toString()).toBe('out\n');
  const lines = run.err().trim().split('\n');
  expect(lines[0]).toBe('err');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/^binnacle emit: The gateway does not take events: connect ECONNREFUSED/);
  expect(lines[1]).toMatch(/ The gateway is tried again until the program has ended, and 0\.7 s more\.$/);
  expect(lines[2]).toBe('binnacle emit: 8 bytes of output of 1 session were not delivered.');
  expect(ms).toBeLessThan(4000);
});

it('says at once that its configuration is wrong, and waits for nothing', async () => {
  for (const [env, said] of [
    [{ BINNACLE_TOKEN: '' }, /^binnacle emit: BINNACLE_URL is set, but there is no token\. Set BINNACLE_TOKEN\.$/],
    [
      { BINNACLE_URL: 'localhost:7117' },
      /^binnacle emit: BINNACLE_URL is not the address of a gateway: localhost:7117\. /,
    ],
  ] as const) {
    const run = emit(['--flush-ms', '30000', '--', 'sh', '-c', 'echo err >&2; exit 3'], env);
    const { code, ms } = await run.ended;
    expect(code).toBe(3);
    const lines = run.err().trim().split('\n');
    expect(lines[0]).toMatch(said);
    expect(lines.slice(1)).toEqual(['err', 'binnacle emit: 4 bytes of output of 1 session were not delivered.']);
    expect(ms).toBeLessThan(8000);
  }
});

it('leaves a program unharmed that says more than the buffer holds', async () => {
  const last = count({ quick: 100_000, all: 300_000 });
  const run = emit(['--flush-ms', '100', '--buffer', '256KiB', '--', 'sh', '-c', `seq 1 ${last}`], {
    BINNACLE_URL: 'http://127.0.0.1:9',
  });
  expect((await run.ended).code).toBe(0);
  expect(run.out().toString().trim().split('\n')).toHaveLength(last);
  expect(run.err()).toMatch(/The buffer is full/);
  expect(run.err()).toMatch(/bytes of output were lost/);
  expect(run.err()).toMatch(/For a larger buffer, pass --buffer/);
});

it('says what is wrong with a token, and leaves the program alone', async () => {
  const viewer = (await gateway.client.tokens.create({ name: 'viewer', scope: 'view' })).token;
  const run = emit(['--session', 'not-allowed', '--', 'sh', '-c', 'echo out; exit 3'], { BINNACLE_TOKEN: viewer });
  const { code, ms } = await run.ended;
  expect(code).toBe(3);
  expect(run.out().toString()).toBe('out\n');
  expect(run.err()).toMatch(/The gateway refuses events: .*\[forbidden\]/);
  expect(ms).toBeLessThan(4000);
});

it('keeps on disk what is not delivered, for the next emit', async () => {
  const buffer = join(dir, 'buffer');
  const away = { BINNACLE_URL: 'http://127.0.0.1:9' };
  const first = emit(['--session', 'kept', '--flush-ms', '50', '--buffer-dir', buffer, '--', 'seq', '1', '1000'], away);
  expect((await first.ended).code).toBe(0);
  expect(first.err()).toMatch(/and 0\.05 s more; what is left then is kept in /);
  expect(first.err()).toMatch(/ bytes of output of 1 session were not delivered; they are kept in /);
  const none = emit(['--buffer-dir', buffer, '--', 'no-such-program'], away);
  expect((await none.ended).code).toBe(127);
  expect(none.err()).toMatch(/The process ends, and \d+ bytes of output of 1 session are not delivered: kept on disk/);
  const second = emit(['--session', 'next', '--buffer-dir', buffer, '--', 'echo', 'next']);
  expect((await second.ended).code).toBe(0);
  expect((await outputOf('kept')).toString().trim().split('\n')).toHaveLength(1000);
  expect(await sessionOf('kept')).toMatchObject({ state: 'closed', exitCode: 0 });
  expect((await outputOf('next')).toString()).toBe('next\n');
  expect(readdirSync(buffer).filter((name) => /^\d+$/.test(name))).toHaveLength(1);
});

it('loses nothing that was passed on when it is killed, where the buffer is on disk', async () => {
  const buffer = join(dir, 'buffer');
  const script = 'i=0; while :; do i=$((i+1)); echo "line $i"; [ $((i % 20)) = 0 ] && sleep 0.01; done';
  const run = emit(['--session', 'killed-emitter', '--buffer-dir', buffer, '--', 'sh', '-c', script]);
  await until('some is said', () => run.out().length > 5000);
  run.child.kill('SIGKILL');
  await run.ended;
  const seen = run.out().toString();
  await emit(['--buffer-dir', buffer, '--', 'true']).ended;
  const kept = (await outputOf('killed-emitter')).toString();
  expect(kept.startsWith(seen)).toBe(true);
  expect(
    `line ${kept
      .trim()
      .split('\n')
      .map((line) => line.slice(5))
      .join('\nline ')}\n`,
  ).toBe(Array.from({ length: kept.trim().split('\n').length }, (_, n) => `line ${n + 1}\n`).join(''));
});

it('names what is wrong on its command line', async () => {
  const wrong = [
    ['--session', '../x', '--', 'true'],
    ['--label', 'nothing', '--', 'true'],
    ['--flush-ms', 'soon', '--', 'true'],
  ];
  for (const args of some(wrong, 1)) {
    const run = emit(args);
    expect((await run.ended).code).toBe(2);
    expect(run.err()).toMatch(/^binnacle: /);
  }
  const small = emit(['--buffer', '10', '--', 'true']);
  expect((await small.ended).code).toBe(2);
  expect(small.err()).toMatch(/^binnacle: --buffer takes a size from 64KiB to 1TiB\.\n/);
  const shell = emit(['--', 'echo a b']);
  expect((await shell.ended).code).toBe(127);
  expect(shell.err()).toContain(
    'There is no program "echo a b".\n  For shell text: binnacle emit -- sh -c \'echo a b\'\n',
  );
  const option = emit(['--nope', '--', 'true']);
  expect((await option.ended).code).toBe(2);
  expect(option.err()).toContain('(binnacle emit --help shows more)');
});
