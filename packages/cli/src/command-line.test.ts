import { readFileSync } from 'node:fs';
import { BinnacleError, type SessionActivity, type SessionInfo } from '@binnacle/protocol';
import { describe, expect, it } from 'vitest';
import { exitCodeOfProgram } from './attach/session-view.ts';
import { sessionTable } from './commands/ls.ts';
import { toSpec } from './commands/run.ts';
import { pick } from './gateway/connect.ts';
import { formatDuration, parseBytes, parseDuration } from './input/quantities.ts';
import { describe as describeFailure, EXIT, exitCodeOf, Failure } from './output/failure.ts';
import { printable, styleFor, table } from './output/style.ts';
import { makeProgram } from './program.ts';
import { VERSION } from './version.ts';

const session = (over: Partial<Omit<SessionInfo, 'id'>> & { readonly id: string }): SessionInfo =>
  ({
    name: '',
    state: 'running',
    running: true,
    mode: 'pty',
    argv: ['bash'],
    exitCode: null,
    signal: null,
    createdAt: 0,
    exitedAt: null,
    lease: null,
    stalled: null,
    foreign: null,
    labels: {},
    ...over,
  }) as SessionInfo;

const A = '01900000-0000-7000-8000-00000000000a';
const B = '01900000-0000-7000-8000-0000000000bb';

const outcome = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error;
  }
};

describe('naming a session', () => {
  const sessions = [session({ id: A, name: 'build' }), session({ id: B, name: 'build', running: false })];

  it('takes an id, a beginning that only one has, and a name', () => {
    expect(pick(sessions, B).id).toBe(B);
    expect(pick(sessions, B.slice(0, -1)).id).toBe(B);
  });

  it('prefers the one that runs when two have the name', () => {
    expect(pick(sessions, 'build').id).toBe(A);
  });

  it('refuses what means several, and says which', () => {
    expect(() => pick(sessions, '0190')).toThrow(Failure);
    const which = describeFailure(
      outcome(() => pick(sessions, '0190')),
      false,
    );
    expect(which.match(/^ {2}\S{36} {2}\w+, \d+\w+ old {2}./gm)).toHaveLength(2);
    expect(() => pick(sessions, '')).toThrow(Failure);
  });

  it('takes the id that an emitter gave it, and refuses to guess between that and a name', () => {
    const foreign = { sessionId: 'job-1' } as SessionInfo['foreign'];
    const emitted = session({ id: B, name: 'make -j4', foreign });
    expect(pick([session({ id: A, name: 'build' }), emitted], 'job-1').id).toBe(B);
    expect(() => pick([session({ id: A, name: 'job-1' }), emitted], 'job-1')).toThrow(/matches 2 sessions/);
  });

  it('ends with code 5 when there is none', () => {
    expect(() => pick(sessions, 'nope')).toThrow(expect.objectContaining({ exitCode: EXIT.noSession }));
  });
});

describe('hints', () => {
  it('name commands and numbers in the place of addresses and fields', () => {
    const ahead = new BinnacleError('offset_ahead', { details: { oldestOffset: 0, headOffset: 4711 } });
    expect(describeFailure(ahead, false)).toContain('Read from 4711;');
    const gap = new BinnacleError('gap', { details: { oldestOffset: 42, headOffset: 4711 } });
    expect(describeFailure(gap, false)).toContain('Read from 42, or with tail --bytes.');
    expect(describeFailure(new BinnacleError('session_not_found'), false)).toContain('binnacle ls.');
  });
});

describe('exit codes', () => {
  it.each([
    [new BinnacleError('unauthorized'), EXIT.refused],
    [new BinnacleError('forbidden'), EXIT.refused],
    [new BinnacleError('session_gone'), EXIT.noSession],
    [new BinnacleError('unreachable'), EXIT.unreachable],
    [new BinnacleError('lease_held'), EXIT.failed],
    [new Failure(EXIT.usage, 'wrong'), EXIT.usage],
    [
      new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }),
      EXIT.unreachable,
    ],
    [new Error('else'), EXIT.failed],
  ])('%s', (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it('are the program’s own, with 128 + n for a signal', () => {
    expect(exitCodeOfProgram({ exitCode: 7, signal: null })).toBe(7);
    expect(exitCodeOfProgram({ exitCode: null, signal: 'SIGKILL' })).toBe(137);
    expect(exitCodeOfProgram({ exitCode: null, signal: null })).toBeUndefined();
  });

  it('come with message and hint, and with a stack only when debugging', () => {
    const error = new BinnacleError('session_not_found');
    expect(describeFailure(error, false)).toBe('binnacle: No such session.\n  List sessions with binnacle ls.\n');
    expect(describeFailure(error, true)).toContain('command-line.test.ts');
  });
});

describe('quantities', () => {
  it.each([
    ['1048576', 1_048_576],
    ['512M', 512 * 1024 ** 2],
    ['10GiB', 10 * 1024 ** 3],
    ['10GB', 10e9],
    ['1.5k', 1536],
  ])('reads %s as bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ])('reads %s as a duration', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', '-1s', '1 week', '1e9d'])('refuses %j as a duration', (text) => {
    expect(() => parseDuration(text)).toThrow(Failure);
  });

  it.each(['', '-1', '1XB', '1e400', '__proto__'])('refuses %j as a size', (text) => {
    expect(() => parseBytes(text)).toThrow(Failure);
  });

  it('writes a duration in its largest unit', () => {
    expect([0, 59_999, 60_000, 7_200_000, 172_800_000].map(formatDuration)).toEqual(['0s', '59s', '1m', '2h', '2d']);
  });
});

