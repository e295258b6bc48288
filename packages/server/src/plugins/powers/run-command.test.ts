import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { readProcess } from '../../process/session-processes.ts';
import { gatedPowers } from './powers.fixture.ts';
import { commandDeadlineMs, PluginPrograms } from './run-command.ts';

interface Result {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  stdout: string;
  stderr: string;
  truncated: boolean;
}

let dir = '';
let programs: PluginPrograms;
let warnings: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-run-'));
  warnings = [];
  programs = new PluginPrograms({
    mark: 'a1b2c3d4',
    endingTimes: { hupMs: 20, termMs: 100 },
    log: { warn: (_, message) => void warnings.push(message) },
  });
});
afterEach(async () => {
  await programs.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A program of its own. */
function program(name: string, script: string, mode = 0o755): string {
  const file = join(dir, name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, script);
  chmodSync(file, mode);
  return file;
}
const sh = (script: string) => ({ argv: ['sh', '-c', script] });
const all = () => gatedPowers(programs.powers, { runCommandWithTimeout: true });
const run = async (params: object): Promise<Result> => (await all().ask('runCommandWithTimeout', params)) as Result;
const isAlive = (pid: number): boolean => readProcess(pid)?.isZombie === false;
const pidIn = (file: string): number => Number(readFileSync(join(dir, file), 'utf8'));
async function pidOf(file: string): Promise<number> {
  await until(
    `${file} is written`,
    () => existsSync(join(dir, file)) && readFileSync(join(dir, file), 'utf8') !== '',
    8000,
  );
  return pidIn(file);
}

describe('a program that a plugin runs', () => {
  it('gets its arguments as they are: no shell reads them', async () => {
    const show = program('show', '#!/bin/sh\nfor a in "$@"; do printf "<%s>" "$a"; done\n');
    const args = [
      '',
      '*',
      '$(touch x)',
      '`touch x`',
      '; touch x',
      'a b',
      "'",
      '"',
      'a\nb',
      '\\',
      '--',
      'é漢',
      '&&',
      '|',
    ];
    const { stdout, exitCode } = await run({ argv: [show, ...args], cwd: dir });
    expect(stdout).toBe(args.map((arg) => `<${arg}>`).join(''));
    expect(exitCode).toBe(0);
    expect(existsSync(join(dir, 'x'))).toBe(false);
  });

  it('tells how it ended, and what it wrote where', async () => {
    expect(await run({ ...sh('cat; echo no >&2; exit 7'), stdin: 'é in' })).toEqual({
      exitCode: 7,
      signal: null,
      timedOut: false,
      stdout: 'é in',
      stderr: 'no\n',
      truncated: false,
    });
    expect(await run(sh('kill -KILL $$'))).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: false });
  });

  it('sees the environment that programs get here, and no token of ours', async () => {
    process.env.BINNACLE_TOKEN = 'canary-token';
    process.env.NODE_OPTIONS_PROBE = 'canary-option';
    try {
      const { stdout } = await run({ argv: ['env'], cwd: dir });
      expect(stdout).not.toContain('canary');
      expect(stdout).toContain(`PWD=${dir}\n`);
      expect(stdout).toMatch(/^PATH=/m);
      expect(stdout).not.toMatch(/^TERM=/m);
    } finally {
      delete process.env.BINNACLE_TOKEN;
      delete process.env.NODE_OPTIONS_PROBE;
    }
  });

  it('that reads nothing of its stdin is none that failed', async () => {
    const { exitCode } = await run({ argv: ['true'], stdin: 'x'.repeat(1024 * 1024) });
    expect(exitCode).toBe(0);
  });

  it('that cannot be started is told by a code', async () => {
    const { ask } = all();
    const noShebang = program('noexec', '#!/nowhere/interpreter\n');
    expect(await ask('runCommandWithTimeout', { argv: ['no-such-program-here'] })).toBe('command_not_found');
    expect(await ask('runCommandWithTimeout', { argv: [join(dir, 'nothing')] })).toBe('command_not_found');
    expect(await ask('runCommandWithTimeout', { argv: [noShebang] })).toBe('command_not_found');
    expect(await ask('runCommandWithTimeout', { argv: [program('closed', 'x', 0o644)] })).toBe('start_failed');
    expect(await ask('runCommandWithTimeout', { argv: [dir] })).toBe('start_failed');
    expect(await ask('runCommandWithTimeout', { argv: ['true'], cwd: join(dir, 'nothing') })).toBe('bad_cwd');
    // Those do not count as running.
    expect(await ask('runCommandWithTimeout', { argv: ['true'] })).toMatchObject({ exitCode: 0 });
  });

  it('may write without end: 256 KiB of each output are kept, it goes on, and it is said that it was cut', async () => {
    const script = `head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2; touch ${dir}/done`;
    const result = await run(sh(script));
    expect([result.stdout.length, result.stderr.length, result.truncated]).toEqual([262_144, 262_144, true]);
    expect(result.stdout).toMatch(/^x+$/);
    expect(existsSync(join(dir, 'done'))).toBe(true);
    expect(await run(sh(`head -c 262144 /dev/zero | tr '\\0' x`))).toMatchObject({ truncated: false, exitCode: 0 });
    expect(await run({ ...sh('exec yes'), timeoutMs: 300 })).toMatchObject({ timedOut: true, truncated: true });
  });

  it.each([
    ['NUL bytes', 'head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2'],
    [
      'bytes that are no text',
      "head -c 300000 /dev/zero | tr '\\0' '\\377'; head -c 300000 /dev/zero | tr '\\0' '\\377' >&2",
    ],
    ['characters that are cut in two', "for i in $(seq 40000); do printf 'é漢😀'; done"],
  ])('may write %s: the answer fits into a frame', async (_, script) => {
    const result = await run(sh(script));
    expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThan(1024 * 1024 - 100);
    expect(result.truncated).toBe(true);
    expect(result.stdout.isWellFormed()).toBe(true);
    expect(result.stdout.length).toBeGreaterThan(50_000);
    if (script.includes('é')) expect(result.stdout).not.toContain('\ufffd');
  });

  it('is ended at its deadline with all that it has started, also in sessions of their own and deaf to signals', async () => {
    const script = `trap '' HUP TERM INT
      setsid sh -c 'trap "" HUP TERM; echo $$ > ${dir}/session; while :; do sleep 1; done' &
      (setsid sh -c 'echo $$ > ${dir}/orphan; exec sleep 1000' &)
      env -i setsid sh -c 'echo $$ > ${dir}/bare; exec sleep 1000' &
      echo begun; echo $$ > ${dir}/leader; while :; do sleep 1; done`;
    const began = performance.now();
    const running = run({ ...sh(script), timeoutMs: 500 });
    const pids = await Promise.all(['session', 'orphan', 'bare', 'leader'].map(pidOf));
    expect(pids.map(isAlive)).toEqual([true, true, true, true]);
    expect(await running).toMatchObject({ timedOut: true, exitCode: null, signal: 'SIGKILL', stdout: 'begun\n' });
    expect(pids.map(isAlive)).toEqual([false, false, false, false]);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('that tidies up at its deadline has the exit code that it gave', async () => {
    const script = `trap 'echo bye; exit 3' TERM HUP; echo $$ > ${dir}/pid; while :; do sleep 0.05; done`;
    expect(await run({ ...sh(script), timeoutMs: 300 })).toMatchObject({
      timedOut: true,
      exitCode: 3,
      stdout: 'bye\n',
    });
  });

  it('leaves nothing behind when it ends by itself, and its answer does not wait for that', async () => {
    const script = `setsid sleep 1000 & echo $! > ${dir}/left; echo out`;
    const began = performance.now();
    expect(await run(sh(script))).toMatchObject({ exitCode: 0, timedOut: false, stdout: 'out\n' });
    expect(performance.now() - began).toBeLessThan(2000);
    expect(isAlive(pidIn('left'))).toBe(false);
  });

  it('ends when nobody waits for it any more', async () => {
    const abort = new AbortController();
    const { ask } = all();
    const running = ask('runCommandWithTimeout', sh(`echo $$ > ${dir}/pid; exec sleep 1000`), abort.signal);
    const pid = await pidOf('pid');
    abort.abort();
    expect(await running).toBe('plugin_stopped');
    expect(isAlive(pid)).toBe(false);
    expect(await ask('runCommandWithTimeout', sh(`touch ${dir}/late`), abort.signal)).toBe('plugin_stopped');
    expect(existsSync(join(dir, 'late'))).toBe(false);
  });

  it('ends when the gateway stops', async () => {
    const running = all().ask('runCommandWithTimeout', sh(`echo $$ > ${dir}/pid; exec sleep 1000`));
    const pid = await pidOf('pid');
    await programs.close();
    expect(isAlive(pid)).toBe(false);
    expect(await running).toBe('plugin_stopped');
  });

  it('is ended by the next gateway where one was killed; those of other gateways are let be', async () => {
    const other = new PluginPrograms({ mark: 'ffffffff', log: { warn: () => undefined } });
    const mine = all().ask('runCommandWithTimeout', sh(`echo $$ > ${dir}/mine; exec sleep 1000`));
    const theirs = gatedPowers(other.powers, { runCommandWithTimeout: true }).ask(
      'runCommandWithTimeout',
      sh(`echo $$ > ${dir}/theirs; exec sleep 1000`),
    );
    const [pid, another] = [await pidOf('mine'), await pidOf('theirs')];
    const next = new PluginPrograms({ mark: 'a1b2c3d4', log: { warn: (_, message) => void warnings.push(message) } });
    await next.endLeft();
    expect([isAlive(pid), isAlive(another)]).toEqual([false, true]);
    expect(warnings).toEqual(['programs of plugins that an earlier gateway left were ended']);
    expect(await mine).toMatchObject({ signal: 'SIGHUP' });
    await other.close();
    expect(await theirs).toBe('plugin_stopped');
  });

  it('is one of four at once, of each plugin by itself', async () => {
    const { ask, refusal } = all();
    const stop = new AbortController();
    const four = [1, 2, 3, 4].map(() => ask('runCommandWithTimeout', { argv: ['sleep', '1000'] }, stop.signal));
    expect(await refusal('runCommandWithTimeout', { argv: ['true'] })).toMatchObject({
      code: 'plugin_busy',
      details: { limit: 4 },
    });
    const other = gatedPowers(programs.powers, { runCommandWithTimeout: true }, { plugin: 'other' });
    expect(await other.ask('runCommandWithTimeout', { argv: ['true'] })).toMatchObject({ exitCode: 0 });
    stop.abort();
    expect(await Promise.all(four)).toEqual(Array(4).fill('plugin_stopped'));
    expect(await ask('runCommandWithTimeout', { argv: ['true'] })).toMatchObject({ exitCode: 0 });
  });

  it('has a pace: who starts programs without end is told so, and waits', async () => {
    const { ask } = all();
    let started = 0;
    let isRefused = false;
    const began = performance.now();
    while (!isRefused && performance.now() - began < 1500) {
      const answers = await Promise.all([1, 2, 3, 4].map(() => ask('runCommandWithTimeout', { argv: ['true'] })));
      isRefused = answers.includes('plugin_busy');
      started += answers.filter((answer) => typeof answer === 'object').length;
      const seconds = (performance.now() - began) / 1000;
      expect(started).toBeLessThan(20 + 10 * seconds + 5);
    }
    expect(started).toBeGreaterThan(0);
  });

  it('has the deadline that it asked for, and a while to end; other numbers count for nothing', () => {
    expect(commandDeadlineMs({ timeoutMs: 600_000 })).toBe(605_000);
    for (const params of [
      {},
      null,
      'x',
      { timeoutMs: 600_001 },
      { timeoutMs: -1 },
      { timeoutMs: '9e9' },
      { timeoutMs: NaN },
    ]) {
      expect(commandDeadlineMs(params)).toBe(35_000);
    }
  });
});

// The gate's verdicts are tested in packages/server/src/plugins/grant/gate.test.ts. These tests check what happens then: a
// program that runs leaves a trace.
describe('a program that was not granted', () => {
  const trace = () => join(dir, 'trace');
  const witness = () => program('tools/witness', `#!/bin/sh\ntouch ${dir}/trace\n`);
  const path = () => `${join(dir, 'tools')}:${process.env.PATH ?? ''}`;

  const tricks: readonly (readonly [string, (file: string) => readonly string[]])[] = [
    ['by its name', () => ['witness']],
    ['by its path', (file) => [file]],
    ['by a path with dots', (file) => [`${dir}/tools/../tools/${file.split('/').at(-1)}`]],
    ['by env', () => ['env', 'witness']],
    ['by env -S', (file) => ['env', '-S', `-i ${file}`]],
    ['by env with a space in its name', (file) => [`env -S ${file}`]],
    ['by sh -c', (file) => ['sh', '-c', file]],
    ['by a line feed', (file) => [`rg\n${file}`]],
    ['by a line feed in an argument', (file) => ['rg', `x\n${file}`]],
    ['by a semicolon', (file) => [`rg;${file}`]],
    ['by a glob', () => [`${dir}/tools/w*`]],
    ['by a glob of one character', () => [`${dir}/tools/witnes?`]],
    ['by a relative path', () => ['./tools/witness']],
    ['by a variable', () => ['$WITNESS']],
    ['by a home', () => ['~/witness']],
    ['by a longer name of one that is granted', (file) => [`rg/../${file}`]],
    ['by xargs', (file) => ['xargs', file]],
    ['by nothing', () => ['', 'witness']],
    ['by a NUL byte', (file) => [`rg\0${file}`]],
  ];

  for (const [grant, permissions] of [
    ['denied', {}],
    ['denied by false', { runCommandWithTimeout: false }],
    ['narrowed to others', { runCommandWithTimeout: { commands: ['rg', '/usr/bin/git'] } }],
    ['narrowed to nothing', { runCommandWithTimeout: { commands: [] } }],
  ] as const) {
    it.each(tricks)(`(${grant}) does not run %s, and it is audited`, async (_, argv) => {
      const file = witness();
      // rg is there, and would leave the trace if something behind it were run.
      program('tools/rg', '#!/bin/sh\nexit 0\n');
      process.env.WITNESS = file;
      const { thisMachine } = await import('../grant/world.ts');
      const gated = gatedPowers(programs.powers, permissions, { world: thisMachine(path()) });
      const answer = await gated.ask('runCommandWithTimeout', { argv: argv(file), cwd: dir });
      delete process.env.WITNESS;
      const isOthers = argv(file)[0] === 'rg' && grant === 'narrowed to others';
      if (isOthers) expect(answer).toMatchObject({ exitCode: 0 });
      else expect(['permission_denied', 'bad_request']).toContain(answer);
      expect(gated.decisions).toHaveLength(1);
      expect(gated.decisions[0]?.outcome).toBe(
        isOthers ? 'allowed' : answer === 'bad_request' ? 'malformed' : 'denied',
      );
      expect(existsSync(trace())).toBe(false);
    });
  }

  it('runs once it is granted, and leaves the trace by which all this is told', async () => {
    const file = witness();
    const { thisMachine } = await import('../grant/world.ts');
    const gated = gatedPowers(
      programs.powers,
      { runCommandWithTimeout: { commands: [file] } },
      { world: thisMachine(path()) },
    );
    expect(await gated.ask('runCommandWithTimeout', { argv: ['witness'] })).toMatchObject({ exitCode: 0 });
    expect(existsSync(trace())).toBe(true);
    rmSync(trace());
    gated.grant({});
    expect(await gated.ask('runCommandWithTimeout', { argv: ['witness'] })).toBe('permission_denied');
    expect(existsSync(trace())).toBe(false);
    expect(gated.decisions.map(({ outcome, target }) => [outcome, target])).toEqual([
      ['allowed', 'witness'],
      ['denied', 'witness'],
    ]);
  });
});
