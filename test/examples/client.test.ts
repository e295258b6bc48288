// The programs of examples/client, each as a newcomer starts it, against a real gateway.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inAll } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import type { GatewayAccess } from '../support/gateway-access.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const FOLDER = resolve(import.meta.dirname, '../../examples/client');
let gateway: Gateway;
let dir: string;

beforeAll(async () => {
  gateway = await openGateway();
  dir = mkdtempSync(join(tmpdir(), 'binnacle-examples-'));
});
afterAll(async () => {
  await gateway.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Example {
  readonly child: ChildProcess;
  /** Resolves when it has ended, with all that it printed. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  /** Output on stderr so far. */
  stderr(): string;
}

function start(name: string, args: readonly string[] = [], { url, token }: GatewayAccess = gateway): Example {
  const env = { ...process.env, BINNACLE_URL: url, BINNACLE_TOKEN: token };
  const child = spawn(process.execPath, [join(FOLDER, `${name}.mjs`), ...args], { env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => {
    stdout += String(bytes);
  });
  child.stderr.on('data', (bytes) => {
    stderr += String(bytes);
  });
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }));
  return { child, ended, stderr: () => stderr };
}

it('watch lists the sessions, and follows one from its first byte to its end', async () => {
  const command = 'for i in 1 2 3; do echo line $i; sleep 0.1; done; exit 3';
  const { id } = await gateway.client.sessions.create({ command, name: 'counting', mode: 'pipe' });
  const { code, stdout, stderr } = await start('watch', [id]).ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'line 1\nline 2\nline 3\n' });
  expect(stderr).toBe('── counting, 80×24\n── ended with 3\n');
  expect((await start('watch').ended).stdout).toContain(`${id} closed counting\n`);
});

it('steer takes the lease, types, resizes, interrupts, shows the screen and leaves no session behind', async () => {
  const { code, stdout, stderr } = await start('steer').ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^holder: steer\.mjs\n/);
  for (const line of ['6 * 7 is 42', '30 100', '1000 seconds', 'ended with 130'])
    expect(stdout.split('\n')).toContain(line);
  expect((await gateway.client.sessions.all()).filter(({ running }) => running)).toEqual([]);
});

it('run prints the output and the exit code of each command of one shell', async () => {
  const { code, stdout } = await start('run').ended;
  expect(code).toBe(0);
  expect(stdout.split('\n').filter((line) => line !== '')).toEqual([
    '$ cd /tmp && export GREETING=hello',
    '→ exited, exit code 0',
    '$ echo "$GREETING from $PWD"',
    'hello from /tmp',
    '→ exited, exit code 0',
    '$ ls /does-not-exist',
    expect.stringContaining('No such file or directory'),
    '→ exited, exit code 2',
    '$ echo begun; sleep 1000',
    'begun',
    '→ timed_out, exit code 130',
    '$ echo "still $GREETING"',
    'still hello',
    '→ exited, exit code 0',
    'built',
  ]);
});

inAll('resume copies each byte once over a kill -9 of the gateway and another of itself', async () => {
  const command = 'seq 1 500; read; seq 501 1000; read; seq 1001 1500';
  const killed = await openGatewayProcess();
  const { id } = await killed.client.sessions.create({ command, mode: 'pipe' });
  const session = killed.client.session(id);
  const file = join(dir, 'copy');
  const copied = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

  const first = start('resume', [id, file], killed);
  await until('the first part is copied', () => copied().endsWith('\n500\n'));
  await killed.kill();
  await killed.restart();
  await session.write('\n');
  await until('the second part is copied', () => copied().endsWith('\n1000\n'));
  expect(first.stderr()).toContain('── waiting');
  first.child.kill('SIGKILL');
  await first.ended;

  await session.write('\n');
  const { code, stdout } = await start('resume', [id, file], killed).ended;
  const whole = Array.from({ length: 1500 }, (_, i) => `${i + 1}\n`).join('');
  expect(copied()).toBe(whole);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${whole.length} bytes\n` });
});

it('emit shows a program of its own at the gateway, with both streams and its exit code', async () => {
  const { code, stdout, stderr } = await start('emit', ['bash', '-c', 'echo one; echo two >&2; exit 3']).ended;
  expect({ code, stdout }).toEqual({ code: 3, stdout: 'one\n' });
  expect(stderr).toBe('two\n');
  const [event] = (await gateway.client.traffic.events({ source: 'emit.mjs' })).events;
  const session = gateway.client.session(event?.session ?? '');
  const read = async (stream: 'stdout' | 'stderr'): Promise<string> =>
    new TextDecoder().decode((await session.read({ since: 0, stream })).bytes);
  expect([await read('stdout'), await read('stderr')]).toEqual(['one\n', 'two\n']);
  expect(await session.info()).toMatchObject({ exitCode: 3, running: false });
});

it('chat prints the answer as it comes, and hands on what the person says to a question', async () => {
  expect(await start('chat', ['hello', 'there']).ended).toMatchObject({ code: 0, stdout: 'hello there\n' });
  const asking = start('chat', ['/ask', 'to', 'go', 'on']);
  await until('the agent asks', () => asking.stderr().includes('deny (Deny)? '));
  asking.child.stdin?.end('deny\n');
  const { code, stdout } = await asking.ended;
  expect(code).toBe(0);
  expect(stdout).toContain('I will not, then. You said "deny".');
});
