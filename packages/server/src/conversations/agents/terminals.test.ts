import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BinnacleError, isSessionId } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { inAll } from '../../../../../test/support/count.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import type { AgentTerminals, TerminalAnswer } from '../drivers/driver.ts';
import { openTestSessions, type TestSessions } from './sessions.fixture.ts';
import { Terminals, type TerminalsParts } from './terminals.ts';

let real: TestSessions;
let root: string;
let sessions: Sessions;
const opened: TestLink[] = [];

beforeAll(async () => {
  real = await openTestSessions();
  ({ root, sessions } = real);
});
afterEach(() => {
  for (const { terminals } of opened.splice(0)) terminals.endAll();
  return real.clear();
});
afterAll(() => real.close());

/** Asks as a link does, and gives the answer that comes. */
class TestLink {
  readonly terminals: Terminals;
  readonly answers: TerminalAnswer[] = [];
  #heard: (() => void)[] = [];

  constructor(parts: Partial<TerminalsParts> = {}) {
    this.terminals = new Terminals({
      ...{ host: sessions, conversation: 'c', process: uuidv7() },
      ...parts,
      answer: (answer) => {
        this.answers.push(answer);
        for (const heard of this.#heard.splice(0)) heard();
      },
    });
    opened.push(this);
  }

  async answer(question: string): Promise<TerminalAnswer> {
    for (;;) {
      const found = this.answers.find((each) => ('question' in each ? each.question : each.ref) === question);
      if (found !== undefined) return found;
      await new Promise<void>((wake) => this.#heard.push(wake));
    }
  }

  async create(ref: string, command: string, args: string[] = [], more: Partial<Spec> = {}): Promise<TerminalAnswer> {
    this.terminals.create(ref, { command, args, cwd: root, ...more });
    return this.answer(ref);
  }

  exit(ref: string, question = `exit-${ref}`): Promise<TerminalAnswer> {
    this.terminals.waitForExit(ref, question);
    return this.answer(question);
  }

  output(ref: string, limit = 100_000, question = `output-${ref}-${limit}`): Promise<TerminalAnswer> {
    this.terminals.output(ref, question, limit);
    return this.answer(question);
  }
}
type Spec = Parameters<AgentTerminals['create']>[1];
const exitedWith = (exitCode: number | null, signal: string | null = null): object => ({ exit: { exitCode, signal } });

describe('a terminal of an agent', () => {
  test('is a session of the conversation, on a terminal of 120 columns, with its output and its exit', async () => {
    const link = new TestLink();
    const command = 'stty size; echo "é $A $PAGER"; pwd; exit 3';
    expect(await link.create('t1', 'sh', ['-c', command], { env: { A: 'b' } })).toEqual({
      kind: 'created',
      ref: 't1',
    });
    expect(await link.exit('t1')).toMatchObject(exitedWith(3));
    expect(await link.output('t1')).toEqual({
      ...{ kind: 'output', ref: 't1', question: 'output-t1-100000', truncated: false },
      ...{ text: `30 120\r\né b cat\r\n${root}\r\n`, exit: { exitCode: 3, signal: null } },
    });
    const { record } = sessions.get(link.terminals.sessionOf('t1'));
    expect(record).toMatchObject({ conversation: 'c', hidden: false, spec: { mode: 'pty' } });
  });

  test('takes a command line where the agent sends one, as clients of the protocol do', async () => {
    const link = new TestLink();
    await link.create('t1', 'echo one && echo two');
    await link.exit('t1');
    expect(await link.output('t1')).toMatchObject({ text: 'one\r\ntwo\r\n' });
  });

  test('passes arguments as they are, to no shell', async () => {
    const link = new TestLink();
    await link.create('t1', 'echo', ['$HOME;', '*']);
    await link.exit('t1');
    expect(await link.output('t1')).toMatchObject({ text: '$HOME; *\r\n' });
  });

  test('tells of its output while it runs, and by which signal it was ended', async () => {
    const link = new TestLink();
    await link.create('t1', 'sh', ['-c', 'echo begun; exec sleep 60']);
    const exited = link.exit('t1');
    await expect.poll(async () => link.output('t1', 100, uuidv7())).toMatchObject({ text: 'begun\r\n', exit: null });
    link.terminals.kill('t1');
    expect(await exited).toMatchObject(exitedWith(null, 'SIGTERM'));
  });

  inAll('is ended where it does not listen to SIGTERM', async () => {
    const link = new TestLink({ killMs: 50 });
    await link.create('t1', 'sh', ['-c', 'trap "" TERM HUP; echo deaf; while :; do sleep 1; done']);
    await expect.poll(async () => link.output('t1', 100, uuidv7())).toMatchObject({ text: 'deaf\r\n' });
    link.terminals.kill('t1');
    expect(await link.exit('t1')).toMatchObject(exitedWith(null, 'SIGKILL'));
  });

  test('is ended when it is released, and its log stays', async () => {
    const link = new TestLink();
    await link.create('t1', 'sh', ['-c', 'echo here; exec sleep 60']);
    const exited = link.exit('t1');
    await expect.poll(async () => link.output('t1', 100, uuidv7())).toMatchObject({ text: 'here\r\n' });
    link.terminals.release('t1');
    expect(await exited).toMatchObject({ exit: { exitCode: null } });
    expect(await link.output('t1', 99)).toMatchObject({ text: 'here\r\n' });
  });

  test('ends with the others when all are ended, also while it is being created', async () => {
    const link = new TestLink();
    await link.create('t1', 'sleep', ['60']);
    link.terminals.create('t2', { command: 'sleep', args: ['60'] });
    const ends = [link.exit('t1'), link.exit('t2')];
    link.terminals.endAll();
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ exit: { exitCode: null } });
  });

  test('whose session was deleted has ended, nobody knows how', async () => {
    const process = uuidv7();
    const link = new TestLink({ process });
    await link.create('t1', 'true');
    await link.exit('t1');
    await sessions.delete(link.terminals.sessionOf('t1'));
    const later = new TestLink({ process });
    expect(await later.exit('t1')).toMatchObject(exitedWith(null));
    expect(await later.output('t1')).toMatchObject({ text: '', truncated: true });
    // It must not run a second time.
    expect(await later.create('t1', 'true')).toMatchObject({ kind: 'failed' });
  });

  test('that was never made has no output, and has ended', async () => {
    const link = new TestLink();
    expect(await link.exit('t9')).toMatchObject(exitedWith(null));
    expect(await link.output('t9')).toMatchObject({ text: '', truncated: true });
    link.terminals.kill('t9');
    link.terminals.release('t9');
  });
});

