import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutputKind } from '@binnacle/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, isSoak } from '../../../../test/support/count.ts';
import { until } from '../../../../test/support/until.ts';
import { Fifos } from './fifos.ts';
import { PtyLoader } from './native-pty.ts';
import { pipeStarter } from './pipe.ts';
import type { ExitStatus, Program, StartProgram } from './program.ts';
import { ptyStarter, READ_BYTES } from './pty.ts';
import { familyOf, type Leader, readProcess, SESSION_MARK } from './session-processes.ts';
import { endFamily } from './termination.ts';

const env = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  TERM: 'xterm-256color',
  HOME: tmpdir(),
  HISTFILE: '/dev/null',
};

let dir: string;
let start: Record<'pty' | 'pipe', StartProgram>;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-process-'));
  const fifos = new Fifos(dir);
  await fifos.fill();
  const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
  start = { pty: ptyStarter(readBuffer, new PtyLoader()), pipe: pipeStarter(fifos, readBuffer) };
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Run {
  readonly program: Program;
  readonly text: (kind?: OutputKind) => string;
  readonly bytes: () => Buffer;
  readonly exited: Promise<ExitStatus>;
  readonly ended: Promise<void>;
  /** What had come when the exit was reported. */
  readonly atExit: () => number;
  readonly seen: (text: string) => Promise<void>;
}

async function run(
  mode: 'pty' | 'pipe',
  argv: [string, ...string[]],
  extraEnv: Record<string, string> = {},
): Promise<Run> {
  const chunks: { kind: OutputKind; bytes: Buffer }[] = [];
  let onExited: (status: ExitStatus) => void;
  let onEnded: () => void;
  let bytesAtExit = -1;
  const exited = new Promise<ExitStatus>((resolve) => {
    onExited = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    onEnded = resolve;
  });
  const text = (kind?: OutputKind) =>
    Buffer.concat(
      chunks.filter((chunk) => kind === undefined || chunk.kind === kind).map((chunk) => chunk.bytes),
    ).toString();
  const program = await start[mode](
    { argv, cwd: dir, env: { ...env, ...extraEnv }, cols: 80, rows: 24 },
    {
      output: (kind, bytes) => {
        chunks.push({ kind, bytes: Buffer.from(bytes) });
      },
      exited: (status) => {
        bytesAtExit = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
        onExited(status);
      },
      ended: () => onEnded(),
    },
  );
  const seen = (expected: string) =>
    until(`${JSON.stringify(expected)} is in the output`, () => text().includes(expected)).catch((error: Error) => {
      throw new Error(`${error.message} The output is ${JSON.stringify(text().slice(-2000))}.`);
    });
  const bytes = () => Buffer.concat(chunks.map((chunk) => chunk.bytes));
  return { program, text, bytes, exited, ended, atExit: () => bytesAtExit, seen };
}

/** Writes until all was taken: a program that is being started takes nothing. */
async function type(program: Program, text: string | Buffer): Promise<void> {
  let rest = Buffer.from(text);
  await until('the input is taken', () => {
    rest = rest.subarray(program.write(rest));
    return rest.length === 0;
  });
}

const node = (script: string): [string, ...string[]] => [process.execPath, '-e', script];
const sh = (script: string): [string, ...string[]] => ['/bin/bash', '-c', script];

const TIMES = count({ quick: 2, all: 20, soak: 500 });

/** More than any buffer holds. */
const LARGE = count({ quick: 4, all: 20 }) * 1024 * 1024;

describe('a program that is just being started in a terminal', () => {
  /** Replaces a command of the launcher by a script. */
  const withCommand = (name: string, script: string): Record<string, string> => {
    const folder = mkdtempSync(join(dir, 'commands-'));
    writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    return { PATH: `${folder}:${env.PATH}` };
  };
  /** Ends as if nothing had happened, like a command that an interrupt meets at its end. */
  const slowStty = () => withCommand('stty', "trap '' INT; sleep 0.3");
  const slowSetsid = () => withCommand('setsid', 'sleep 0.3; exec /usr/bin/setsid "$@"');
  const begun = () => new Promise((resolve) => setTimeout(resolve, 100));

  it.each([
    ['before it has the terminal', slowSetsid],
    ['while the terminal is set', slowStty],
  ])('gets the interrupt that is typed %s', async (_, slow) => {
    const { program, exited } = await run('pty', ['/bin/sleep', '20'], slow());
    await begun();
    await type(program, '\x03');
    expect(await exited).toEqual({ exitCode: null, signal: 'SIGINT' });
  });

  it('gets the signal that is sent while the terminal is set', async () => {
    const { program, exited } = await run('pty', ['/bin/sleep', '20'], slowStty());
    await begun();
    process.kill(-program.pid, 'SIGINT');
    expect(await exited).toEqual({ exitCode: null, signal: 'SIGINT' });
  });
});

