import { describe, expect, it } from 'vitest';
import { ACTIVITY_TIMES, type ActivityEvent, ActivityMachine } from './activity-machine.ts';
import type { StatusMark } from './marks.ts';

const QUIET_MS = ACTIVITY_TIMES.quietMs;

describe('what a session is doing', () => {
  const after = (...happened: readonly (readonly [number, ActivityEvent])[]): ActivityMachine => {
    const machine = new ActivityMachine(0);
    for (const [at, one] of happened) {
      machine.pass(at);
      machine.take(one, at);
    }
    return machine;
  };
  const output: ActivityEvent = { kind: 'output' };

  it('is working while it writes, and idle when it has been quiet, since then', () => {
    const machine = after([100, output], [1000, output]);
    machine.pass(1000 + QUIET_MS - 1);
    expect(machine.now.state).toBe('working');
    machine.pass(99_999);
    expect(machine.now).toEqual({ state: 'idle', since: 1000 + QUIET_MS, text: null });
  });

  it('is waiting with a notification until somebody types, or it goes on by itself', () => {
    const notification: ActivityEvent = { kind: 'notification', text: 'needs you' };
    expect(after([0, notification], [100, output], [4000, output]).now).toEqual({
      state: 'waiting',
      since: 0,
      text: 'needs you',
    });
    expect(after([0, notification], [100, { kind: 'typed' }]).now.state).toBe('working');
    const writesOn = [6000, 7500, 9000, 10_500, 11_000].map((at) => [at, output] as const);
    expect(after([0, notification], ...writesOn).now.state).toBe('working');
  });

  it('is one wait as long as it goes on, though the words of it change every second', () => {
    const counting = Array.from({ length: 60 }, (_, n): (readonly [number, ActivityEvent])[] => [
      [n * 1000, output],
      [n * 1000, { kind: 'notification', text: `waiting for ${n} s` }],
    ]).flat();
    const machine = after(...counting);
    expect(machine.now).toEqual({ state: 'waiting', since: 0, text: 'waiting for 59 s' });
    const writesOn = [60, 61, 62, 63, 64, 65].map((s) => [s * 1000, output] as const);
    expect(after(...counting, ...writesOn).now.state).toBe('working');
  });

  it('goes on waiting though it draws itself again, as after a resize', () => {
    const notification: ActivityEvent = { kind: 'notification', text: 'needs you' };
    expect(after([0, notification], [60_000, output], [61_000, output], [90_000, output]).now).toMatchObject({
      since: 0,
    });
  });

  it('is waiting when it rang and then was quiet, however often it rang', () => {
    const machine = after(...Array.from({ length: 1000 }, (_, n) => [n, { kind: 'bell' }] as const));
    expect(machine.now).toMatchObject({ state: 'working', since: 0 });
    machine.pass(10_000);
    expect(machine.now.state).toBe('waiting');
  });

  it('is what a shell says that marks its prompts: echo is no work, a silent command is', () => {
    const prompt: ActivityEvent[] = [{ kind: 'ended', exitCode: 0 }, { kind: 'prompt' }, { kind: 'input' }];
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
    const typed: ActivityEvent = { kind: 'typed' };
    const machine = after([0, output], [5000, typed], [5010, output], [5100, typed], [5110, { kind: 'bell' }]);
    expect(machine.now).toMatchObject({ state: 'idle', since: QUIET_MS });
    machine.pass(60_000);
    expect(machine.now).toMatchObject({ state: 'idle', since: QUIET_MS });
    machine.take(output, 61_000);
    expect(machine.now.state).toBe('working');
  });

  it('is waiting with its question, when the last that it wrote looks like one', () => {
    const machine = after([0, { kind: 'typed' }], [10, output]);
    machine.pass(QUIET_MS + 10, () => ({ question: 'Password:', movesCursor: false }));
    expect(machine.now).toEqual({ state: 'waiting', since: QUIET_MS + 10, text: 'Password:' });
  });

  it('that a shell has marked works in silence as well, until somebody types into it or it draws', () => {
    const quiet = (last: { typed?: boolean; movesCursor?: boolean }): string => {
      const machine = after([0, { kind: 'prompt' }], [10, { kind: 'command' }], [20, output]);
      if (last.typed === true) machine.take({ kind: 'typed' }, 30);
      machine.pass(60_000, () => ({ question: null, movesCursor: last.movesCursor === true }));
      return machine.now.state;
    };
    expect(quiet({})).toBe('working');
    expect(quiet({ typed: true })).toBe('idle');
    expect(quiet({ movesCursor: true })).toBe('idle');
  });

  const title = (text: string): ActivityEvent => ({ kind: 'title', text });
  const status = (state: StatusMark['state'], more: Partial<StatusMark> = {}): ActivityEvent => ({
    ...{ kind: 'status', state, reason: null, text: null },
    ...more,
  });

  it('is what its title says, and a title that blinks changes nothing', () => {
    const machine = after([0, title('⠋ project')], [5000, output]);
    expect(machine.now.state).toBe('working');
    for (let at = 6000; at < 60_000; at += 1000) {
      machine.take(title(at % 2000 === 0 ? '[ ! ] Action Required | project' : '[ . ] Action Required | project'), at);
      machine.pass(at);
      expect(machine.now).toMatchObject({ state: 'asking', since: 6000 });
    }
    machine.take(title('⠙ project'), 60_000);
    expect(machine.now).toMatchObject({ state: 'working', since: 60_000 });
  });

  it('is at rest with a sign for that, though something blinks, until another program floods the terminal', () => {
    const machine = after([0, title('✳ Claude Code')], [100, { kind: 'output', bytes: 500 }]);
    expect(machine.screenCheckAt).toBe(500);
    machine.saw(undefined, 500);
    for (let at = 1000; at < 60_000; at += 600) {
      machine.take({ kind: 'output', bytes: 50 }, at);
      machine.pass(at);
      expect(machine.now).toMatchObject({ state: 'idle', since: 500 });
    }
    for (let at = 60_000; at < 66_000; at += 100) machine.take({ kind: 'output', bytes: 1000 }, at);
    expect(machine.now.state).toBe('working');
  });

  it('asks for leave as long as its screen shows the dialog, and is looked at ever more rarely', () => {
    const machine = after([0, output]);
    expect(machine.screenCheckAt).toBe(ACTIVITY_TIMES.pauseMs);
    machine.saw({ question: 'Run it?' }, 400);
    let checks = 0;
    for (let at = 1000; at < 60_000; at += 500) {
      machine.take(output, at);
      if (machine.screenCheckAt !== undefined && machine.screenCheckAt <= at) {
        checks += 1;
        machine.saw({ question: 'Run it?' }, at);
      }
    }
    expect(checks).toBeLessThan(10);
    expect(machine.now).toEqual({ state: 'asking', since: 400, text: 'Run it?' });
    machine.take({ kind: 'typed' }, 60_000);
    expect(machine.now.state).toBe('working');
    expect(machine.screenCheckAt).toBe(61_000);
    machine.saw({ question: 'Run it?' }, 61_000);
    expect(machine.now.state).toBe('asking');
    machine.take(output, 62_500);
    machine.saw(undefined, 63_000);
    expect(machine.now.state).toBe('working');
  });

  it('is what its program reports, and nothing is guessed then', () => {
    const machine = after([0, status('working')], [1, output], [2, { kind: 'bell' }]);
    machine.pass(60_000);
    expect(machine.now).toMatchObject({ state: 'working', since: 0 });
    machine.take(status('blocked', { reason: 'permission', text: 'Bash: ls' }), 60_000);
    for (let at = 60_000; at < 90_000; at += 500) machine.take(output, at);
    expect(machine.now).toEqual({ state: 'asking', since: 60_000, text: 'Bash: ls' });
    machine.take({ kind: 'notification', text: 'needs you' }, 90_000);
    expect(machine.now.text).toBe('Bash: ls');
    machine.take(status('done'), 90_000);
    machine.take({ kind: 'notification', text: 'turn complete' }, 90_001);
    expect(machine.now).toMatchObject({ state: 'idle', since: 90_000 });
    machine.take(status('blocked', { reason: 'question' }), 91_000);
    expect(machine.now.state).toBe('waiting');
    machine.take(status('error', { text: 'no connection' }), 92_000);
    expect(machine.now).toMatchObject({ state: 'waiting', text: 'no connection' });
    machine.take(status('clear'), 93_000);
    expect(machine.now.state).toBe('idle');
    machine.take(output, 94_000);
    expect(machine.now.state).toBe('working');
  });

  it('is looked at ever more rarely where a reported dialog is none that is known', () => {
    const machine = after([0, status('blocked', { reason: 'permission', text: 'Bash: ls' })]);
    let checks = 0;
    for (let at = 500; at < 60_000; at += 500) {
      machine.take(output, at);
      if (machine.screenCheckAt === undefined || machine.screenCheckAt > at) continue;
      checks += 1;
      machine.saw(undefined, at);
    }
    expect(checks).toBeLessThan(10);
    expect(machine.now.state).toBe('asking');
  });

  it('waits no more when its dialog has gone after a key, though the program reports that late', () => {
    const machine = after([0, status('blocked', { reason: 'permission', text: 'Bash: ls' })], [10, output]);
    machine.saw({ question: 'Run it?' }, 500);
    machine.take({ kind: 'typed' }, 5000);
    expect(machine.now).toMatchObject({ state: 'asking', text: 'Bash: ls' });
    expect(machine.screenCheckAt).toBe(6000);
    machine.saw(undefined, 6000);
    expect(machine.now).toMatchObject({ state: 'working', since: 6000 });
  });

  it('is guessed again when who reported is gone: a shell says so, or somebody types and nothing is drawn', () => {
    const machine = after([0, status('blocked')], [1000, { kind: 'typed' }], [1010, output]);
    const fullScreen = () => ({ question: null, movesCursor: true });
    machine.pass(60_000, fullScreen);
    expect(machine.now.state).toBe('waiting');
    machine.take({ kind: 'typed' }, 60_000);
    machine.take(output, 60_010);
    machine.pass(90_000, () => ({ question: null, movesCursor: false }));
    expect(machine.now.state).toBe('idle');
    machine.take(output, 99_000);
    expect(machine.now.state).toBe('working');
    expect(after([0, status('working')], [10, { kind: 'prompt' }]).now.state).toBe('idle');
  });
});
