import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionMode } from '@binnacle/protocol';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { count, inAll, isAll, isSoak, some } from '../../../../test/support/count.ts';
import { readProcess } from '../process/session-processes.ts';
import { codeOf, openRunShell, type RunShell } from './run-shell.fixture.ts';

/** The shell of one test. */
let shell: RunShell | undefined;
afterEach(async () => {
  await shell?.close();
  shell = undefined;
});
const open = async (mode: SessionMode): Promise<RunShell> => (shell = await openRunShell(mode));

const bothModes = ['pipe', 'pty'] as const;
/** A terminal turns each newline into a return and a newline. */
const plain = ({ stdout, tty }: { stdout: string; tty: string }) => stdout + tty.replaceAll('\r\n', '\n');

/** The code that `eval` of a text has in an interactive bash, which a shell that takes runs is. */
const codeOfInteractive = (text: string, cwd: string): number | null => {
  const args = ['--norc', '--noprofile', '--noediting', '-ic', 'eval "$1"', 'bash', text];
  // Without a terminal to stop for.
  const options = {
    cwd,
    detached: true,
    stdio: 'ignore',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
  } as const;
  return spawnSync('/bin/bash', args, options as object).status;
};

describe.each(bothModes)('runs on a %s', (mode) => {
  /** A second variant in `npm test`, where the shell on pipes proves the property. */
  const inAllOnTerminals = mode === 'pty' ? inAll : it;
  /** The shell of those tests that leave no trace in it. */
  let common: RunShell;
  beforeAll(async () => {
    common = await openRunShell(mode);
  });
  afterAll(() => common.close());

  it('keep directory, variables exported or not, functions and options for the next one', async () => {
    const shell = await open(mode);
    const first = await shell.run(
      'x=3; export y=4; f() { echo "f$x"; }; cd /tmp; shopt -s nullglob; declare -A m=([a]=1)',
    );
    expect(first.info).toMatchObject({ exitCode: 0, outcome: 'exited', reset: false, cwd: '/tmp' });
    expect(first.info.durationMs).toBeGreaterThan(0);
    const second = await shell.run(
      'f; echo $y $PWD $' + '{m[a]}; env | grep ^y=; shopt -q nullglob && echo on; set +u; (exit 7)',
    );
    expect(plain(second)).toBe('f3\n4 /tmp 1\ny=4\non\n');
    expect(second.info.exitCode).toBe(7);
  });

  const TEXTS: readonly (readonly [string, string, number])[] = [
    ['unbalanced quotes', 'echo "a', 2],
    ['a heredoc', "cat <<'X'\nin $it\nX", 0],
    ['a heredoc without its end', 'cat <<X\nopen', 0],
    ['a comment at the end', 'echo a # "b', 0],
    ['a trailing backslash', 'echo a\\', 0],
    ['a trailing newline and blank lines', '\n\necho a\n\n\n', 0],
    ['return outside of a function', 'return 3; echo b', 0],
    ['a subshell that exits', '(exit 9)', 9],
    ['a signal that ends its job', 'sh -c "kill -TERM \\$\\$"', 143],
    ['a pipe whose reader leaves', 'yes | head -1; echo $' + '{PIPESTATUS[0]}', 0],
    ['an unknown program', 'no-such-program-here', 127],
    ['no newline at the end', 'printf a; printf "\\n\\n"; printf b', 0],
    ['carriage returns', 'printf "a\\rb\\r"', 0],
    ['history marks', 'echo \'hi!!\' "a!b"', 0],
    ['words of the shell that are ours', 'declare -p | grep -c BASH_VERSINFO', 0],
  ];
  it.each(mode === 'pty' ? some(TEXTS, 5) : TEXTS)('%s: as bash -c has it', async (_name, command, exitCode) => {
    const shell = common;
    const ran = await shell.run(command);
    const expected = spawnSync('/bin/bash', ['-c', command], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    const { info } = ran;
    expect({ exitCode: info.exitCode, reset: info.reset }).toEqual({ exitCode: expected.status ?? 143, reset: false });
    expect(info.exitCode).toBe(exitCode);
    if (mode === 'pipe') expect(ran.stdout).toBe(expected.stdout);
    expect((await shell.run('echo alive')).info.exitCode).toBe(0);
  });

  const LEAVING: readonly (readonly [string, number])[] = [
    ['exit 7', 7],
    ['exec true', 0],
    ["exec sh -c 'exit 5'", 5],
    ['set -e; false; echo not here', 1],
    ['trap "echo bye" EXIT; exit 4', 4],
    ['kill -KILL $$', 137],
  ];
  it.each(mode === 'pty' ? some(LEAVING, 3) : LEAVING)(
    '%s: its exit code is reported, and the next run has a fresh shell with what was known',
    async (command, exitCode) => {
      const shell = await open(mode);
      await shell.run('cd /tmp; export kept=1; loose=2; f() { echo "f$loose"; }');
      const { info, ...out } = await shell.run(command);
      expect(out.stderr + out.tty).not.toContain(shell.dir);
      expect(info).toMatchObject({ exitCode, reset: true, outcome: 'exited' });
      if (command.includes('bye')) expect(plain(out)).toContain('bye');
      const next = await shell.run('echo "$PWD $kept $loose"; f; echo $-');
      expect(plain(next)).toMatch(/^\/tmp 1 2\nf2\n[a-zA-Z]+\n$/);
      const events = shell.entries().filter(({ kind }) => kind === 'event');
      expect(events.map(({ text }) => (JSON.parse(text) as { type: string }).type)).toEqual([
        'run_started',
        'run_ended',
        'run_started',
        'run_ended',
        'session_reset',
        'run_started',
        'run_ended',
      ]);
    },
  );

  /** Runs that only their time limit ends. */
  const SILENT = new Set(['leaves no descriptors', 'restricts itself']);
  const HARMFUL = [
    ['ends its own group', "sh -c 'kill -TERM 0'"],
    ['hangs up its own group', 'bash -c \'trap "kill -HUP 0" EXIT; echo work\''],
    ['leaves no room for files', 'ulimit -f 0'],
    ['leaves no descriptors', 'ulimit -n 4'],
    ['has an IFS of digits', 'IFS=0123456789'],
    ['has no PWD', 'unset PWD; set -u'],
    [
      'goes where the path is long',
      "cd /tmp; d=$(printf 'a%.0s' {1..250}); mkdir -p /tmp/deep-$$; cd /tmp/deep-$$; for i in {1..60}; do mkdir $d && cd $d; done; rm -rf /tmp/deep-$$",
    ],
    ['has a PWD of its own', "PWD=$(head -c 100000 /dev/zero | tr '\\0' a)"],
    ['turns builtins off', 'enable -n printf read'],
    ['restricts itself', 'set -r'],
    ['edits as vi does', 'set -o vi'],
    ['closes its input', 'exec 0<&-'],
    ['leads everything nowhere', 'exec </dev/null >/dev/null 2>&1'],
    ['stops itself', 'kill -STOP $$'],
    ['suspends itself', 'suspend -f'],
    ['stops its parent', 'kill -STOP $PPID; kill -CONT $PPID'],
    ['exports everything and leaves', 'set -a; exit 3'],
    ['fills what answers come by', 'timeout 0.2 head -c 70000 /dev/zero >"$__binnacle_dir/answers"'],
  ] as const;
  it.each(
    isAll
      ? HARMFUL
      : some(
          HARMFUL.filter(([name]) => !SILENT.has(name)),
          mode === 'pty' ? 4 : 8,
        ),
  )('a run that %s has an end, and the next one runs', async (_name, command) => {
    const shell = await open(mode);
    const { info } = await shell.run(command, { timeoutMs: 3000 });
    expect(info.state).toBe('ended');
    const file = join(shell.dir, 'proof');
    const next = await shell.run(`echo "$((20 + 22))" >${file}`, { timeoutMs: 3000 });
    expect(next.info).toMatchObject({ state: 'ended', outcome: 'exited' });
    // A first run that left no room for files needs another shell to write.
    expect(readFileSync(file, 'utf8')).toBe('42\n');
  });

  it('an interrupt at any moment of a run leaves it with one end, and the queue moving', async () => {
    const shell = common;
    // Before its first prompt an interrupt ends any shell.
    await shell.run('true');
    for (let i = 0; i < count({ quick: 6, all: 60 }); i++) {
      const { id } = shell.submit('sleep 0.01');
      const wait = Math.random() * 25;
      await new Promise((resolve) => setTimeout(resolve, wait));
      try {
        if (mode === 'pty') shell.type('\u0003');
        else shell.interrupt();
      } catch {
        // There was no job at that moment.
      }
      const { info } = await shell.ended(id);
      expect([0, 130]).toContain(info.exitCode);
      expect(info.reset).toBe(false);
    }
    expect(plain(await shell.run('echo on'))).toContain('on\n');
  }, 60_000);

  it('`set -e` that ends a shell is not there in the next one', async () => {
    const shell = await open(mode);
    expect((await shell.run('W=1; set -e; false')).info).toMatchObject({ exitCode: 1, reset: true });
    const next = await shell.run('echo "$W"; false; echo "$-"');
    expect(next.info.reset).toBe(false);
    expect(plain(next)).toMatch(/^1\n[^e]+\n$/);
  });

  it('what a run sets before it leaves the shell is kept as well', async () => {
    const shell = await open(mode);
    expect((await shell.run('a=1; cd /usr; g() { echo g; }; exit 7')).info).toMatchObject({ exitCode: 7, reset: true });
    expect(plain(await shell.run('echo "$a $PWD"; g'))).toBe('1 /usr\ng\n');
  });

  it('`set -eux`, noclobber, no PATH, a strange IFS and builtins that are functions do not harm the next one', async () => {
    const shell = await open(mode);
    await shell.run('set -C; IFS=ae; PATH=; printf() { :; }; read() { :; }; declare() { :; }; unset HOME');
    // Bash 5.2 crashes of it where it has no terminal.
    if (mode === 'pty') await shell.run('set -o vi');
    expect((await shell.run('echo "still $((1+1))"')).info.exitCode).toBe(0);
    await shell.run('set -eu');
    const ran = await shell.run('echo "$-"');
    expect(plain(ran)).toMatch(/e.*u|u.*e/);
    await shell.run('PROMPT_COMMAND=; PS1=; unalias -a; shopt -u expand_aliases interactive_comments');
    expect(plain(await shell.run('echo on'))).toContain('on\n');
    await shell.run('set -x');
    expect((await shell.run('echo x')).info.exitCode).toBe(0);
    expect(plain(await shell.run('set +x; echo y'))).toMatch(/y\n$/);
  });

  it('an interrupt ends the whole command and leaves the shell as it was', async () => {
    const shell = common;
    await shell.run('x=5; g() { while :; do sleep 0.05; done; }');
    for (const command of [
      'sleep 100; echo not here',
      'while :; do :; done; echo not here',
      'g; echo not here',
      'for i in 1 2 3; do sleep 50; done',
    ]) {
      const { id } = shell.submit(command);
      await shell.begun(id);
      const info = await shell.cancel(id);
      expect(info).toMatchObject({ state: 'ended', outcome: 'cancelled', exitCode: 130, reset: false });
      const ran = await shell.ended(id);
      expect(plain(ran)).not.toContain('not here');
      expect(plain(await shell.run('echo "$x"'))).toBe('5\n');
    }
  });

  it('a timeout interrupts, and says so', async () => {
    const shell = common;
    await shell.run('x=5');
    const soft = await shell.run('echo begin; sleep 100', { timeoutMs: 200 });
    expect(soft.info).toMatchObject({ outcome: 'timed_out', exitCode: 130, reset: false });
    expect(plain(soft)).toMatch(/^begin\n/);
    expect(plain(await shell.run('echo $x'))).toBe('5\n');
  });

  inAllOnTerminals('what does not hear a timeout is ended', async () => {
    const shell = common;
    await shell.run('x=5');
    const deaf = await shell.run('bash -c \'trap "" INT; sleep 100\'', { timeoutMs: 200 });
    expect(deaf.info).toMatchObject({ outcome: 'timed_out', reset: false });
    expect(deaf.info.exitCode).toBeGreaterThan(128);
    expect(plain(await shell.run('echo $x'))).toBe('5\n');
  });

  inAll('a shell that does not hear a timeout is ended, and the next one knows what it knew', async () => {
    const shell = await open(mode);
    await shell.run('x=5');
    const stubborn = await shell.run("trap '' INT; while :; do :; done", { timeoutMs: 200 });
    expect(stubborn.info).toMatchObject({ outcome: 'timed_out', exitCode: 137, reset: true });
    expect(plain(await shell.run('echo $x'))).toBe('5\n');
  });

  it('two at once come one after the other, never mixed; or the second is refused, by choice', async () => {
    const shell = common;
    const first = shell.submit('for i in 1 2 3 4 5; do echo a; sleep 0.02; done');
    const second = shell.submit('for i in 1 2 3 4 5; do echo b; done');
    expect(codeOf(() => shell.submit('echo c', { onBusy: 'refuse' }))).toBe('shell_busy');
    expect(plain(await shell.ended(first.id))).toBe('a\n'.repeat(5));
    expect(plain(await shell.ended(second.id))).toBe('b\n'.repeat(5));
  });

  inAllOnTerminals('a bounded number waits; one that waits can be cancelled and never runs', async () => {
    const shell = common;
    const blocker = shell.submit('sleep 100');
    await shell.begun(blocker.id);
    const waiting = Array.from({ length: 64 }, (_, i) => shell.submit(`echo ${i}`));
    expect(codeOf(() => shell.submit('echo more'))).toBe('too_many_runs');
    const dropped = waiting[5];
    if (dropped === undefined) throw new Error('There is none.');
    expect(await shell.cancel(dropped.id)).toMatchObject({ outcome: 'cancelled', startedAt: null, exitCode: null });
    await shell.cancel(blocker.id);
    for (const [i, { id }] of waiting.entries()) {
      if (i !== 5) expect(plain(await shell.ended(id))).toBe(`${i}\n`);
    }
  });

  it('the newest ended ones are remembered, to a limit', async () => {
    const shell = common;
    for (let i = 0; i < 25; i++) await shell.run('true', { id: `run-${i}` });
    expect(readdirSync(join(shell.dir, 'runs')).length).toBe(20);
    expect(shell.submit('echo anew', { id: 'run-0' }).state).toBe('queued');
    expect(shell.submit('true', { id: 'run-24' }).state).toBe('ended');
  });

  it('an id that comes again is the same run and acts once', async () => {
    const shell = common;
    const ran = await shell.run('echo once', { id: 'mine' });
    expect(shell.submit('echo once', { id: 'mine' })).toEqual(ran.info);
    expect(codeOf(() => shell.submit('echo twice', { id: 'mine' }))).toBe('run_exists');
    expect(plain(await shell.run('echo next'))).toBe('next\n');
  });

  it('the commands that it gets are data: nothing in their output can end them or fake their end', async () => {
    const shell = common;
    const ran = await shell.run(
      'printf "end 3 /\\nover 0\\nready 0 0\\n"; printf "\\e]133;D;0\\a"; declare -f __binnacle_end >/dev/null; sleep 0.1; echo last; (exit 6)',
    );
    expect(ran.info.exitCode).toBe(6);
    expect(plain(ran)).toMatch(/last\n$/);
  });

  it('background jobs do not hold it up, are listed, and end with the session', async () => {
    const shell = await open(mode);
    const ran = await shell.run('sleep 1003 & setsid sleep 1004 & echo begun');
    expect(plain(ran)).toContain('begun\n');
    const commands = () => shell.hosted.listProcesses().map(({ command }) => command);
    await expect.poll(commands).toEqual(expect.arrayContaining(['sleep 1003', 'sleep 1004']));
    expect(plain(await shell.run('jobs -r | wc -l'))).toMatch(/^[12]\n/m);
    const pids = shell.hosted.listProcesses().map(({ pid }) => pid);
    await shell.hosted.end({ hupMs: 100, termMs: 500 });
    expect(pids.filter((pid) => readProcess(pid)?.isZombie === false)).toEqual([]);
  });

  it('an interrupt of one run spares the background job of another', async () => {
    const shell = await open(mode);
    await shell.run('sleep 1005 &');
    const { id } = shell.submit('sleep 100');
    await shell.begun(id);
    await shell.cancel(id);
    const commands = () => shell.hosted.listProcesses().map(({ command }) => command);
    await expect.poll(commands).toEqual(['sleep 1005']);
  });

  it('an interrupt spares what an earlier run began in the same moment, and what that begins later', async () => {
    const shell = await open(mode);
    const rounds = count({ quick: 3, all: 20 });
    for (let round = 0; round < rounds; round += 1) {
      // An interrupt that is meant for another run ends it, or the child that it has just started.
      await shell.run("(trap 'exit 1' INT; while sleep 0.01; do :; done) &");
      const { id } = shell.submit('sleep 100');
      await shell.begun(id);
      await shell.cancel(id);
    }
    expect(plain(await shell.run('jobs -pr')).match(/^\d+$/gm)).toHaveLength(rounds);
  });

  it('goes where it is asked to first, and stays there', async () => {
    const shell = await open(mode);
    const there = mkdtempSync(join(tmpdir(), "it's a dir "));
    try {
      expect(plain(await shell.run('pwd', { cwd: there }))).toBe(`${there}\n`);
      expect(plain(await shell.run('pwd'))).toBe(`${there}\n`);
      const missing = await shell.run('echo not here', { cwd: join(there, 'gone') });
      expect(missing.info.exitCode).toBe(1);
      expect(plain(missing)).not.toContain('not here');
    } finally {
      rmSync(there, { recursive: true, force: true });
    }
  });

  it('long and many-lined commands arrive whole', async () => {
    const shell = common;
    const lines = Array.from({ length: 2000 }, (_, i) => `n=$((n + ${i}))`);
    expect(plain(await shell.run(`n=0\n${lines.join('\n')}\necho $n`))).toBe(`${(1999 * 2000) / 2}\n`);
    expect(plain(await shell.run(`echo '${'ü'.repeat(60_000)}' | wc -m`))).toMatch(/60001/);
  });

  it('what ends the session ends its runs', async () => {
    const shell = await open(mode);
    const running = shell.submit('sleep 100');
    const waiting = shell.submit('echo never');
    await shell.begun(running.id);
    await shell.hosted.end({ hupMs: 50, termMs: 200 });
    expect((await shell.ended(running.id)).info).toMatchObject({ state: 'ended', outcome: 'session_ended' });
    expect((await shell.ended(waiting.id)).info).toMatchObject({ outcome: 'session_ended', startedAt: null });
    expect(codeOf(() => shell.submit('echo late'))).toBe('session_exited');
    expect(readdirSync(shell.dir)).not.toContain('shell');
  });

  it('leaves no descriptor of ours in what it starts', async () => {
    const shell = common;
    const ran = await shell.run('ls /proc/self/fd; bash -c "ls /proc/self/fd"');
    // ls itself opens the folder as the next free one.
    expect(plain(ran).split(/\s+/).filter(Boolean)).toEqual(['0', '1', '2', '3', '0', '1', '2', '3']);
    expect(plain(await shell.run('env | grep -ci binnacle'))).toBe('1\n');
  });

  const TIMES = count({ quick: 20, all: 500 });
  it(`${TIMES} times one after the other, each with its own output and code`, async () => {
    const shell = common;
    for (let i = 0; i < TIMES; i++) {
      const ran = await shell.run(`echo ${i}; (exit ${i % 256})`);
      expect({ out: plain(ran), code: ran.info.exitCode }).toEqual({ out: `${i}\n`, code: i % 256 });
    }
  }, 60_000);
});

describe('a run on pipes', () => {
  it('an interrupt at its beginning leaves nothing that a program of it was just starting', async () => {
    const shell = await open('pipe');
    for (let round = 0; round < count({ quick: 6, all: 60 }); round += 1) {
      const { id } = shell.submit('echo 1007 | xargs -n1 sleep');
      await shell.begun(id);
      const until = performance.now() + (round % 20) * 0.3;
      while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
      await shell.cancel(id);
    }
    const commands = () => shell.hosted.listProcesses().map(({ command }) => command);
    await expect.poll(commands).toEqual([]);
  }, 30_000);

  it('reads /dev/null; by choice the input of the session, which viewers write', async () => {
    const shell = await open('pipe');
    expect((await shell.run('cat; echo $?')).stdout).toBe('0\n');
    const { id } = shell.submit('read -r a; read -r b; echo "$b$a"', { stdin: 'session' });
    await shell.begun(id);
    shell.type('one\ntwo\n');
    expect((await shell.ended(id)).stdout).toBe('twoone\n');
    expect((await shell.run('echo after')).stdout).toBe('after\n');
  });

  it('lines that a viewer types are commands of the same shell', async () => {
    const shell = await open('pipe');
    await shell.run('x=1');
    shell.type('x=2; echo typed $x\n');
    await expect.poll(() => shell.shown).toContain('typed 2\n');
    expect((await shell.run('echo $x')).stdout).toBe('2\n');
  });

  it('keeps stdout and stderr apart, and both in order', async () => {
    const shell = await open('pipe');
    const ran = await shell.run('echo o; echo e >&2; echo e2 > /dev/stderr; echo o2');
    expect({ stdout: ran.stdout, stderr: ran.stderr }).toEqual({ stdout: 'o\no2\n', stderr: 'e\ne2\n' });
  });

  const BYTES = count({ quick: 5_000_000, all: 20_000_000 });
  it(`writes ${BYTES} bytes without a newline and loses none of them`, async () => {
    const shell = await open('pipe');
    const ran = await shell.run(`head -c ${BYTES} /dev/zero | tr "\\0" x`);
    expect(ran.stdout.length).toBe(BYTES);
  }, 30_000);

  it(
    'gives the output and exit code of bash -c for any text',
    async () => {
      const shell = await open('pipe');
      const there = mkdtempSync(join(tmpdir(), 'binnacle-any-'));
      const word = fc.oneof(
        fc.constantFrom(
          'echo',
          'printf %s',
          'true',
          'false',
          '"',
          "'",
          '\\',
          '$x',
          '$(echo a)',
          '`echo b`',
          ';',
          '&&',
          '||',
          '|',
          'cat',
          '\n',
          '\t',
          '#',
          '(',
          ')',
          '{',
          '}',
          '<<X',
          'X',
          '!',
          '~',
          '*',
          '[a]',
          'if',
          'then',
          'fi',
          'ü',
          '日本',
          '\u{1f600}',
          '\x01',
          '\x07',
          '\x1b[0m',
          '\r',
          '=',
          'a=1',
          '>&2',
        ),
        fc.string({ unit: 'grapheme', maxLength: 8 }),
      );
      const command = fc
        .array(word, { minLength: 1, maxLength: 8 })
        .map((args) => args.join(' ').replaceAll('\0', ''))
        // Nothing that lasts, writes files, or is reported otherwise by an interactive bash; see PROTOCOL.md.
        .filter((text) => text.trim() !== '' && !/[<>](?!<X|&2)|&(?!&|2)|\$\{|exec|exit|set|kill|sleep|[?]/.test(text));
      await fc.assert(
        fc.asyncProperty(command, async (text) => {
          const ran = await shell.run(text, { cwd: there });
          const expected = spawnSync('/bin/bash', ['-c', '--', text], {
            cwd: there,
            env: { PATH: '/usr/local/bin:/usr/bin:/bin', TERM: 'xterm-256color', LANG: 'C.UTF-8' },
            stdio: ['ignore', 'pipe', 'pipe'],
          });
          if (ran.info.reset) return; // It left the shell, as bash -c does.
          // Of text that breaks off, bash -c may tell the code of the line before. An interactive bash never does.
          const breaksOff = /unexpected EOF|unexpected end of file/.test(expected.stderr.toString());
          const code = breaksOff ? codeOfInteractive(text, there) : expected.status;
          expect(ran.info.exitCode).toBe(code);
          expect(ran.stdout).toBe(expected.stdout.toString());
          expect(ran.stderr === '').toBe(expected.stderr.length === 0);
        }),
        // A text that looks like an option of what runs it.
        { numRuns: count({ quick: 15, all: 300, soak: 5000 }), examples: [['- '], ['-x'], ['--help']] },
      );
      rmSync(there, { recursive: true, force: true });
    },
    isSoak ? 900_000 : 180_000,
  );
});

describe('a run in a terminal', () => {
  it('comes all the same where somebody turned line editing off', async () => {
    const shell = await open('pty');
    await shell.run('set +o emacs');
    expect(plain(await shell.run('echo plain'))).toBe('plain\n');
  });

  it('is shown at the prompt, and what a person had begun to type is there again behind it', async () => {
    const shell = await open('pty');
    await shell.run('PS1="P> "');
    shell.type('echo half');
    await expect.poll(() => shell.shown).toContain('echo half');
    await shell.run('echo between');
    await expect.poll(() => shell.shown).toMatch(/between\r\n[\s\S]*P> [\s\S]*echo half$/);
    shell.type(' done\r');
    await expect.poll(() => shell.shown).toContain('half done\r\n');
    expect(shell.shown).toContain('run: echo between');
  });

  it('waits while a person has a command of their own going on, and nothing of it is typed into that', async () => {
    const shell = await open('pty');
    await shell.run('true');
    shell.type('cat\r');
    await expect.poll(() => shell.shown).toContain('cat\r\n');
    const { id } = shell.submit('echo mine');
    shell.type('line\r');
    await expect.poll(() => shell.shown).toContain('line\r\nline\r\n');
    expect(shell.shown).not.toContain('mine');
    shell.type('\u0004');
    expect(plain(await shell.ended(id))).toBe('mine\n');
  });

  it('has what viewers type as its input', async () => {
    const shell = await open('pty');
    const { id } = shell.submit('read -r answer; echo "got $answer"');
    await shell.begun(id);
    shell.type('yes\r');
    expect(plain(await shell.ended(id))).toContain('got yes\n');
  });

  it('is not lost where a person typed ahead, and their commands come in their turn', async () => {
    const shell = await open('pty');
    const { id } = shell.submit('sleep 0.3');
    await shell.begun(id);
    shell.type('echo ahead\r');
    expect(plain(await shell.run('echo run'))).toBe('run\n');
    await shell.ended(id);
    expect(shell.shown).toContain('ahead\r\n');
  });

  it('runs full-screen programs, and an exit that a person types ends the session', async () => {
    const shell = await open('pty');
    const { id } = shell.submit('stty size; tput smcup; read -rsn1 key; tput rmcup; echo "key $key"');
    await shell.begun(id);
    await expect.poll(() => shell.shown).toContain('24 80');
    shell.type('q');
    expect(plain(await shell.ended(id))).toContain('key q\n');
    shell.type('exit 3\r');
    await shell.hosted.closed;
    expect(shell.hosted.status).toMatchObject({ state: 'closed', exitCode: 3 });
  });
});