describe.each(['pty', 'pipe'] as const)('a program on a %s', (mode) => {
  it.each([
    [1, TIMES],
    [4095, TIMES],
    [4096, TIMES],
    [4097, TIMES],
    [300 * 1024, TIMES],
    [LARGE, count({ quick: 1, all: 1, soak: 500 })],
  ])(
    'that writes %d bytes and exits at once loses none of them',
    { timeout: isSoak ? 3_600_000 : 60_000 },
    async (size, times) => {
      for (let i = 0; i < times; i++) {
        // head reads whole blocks and leaves nothing to do after its last write.
        const one = await run(mode, sh(`exec head -c ${size} /dev/zero`));
        expect(await one.exited).toEqual({ exitCode: 0, signal: null });
        expect(one.atExit()).toBe(size);
        await one.ended;
        expect(one.bytes().length).toBe(size);
      }
    },
  );

  it('reports the exit code and the signal as they were', async () => {
    expect(await (await run(mode, sh('exit 7'))).exited).toEqual({ exitCode: 7, signal: null });
    expect(await (await run(mode, sh('kill -TERM $$'))).exited).toEqual({ exitCode: null, signal: 'SIGTERM' });
  });

  it('sees only its three standard descriptors, its own session and default signals', async () => {
    const one = await run(
      mode,
      sh(
        'ls -1 /proc/self/fd; grep SigIgn /proc/self/status; grep SigBlk /proc/self/status; ps -o sid= -p $$; echo $$',
      ),
    );
    await one.ended;
    const lines = one
      .text()
      .replaceAll('\r', '')
      .trim()
      .split('\n')
      .map((line) => line.trim());
    // ls itself opens the directory as the fourth.
    expect(lines.slice(0, 4)).toEqual(['0', '1', '2', '3']);
    expect(lines[4]).toMatch(/SigIgn:\s*0+$/);
    expect(lines[5]).toMatch(/SigBlk:\s*0+$/);
    expect(lines[6]).toBe(lines[7]);
  });

  it('hears nothing of ours, not even about a locale that this machine lacks', async () => {
    const one = await run(mode, ['/bin/echo', 'hi'], { LC_ALL: 'xx_YY.UTF-8' });
    await one.ended;
    expect(one.text().trimEnd()).toBe('hi');
  });

  it('can write to /dev/stdout and /dev/stderr', async () => {
    const one = await run(mode, sh('echo out > /dev/stdout; echo err > /dev/stderr'));
    await one.ended;
    expect(one.text()).toContain('out');
    expect(one.text()).toContain('err');
    if (mode === 'pipe') expect([one.text('stdout'), one.text('stderr')]).toEqual(['out\n', 'err\n']);
  });

  it('is exited as soon as it is, though a child holds the output open, and ended when that child is', async () => {
    const go = join(dir, `go-${mode}`);
    const one = await run(
      mode,
      sh(
        `trap "" HUP; (read -t 60 < <(sleep 60); :) & echo started; (until [ -e ${go} ]; do sleep 0.02; done; echo late) & exit 3`,
      ),
    );
    expect(await one.exited).toEqual({ exitCode: 3, signal: null });
    expect(one.text()).toContain('started');
    expect(one.text()).not.toContain('late');
    writeFileSync(go, '');
    await one.seen('late');
    one.program.abandon();
    await one.ended;
  });

  it('reads its input, byte for byte, to the end', async () => {
    const one = await run(mode, ['/usr/bin/cat']);
    await type(one.program, 'hello\n');
    await one.seen('hello');
    if (one.program.closeInput === undefined) one.program.write(Buffer.of(4));
    else one.program.closeInput();
    expect(await one.exited).toEqual({ exitCode: 0, signal: null });
  });

  it('takes no more input than the kernel does when nobody reads it', async () => {
    const one = await run(mode, sh('stty raw -echo 2>/dev/null; echo ready; exec sleep 60'));
    await one.seen('ready');
    const block = Buffer.alloc(64 * 1024, 120);
    let taken = 0;
    for (let count = one.program.write(block); count > 0; count = one.program.write(block)) taken += count;
    expect(taken).toBeGreaterThan(1000);
    expect(taken).toBeLessThan(2_000_000);
    process.kill(one.program.pid, 'SIGKILL');
    expect(await one.exited).toEqual({ exitCode: null, signal: 'SIGKILL' });
  });

  it('that was paused when it exited loses nothing', async () => {
    const one = await run(mode, sh('echo go; read -r; exec head -c 3000 /dev/zero'));
    await one.seen('go');
    const before = one.bytes().length;
    one.program.pause();
    await type(one.program, '\n');
    await ended(one.program.pid);
    one.program.resume();
    await one.ended;
    const echoed = mode === 'pty' ? 2 : 0;
    expect(one.bytes().length - before).toBe(3000 + echoed);
  });

  it('is ended with all its family: a stopped job, a job in the background, and one that left the session', async () => {
    const id = '00000000-0000-7000-8000-000000000000';
    // A length of its own, so that sleeps of other tests are not taken for ours.
    const length = `${1000 + process.pid}.${Math.floor(Math.random() * 1e6)}`;
    const sleep = `sleep ${length}`;
    const script = `set -m; ${sleep} & ${sleep} & kill -STOP %2; set +m; trap "" TERM HUP; setsid ${sleep} & echo up; ${sleep}`;
    const one = await run(mode, sh(script), { [SESSION_MARK]: id });
    await one.seen('up');
    const leader: Leader = { pid: one.program.pid, startTime: readProcess(one.program.pid)?.startTime ?? '' };
    // The last of them is started behind the word.
    while (familyOf(leader, id).length < 4) await new Promise((resolve) => setImmediate(resolve));
    expect(await endFamily(leader, id, { hupMs: 100, termMs: 100 })).toBe(0);
    await one.ended;
    const left = readdirSync('/proc').filter((pid) => commandOf(pid) === `sleep\0${length}\0`);
    expect(left).toEqual([]);
  });

  it('writes bytes, not text: all 256 of them come through', async () => {
    const one = await run(mode, node('process.stdout.write(Buffer.from(Array.from({length:256},(_, i)=>i)))'));
    await one.ended;
    const expected = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    // The terminal turns a line feed into carriage return and line feed.
    const written =
      mode === 'pipe'
        ? expected
        : Buffer.concat([expected.subarray(0, 10), Buffer.from('\r\n'), expected.subarray(11)]);
    expect(createHash('sha256').update(one.bytes()).digest('hex')).toBe(
      createHash('sha256').update(written).digest('hex'),
    );
  });
});