describe('what cannot be created', () => {
  test('is reported with the reason', async () => {
    const link = new TestLink();
    expect(await link.create('t1', 'no-such-program-here')).toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('not found'),
    });
    expect(await link.create('t2', 'true', [], { cwd: '/no/such/place' })).toMatchObject({ kind: 'failed' });
    expect(await link.create('t3', 'true', [], { env: { 'no=name': 'x' } })).toMatchObject({ kind: 'failed' });
  });

  test('is what is beyond the limit; what is released makes room, what failed takes none', async () => {
    const link = new TestLink({ maxTerminals: 2 });
    expect(await link.create('t0', 'no-such-program-here')).toMatchObject({ kind: 'failed' });
    expect(await link.create('t1', 'true')).toMatchObject({ kind: 'created' });
    expect(await link.create('t2', 'true')).toMatchObject({ kind: 'created' });
    expect(await link.create('t3', 'true')).toMatchObject({
      kind: 'failed',
      message: 'The agent has 2 terminals already. Release one first.',
    });
    link.terminals.release('t1');
    expect(await link.create('t4', 'true')).toMatchObject({ kind: 'created' });
  });
});

describe('asking again', () => {
  test('in the same gateway or in a new one gives the same terminal, and the command runs once', async () => {
    const process = uuidv7();
    const file = join(root, 'ran');
    const first = new TestLink({ process });
    first.terminals.create('t1', { command: `echo x >> ${file}`, args: [] });
    await first.create('t1', `echo x >> ${file}`);
    await first.exit('t1');
    const later = new TestLink({ process });
    expect(await later.create('t1', `echo x >> ${file}`)).toMatchObject({ kind: 'created' });
    expect(await later.exit('t1')).toMatchObject(exitedWith(0));
    expect(readFileSync(file, 'utf8')).toBe('x\n');
  });

  test('of a new gateway finds what runs, so that it can be ended', async () => {
    const process = uuidv7();
    await new TestLink({ process }).create('t1', 'sleep', ['60']);
    const later = new TestLink({ process });
    const exited = later.exit('t1');
    later.terminals.endAll();
    expect(await exited).toMatchObject({ exit: { exitCode: null } });
  });
});

