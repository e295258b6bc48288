import { describe, expect, it } from 'vitest';
import { ACTIVITY_TIMES, ActivityMachine, type Happened } from './activity-machine.ts';

const QUIET_MS = ACTIVITY_TIMES.quietMs;

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
    const writesOn = [6000, 7500, 9000, 10_500, 11_000].map((at) => [at, output] as const);
    expect(after([0, asked], ...writesOn).now.state).toBe('working');
  });

  it('is one wait as long as it goes on, though the words of it change every second', () => {
    const counting = Array.from({ length: 60 }, (_, n): (readonly [number, Happened])[] => [
      [n * 1000, output],
      [n * 1000, { kind: 'notification', text: `waiting for ${n} s` }],
    ]).flat();
    const machine = after(...counting);
    expect(machine.now).toEqual({ state: 'waiting', since: 0, text: 'waiting for 59 s' });
    const writesOn = [60, 61, 62, 63, 64, 65].map((s) => [s * 1000, output] as const);
    expect(after(...counting, ...writesOn).now.state).toBe('working');
  });

  it('goes on waiting though it draws itself again, as after a resize', () => {
    const asked: Happened = { kind: 'notification', text: 'needs you' };
    expect(after([0, asked], [60_000, output], [61_000, output], [90_000, output]).now).toMatchObject({ since: 0 });
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

  it('is idle while somebody types into a shell that marks nothing: an echo is no work, and a bell at a Tab no call', () => {
    const typed: Happened = { kind: 'typed' };
    const machine = after([0, output], [5000, typed], [5010, output], [5100, typed], [5110, { kind: 'bell' }]);
    expect(machine.now).toMatchObject({ state: 'idle', since: QUIET_MS });
    machine.pass(60_000);
    expect(machine.now).toMatchObject({ state: 'idle', since: QUIET_MS });
    machine.take(output, 61_000);
    expect(machine.now.state).toBe('working');
  });

  it('is waiting with its question, when the last that it wrote looks like one', () => {
    const machine = after([0, { kind: 'typed' }], [10, output]);
    machine.pass(QUIET_MS + 10, () => ({ question: 'Password:', isDrawn: false }));
    expect(machine.now).toEqual({ state: 'waiting', since: QUIET_MS + 10, text: 'Password:' });
  });

  it('that a shell has marked works in silence as well, until somebody types into it or it draws', () => {
    const quiet = (last: { typed?: boolean; isDrawn?: boolean }): string => {
      const machine = after([0, { kind: 'prompt' }], [10, { kind: 'command' }], [20, output]);
      if (last.typed === true) machine.take({ kind: 'typed' }, 30);
      machine.pass(60_000, () => ({ question: null, isDrawn: last.isDrawn === true }));
      return machine.now.state;
    };
    expect(quiet({})).toBe('working');
    expect(quiet({ typed: true })).toBe('idle');
    expect(quiet({ isDrawn: true })).toBe('idle');
  });
});
