import { describe, expect, it } from 'vitest';
import { ActivityMachine, type Happened, QUIET_MS } from './activity.ts';
import { type Mark, Marks } from './marks.ts';

const marksIn = (text: string): Mark[] => new Marks().take(Buffer.from(text));

describe('marks', () => {
  it.each<[string, Mark]>([
    ['\x1b]9;Build done\x07', { kind: 'notification', text: 'Build done' }],
    ['\x1b]777;notify;Agent;needs you; now\x1b\\', { kind: 'notification', text: 'Agent: needs you; now' }],
    ['\x1b]99;i=1:d=0;Hello\x1b\\', { kind: 'notification', text: 'Hello' }],
    ['\x1b]133;A\x07', { kind: 'prompt' }],
    ['\x1b]133;B\x07', { kind: 'input' }],
    ['\x1b]133;C;cmdline=x\x07', { kind: 'command' }],
    ['\x1b]133;D;127\x07', { kind: 'ended', exitCode: 127 }],
    ['\x1b]133;D\x07', { kind: 'ended', exitCode: null }],
    ['\x1b]9;4;1;40\x07', { kind: 'progress', state: 'set', percent: 40 }],
    ['\x1b]9;4;3\x07', { kind: 'progress', state: 'set', percent: null }],
    ['\x1b]9;4;0\x07', { kind: 'progress', state: 'over', percent: null }],
    ['\x1b]0;a title\x07', { kind: 'title', text: 'a title' }],
    ['\x07', { kind: 'bell' }],
  ])('%j is one', (text, mark) => expect(marksIn(text)).toEqual([mark]));

  it('are found wherever they are cut', () => {
    const text = Buffer.from('a\x1b]9;日本\x1b\\b\x07\x1b]133;D;1\x07\x1bPq\x07\x1b\\\x1b]2;t\x07');
    const whole = new Marks().take(text);
    expect(whole.map(({ kind }) => kind)).toEqual(['notification', 'bell', 'ended', 'title']);
    for (let at = 0; at <= text.length; at++) {
      const marks = new Marks();
      expect([...marks.take(text.subarray(0, at)), ...marks.take(text.subarray(at))]).toEqual(whole);
    }
  });

  it('that a hostile program makes are short, in one line, and without what turns text round or hides it', () => {
    const [long] = marksIn(`\x1b]9;${'x'.repeat(3000)}\x07`);
    expect(long).toMatchObject({ text: 'x'.repeat(200) });
    expect(marksIn(`\x1b]9;${'x'.repeat(1_000_000)}\x07ok\x07`)).toEqual([{ kind: 'bell' }]);
    expect(marksIn('\x1b]9;a\u202eb\u200b\r\n\u2028c\x00\x07')).toEqual([{ kind: 'notification', text: 'a b c' }]);
    for (const none of [
      '\x1b]9;\x07',
      '\x1b]9;4;9;1\x07',
      '\x1b]777;other;x\x07',
      '\x1b]99;p=?;x\x07',
      '\x1b]52;c;eA==\x07',
      '\x1b]9;x\x18',
    ])
      expect(marksIn(none)).toEqual([]);
  });
});

describe('what a session is doing', () => {
  const after = (...happened: readonly (readonly [number, Happened])[]): ActivityMachine => {
    const machine = new ActivityMachine(0);
    for (const [at, one] of happened) {
      machine.pass(at);
      machine.take(one, at);
    }
    return machine;
  };
  const output: Happened = { kind: 'output' };

  it('is working while it writes, and idle when it has been quiet, since then', () => {
    const machine = after([100, output], [1000, output]);
    machine.pass(1000 + QUIET_MS - 1);
    expect(machine.now.state).toBe('working');
    machine.pass(99_999);
    expect(machine.now).toEqual({ state: 'idle', since: 1000 + QUIET_MS, text: null });
  });

  it('is waiting with a notification until somebody types, or it goes on by itself', () => {
    const asked: Happened = { kind: 'notification', text: 'needs you' };
    expect(after([0, asked], [100, output], [4000, output]).now).toEqual({
      state: 'waiting',
      since: 0,
      text: 'needs you',
    });
    expect(after([0, asked], [100, { kind: 'typed' }]).now.state).toBe('working');
    expect(after([0, asked], [6000, output]).now.state).toBe('working');
  });

  it('is waiting when it rang and then was quiet, however often it rang', () => {
    const machine = after(...Array.from({ length: 1000 }, (_, n) => [n, { kind: 'bell' }] as const));
    expect(machine.now).toMatchObject({ state: 'working', since: 0 });
    machine.pass(10_000);
    expect(machine.now.state).toBe('waiting');
  });

  it('is what a shell says that marks its prompts: echo is no work, a silent command is', () => {
    const prompt: Happened[] = [{ kind: 'ended', exitCode: 0 }, { kind: 'prompt' }, { kind: 'input' }];
    const at = prompt.map((one) => [10, one] as const);
    expect(after(...at, [20, output]).now).toMatchObject({ state: 'idle', since: 10 });
    expect(after(...at, [30, { kind: 'command' }]).now).toMatchObject({ state: 'working', since: 30 });
  });

  it('is working as long as it tells of progress', () => {
    const machine = after([0, { kind: 'progress', state: 'set', percent: 3 }]);
    machine.pass(1_000_000);
    expect(machine.now.state).toBe('working');
    machine.take({ kind: 'progress', state: 'over', percent: null }, 1_000_000);
    machine.pass(1_100_000);
    expect(machine.now.state).toBe('idle');
  });
});