describe('ids', () => {
  test('are those of sessions, the same for the same names, and others for all others', () => {
    const process = uuidv7();
    const idOf = (conversation: string, of: string, ref: string): string =>
      new TestLink({ conversation, process: of }).terminals.sessionOf(ref);
    expect(isSessionId(idOf('c', process, 't1'))).toBe(true);
    expect(idOf('c', process, 't1')).toBe(idOf('c', process, 't1'));
    const all = [
      ...[idOf('c', process, 't1'), idOf('c', process, 't2'), idOf('d', process, 't1'), idOf('c', uuidv7(), 't1')],
      ...[idOf('', 'c', 't1'), idOf('c', '', 't1'), idOf('c', 't', '1')],
    ];
    expect(all.every((id) => isSessionId(id))).toBe(true);
    expect(new Set(all).size).toBe(all.length);
  });

  test('are listed where the process of the agent is', () => {
    const [before, process, after] = ['0190000000000', '0190000000100', '0190000000200'].map(
      (time) => `${time.slice(0, 8)}-${time.slice(8, 12)}-7000-8000-000000000000`,
    );
    const id = new TestLink({ process: process ?? '' }).terminals.sessionOf('t1');
    expect([before, id, after].sort()).toEqual([before, id, after]);
  });
});

describe('output', () => {
  test.each([
    [8, '€€'],
    [7, '€€'],
    [6, '€€'],
    [5, '€'],
    [3, '€'],
    [2, ''],
    [0, ''],
  ])('of at most %i bytes is cut at a character', async (limit, text) => {
    const link = new TestLink();
    await link.create('t1', 'printf', ['€€€€']);
    await link.exit('t1');
    expect(await link.output('t1', limit)).toMatchObject({ text, truncated: true });
  });

  test('that ends in the middle of a character has the beginning of it only once the program has ended', async () => {
    const link = new TestLink();
    await link.create('t1', 'sh', ['-c', "printf 'a\\342\\202'; exec sleep 60"]);
    await expect.poll(async () => link.output('t1', 100, uuidv7())).toMatchObject({ text: 'a', exit: null });
    link.terminals.kill('t1');
    await link.exit('t1');
    expect(await link.output('t1', 101)).toMatchObject({ text: 'a\uFFFD' });
  });

  test('of which the beginning is not kept any more is the rest, and says so', async () => {
    const link = new TestLink();
    await link.create('t1', 'sh', ['-c', 'seq 40000; echo the end; exec sleep 60']);
    const end = (): Promise<TerminalAnswer> => link.output('t1', 9, uuidv7());
    await expect.poll(end).toMatchObject({ text: 'the end\r\n' });
    await sessions.get(link.terminals.sessionOf('t1')).trim(64 * 1024);
    expect(await link.output('t1', 100_000_000)).toMatchObject({
      truncated: true,
      text: expect.stringMatching(/39999\r\n40000\r\nthe end\r\n$/),
    });
  });
});

test('a host that fails in unexpected ways fails the creation, and nothing else', async () => {
  const broken = {
    create: () => Promise.reject(new Error('secret path')),
    get: () => {
      throw new BinnacleError('session_not_found');
    },
  };
  const link = new TestLink({ host: broken });
  expect(await link.create('t1', 'true')).toEqual({ kind: 'failed', ref: 't1', message: 'It could not be started.' });
});
