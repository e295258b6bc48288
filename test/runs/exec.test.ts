import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { shellText } from '../../packages/cli/src/commands/exec.ts';
import { Commands } from '../support/commands.ts';
import { inAll, some } from '../support/count.ts';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';
import { Gate, Shell } from './runs.fixture.ts';

/** As it is installed: `npm test` builds it before. */
const binary = fileURLToPath(new URL('../../packages/cli/dist/binnacle.mjs', import.meta.url));

let gateway: Gateway;
let commands: Commands;
let shell: Shell;
beforeAll(async () => {
  gateway = await openGateway();
  commands = new Commands(binary, { BINNACLE_DATA: gateway.dir });
  shell = await Shell.open(gateway);
});
afterEach(() => commands.end());
afterAll(() => gateway.close());

const exec = (...args: string[]) => commands.run(['exec', shell.id, ...args]);

describe('binnacle exec', () => {
  it('writes stdout and stderr apart, ends with the code of the run, and keeps what it changed for the next one', async () => {
    const command = 'cd /usr && where=there; echo out; echo err >&2; (exit 3)';
    expect(await exec('--', command)).toEqual({ code: 3, out: 'out\n', err: 'err\n' });
    expect(await exec('--', 'echo $where; pwd')).toMatchObject({ code: 0, out: 'there\n/usr\n' });
  });

  it('takes words as they are, and one word as shell text', async () => {
    expect(await exec('--', 'printf', '%s|', 'a b', "it's", '$HOME', '', '*')).toMatchObject({
      out: "a b|it's|$HOME||*|",
    });
    expect(shellText(['ls', '-l', 'FOO=1', 'a b', "'"])).toBe("ls -l FOO=1 'a b' ''\\'''");
  });

  it('prints every byte of a long output, in time with it', async () => {
    const { code, out } = await exec('--', 'seq 200000');
    expect(code).toBe(0);
    expect(out.length).toBe(1_288_895);
    const child = start('--', 'echo early; sleep 1016');
    await until('the first line', () => child.out.includes('early'));
    child.process.kill('SIGINT');
    expect(await child.code).toBe(130);
    expect(child.err).toContain('the command was cancelled');
    expect(await shell.isUsable()).toBe(true);
  });

  it('ends what takes too long, and says so', async () => {
    for (const timeout of some(['0.2s', '200'], 1)) {
      const { code, err } = await exec('--timeout', timeout, '--', 'sleep 1017');
      expect(code).toBe(130);
      expect(err).toContain('longer than --timeout');
    }
    expect(await shell.isUsable()).toBe(true);
  });

  it('does not leave a command behind whose reader is gone', async () => {
    const child = start('--', 'yes');
    await until('it writes', () => child.out.length > 10);
    child.process.stdout?.destroy();
    expect(await child.code).toBe(0);
    expect((await shell.runs()).at(-1)).toMatchObject({ state: 'ended', outcome: 'cancelled' });
    expect(await shell.isUsable()).toBe(true);
  });

  it('with --json prints an event a line', async () => {
    const { out } = await exec('--json', '--', 'printf é; (exit 4)');
    const events = out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; text?: string });
    expect(events.map(({ type }) => type).filter((type) => type !== 'run')).toEqual(['output', 'end']);
    expect(events.find(({ type }) => type === 'output')).toMatchObject({ kind: 'stdout', text: 'é' });
    expect(events.at(-1)).toMatchObject({ run: { exitCode: 4, outcome: 'exited' } });
  });

  it('with --detach prints the id, and the command goes on', async () => {
    const gate = new Gate(gateway, 'detached');
    const { code, out } = await exec('--detach', '--', gate.wait);
    expect(code).toBe(0);
    expect((await shell.run(out.trim())).state).toBe('running');
    const again = await exec('--detach', '--json', '--', 'true');
    expect(JSON.parse(again.out)).toMatchObject({ command: 'true', state: 'queued' });
    gate.open();
    expect((await shell.ended(out.trim())).exitCode).toBe(0);
  });

  it('with --new makes a session for it, here, and leaves none behind', async () => {
    const before = (await gateway.client.sessions.all()).length;
    const { code, out, err } = await commands.run(['exec', '--new', '--', 'pwd; echo e >&2; (exit 9)']);
    expect({ code, out, err }).toEqual({ code: 9, out: `${process.cwd()}\n`, err: 'e\n' });
    expect(await gateway.client.sessions.all()).toHaveLength(before);
  });

  inAll('with --new takes words without dashes before them', async () => {
    const words = await commands.run(['exec', '--new', 'echo', 'two', 'words']);
    expect(words).toMatchObject({ code: 0, out: 'two words\n' });
  });

  it('says when it cannot', async () => {
    const failed = async (...args: string[]) => {
      const { code, out, err } = await commands.run(['exec', ...args]);
      expect(out).toBe('');
      expect(err).not.toMatch(/\n\s+at /);
      return [code, err] as const;
    };
    const cases: [number, ...string[]][] = [
      [5, 'nope', '--', 'true'],
      [2, shell.id],
      [2],
      [2, shell.id, '--timeout', 'soon', '--', 'true'],
      [2, shell.id, '--timeout', '-5', '--', 'true'],
      [2, '--new', '--detach', '--', 'true'],
    ];
    for (const [code, ...args] of some(cases, 3)) expect([args, (await failed(...args))[0]]).toEqual([args, code]);
    const plain = await gateway.client.sessions.create({ command: 'exec sleep 1018' });
    const [code, err] = await failed(plain.id, '--', 'true');
    expect(code).toBe(1);
    expect(err).toContain('does not accept runs');
  });

  it('has sessions made by run --runs, and is completed', async () => {
    const { code, out } = await commands.run(['run', '--runs', '--pipe', '--no-attach', '--name', 'workshop']);
    expect(code).toBe(0);
    expect((await gateway.client.sessions.get(out.trim())).runs).toEqual({ current: null, queued: 0 });
    expect(await commands.run(['exec', 'workshop', '--', 'echo works'])).toMatchObject({ code: 0, out: 'works\n' });
    expect((await commands.run(['run', '--runs', '--no-attach', '--', 'ls'])).code).toBe(2);
    expect((await commands.run(['complete', '--', 'ex'])).out).toContain('exec');
    expect((await commands.run(['complete', '--', 'exec', ''])).out).toContain('workshop');
  });
});

/** One that is looked at while it runs. */
function start(...args: string[]): {
  readonly process: ChildProcess;
  readonly code: Promise<number | null>;
  out: string;
  err: string;
} {
  const env = { PATH: process.env.PATH, BINNACLE_DATA: gateway.dir };
  const child = spawn(process.execPath, [binary, 'exec', shell.id, ...args], { env });
  const started = {
    process: child,
    code: new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code))),
    out: '',
    err: '',
  };
  child.stdout.on('data', (chunk) => {
    started.out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    started.err += String(chunk);
  });
  return started;
}