describe('a program on a pty', () => {
  it('has a controlling terminal, job control, its size, and hears of a new one', async () => {
    const one = await run('pty', ['/bin/bash', '--norc', '-i']);
    await type(one.program, 'stty size; tty; sleep 100 &\n');
    await one.seen('24 80');
    await one.seen('/dev/pts/');
    await one.seen('[1]');
    await type(one.program, 'trap "stty size" WINCH; echo is-$((1+1))-set\n');
    await one.seen('is-2-set');
    one.program.resize?.(100, 30);
    await type(one.program, '\n');
    await one.seen('30 100');
    await type(one.program, 'kill %1; exit 5\n');
    expect(await one.exited).toEqual({ exitCode: 5, signal: null });
    await one.ended;
  });

  it('that changes letters on their way out gets none of ours among them', async () => {
    const one = await run('pty', sh('stty olcuc; printf hello'));
    await one.ended;
    expect(one.text()).toBe('HELLO');
  });

  it('gets its own bytes only, though we were held up for longer than we wait for its end', async () => {
    // As a SIGSTOP or a disk that stalls; timers come before reads afterwards.
    const holdUp = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    const one = await run('pty', sh('sleep 0.2; printf done'));
    const other = spawn('/bin/sleep', ['0.2']).on('exit', () => holdUp(1100));
    await once(other, 'spawn');
    holdUp(600); // Both end: the exit of one is looked at, then that of the other, and only then is anything read.
    await one.ended;
    expect(one.text()).toBe('done');
  });

  it('keeps no descriptor and no thread when it is over', async () => {
    const held = () => [readdirSync('/proc/self/fd').length, readdirSync('/proc/self/task').length];
    const once = async () => {
      const one = await run('pty', ['/usr/bin/true']);
      await one.ended;
    };
    for (let i = 0; i < 3; i++) await once();
    const before = held();
    for (let i = 0; i < count({ quick: 15, all: 50 }); i++) await once();
    expect(held()).toEqual(before);
  });
});

async function ended(pid: number): Promise<void> {
  while (readProcess(pid)?.isZombie === false) await new Promise((resolve) => setImmediate(resolve));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

it('the machine has what a start needs', () => {
  expect(execFileSync('setsid', ['--version']).toString()).toContain('setsid');
});