describe('lists', () => {
  const plain = styleFor({ isTTY: false });

  it('show how a session ended', () => {
    const text = sessionTable(
      [
        session({ id: A, name: 'a' }),
        session({ id: B, name: 'b', running: false, state: 'closed', exitCode: 3 }),
        session({ id: '01900000-0000-7000-8000-0000000000cc', running: false, state: 'closed', signal: 'SIGTERM' }),
      ],
      60_000,
      plain,
    );
    expect(text).toMatch(/running.*\n.*exit 3.*\n.*SIGTERM/);
  });

  it('show what each is doing, and what those that wait are waiting for', () => {
    const doing = (state: SessionActivity['state'], text: string | null = null) => ({
      activity: { state, since: 0, text },
    });
    const text = sessionTable(
      [
        session({ id: A, name: 'a', ...doing('waiting_input', `Continue?\x1b ${'x'.repeat(100)}`) }),
        session({ id: B, name: 'b', ...doing('waiting_approval', 'rm -rf build') }),
        session({ id: '01900000-0000-7000-8000-0000000000cc', ...doing('idle') }),
      ],
      60_000,
      plain,
    );
    expect(text).toMatch(/WAITS FOR.*\n.*waiting .*Continue\?· x+….*\n.*approval\? .*rm -rf build.*\n.*idle /);
    expect(sessionTable([session({ id: A, ...doing('working') })], 0, plain)).not.toContain('WAITS FOR');
  });

  it('show the text that a shell was given, not the shell that all of them have', () => {
    const argv = ['/bin/bash', '-c', 'npm run build && npm test'];
    expect(sessionTable([session({ id: A, argv })], 0, plain)).toContain(' npm run build && npm test\n');
  });

  it('let no name move the cursor or pose as another line', () => {
    expect(printable('a\x1b[2Jb\nc\u202Ed\u009b')).toBe('a·[2Jb·c·d·');
  });

  it.each([
    ['blank', '   ', '···'],
    ['blank braille', '\u2800\u2800', '··'],
    ['Hangul fillers', 'a\u3164b', 'a·b'],
    ['spaces of other widths', '\u3000\u2003', '··'],
    ['stacked marks', `e${'\u0301'.repeat(40)}x`, `e${'\u0301'.repeat(4)}·x`],
    ['a mark without a letter', '\u0301', '·'],
    ['tags', 'a\u{e0041}', 'a·'],
    ['a picture with colours', '❤\ufe0f', '❤\ufe0f'],
    ['accents as macOS writes them', 'Zoe\u0308', 'Zoe\u0308'],
    ['Hindi', 'हिन्दी', 'हिन्दी'],
    ['Thai', 'ที่นี่', 'ที่นี่'],
    ['Hebrew', 'שלום', 'שלום'],
  ])('show a name safely: %s', (_, name, shown) => {
    expect(printable(name)).toBe(shown);
  });

  it('keep columns apart from a name that is written from right to left', () => {
    const text = sessionTable([session({ id: A, name: 'שלום 123' }), session({ id: B, name: 'b' })], 0, plain);
    expect(text).toContain('\u2068שלום 123\u2069  ');
    const [, first = '', second = ''] = text.replace(/[\u2068\u2069]/g, '').split('\n');
    expect(first.indexOf('0s')).toBe(second.indexOf('0s'));
  });

  it('keep columns below each other beside wide letters', () => {
    const text = table(
      [
        ['日本', 'x'],
        ['ab', 'y'],
      ],
      80,
    );
    expect(text).toBe('日本  x\nab    y\n');
  });

  it('cut the last column at the width', () => {
    expect(table([['a', 'x'.repeat(50)]], 20)).toBe(`a  ${'x'.repeat(16)}…\n`);
  });

  it('have no colours where NO_COLOR is set or there is no terminal', () => {
    expect(styleFor({ isTTY: true }, { NO_COLOR: '1' }).red('x')).toBe('x');
    expect(plain.red('x')).toBe('x');
    expect(styleFor({ isTTY: true }, {}).red('x')).toBe('\x1b[31mx\x1b[39m');
  });
});

describe('run', () => {
  const defaults = { env: [], label: [], attach: true, detachKeys: 'none' };

  it('passes the program on as it was given, in this directory', () => {
    expect(toSpec(['ls', '-l', 'a b'], defaults)).toMatchObject({
      argv: ['ls', '-l', 'a b'],
      mode: 'pty',
      cwd: process.cwd(),
    });
  });

  it('takes variables with = in their values', () => {
    expect(toSpec(['x'], { ...defaults, env: ['A=1=2', 'B='] }).env).toEqual({ A: '1=2', B: '' });
    expect(() => toSpec(['x'], { ...defaults, env: ['A'] })).toThrow(Failure);
  });

  it('takes labels with = in their values, and refuses what has no key', () => {
    expect(toSpec(['x'], { ...defaults, label: ['team=red', 'q=a=b', 'empty='] }).labels).toEqual({
      team: 'red',
      q: 'a=b',
      empty: '',
    });
    expect(toSpec(['x'], defaults)).not.toHaveProperty('labels');
    for (const wrong of ['team', '=red', '']) {
      expect(() => toSpec(['x'], { ...defaults, label: [wrong] })).toThrow(Failure);
    }
  });

  it('refuses a program together with shell text', () => {
    expect(() => toSpec(['x'], { ...defaults, shell: 'y' })).toThrow(Failure);
  });
});

describe('the command line', () => {
  it('has the version of the package', () => {
    const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
    expect(VERSION).toBe((JSON.parse(text) as { version: string }).version);
  });

  it('says in its help what the exit codes mean', () => {
    let help = '';
    const program = makeProgram(() => undefined).configureOutput({ writeOut: (text) => (help += text) });
    program.outputHelp();
    expect(help).toContain('3 gateway not reachable');
  });
});
