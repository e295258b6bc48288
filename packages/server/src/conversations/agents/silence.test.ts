import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SILENCE_TIMES, Silence, type SilenceBegin, type SilenceStep, type TurnDoing } from './silence.ts';

const LIMIT_MS = 30 * 60_000;
const TIMES: SilenceBegin = { ...SILENCE_TIMES, limitMs: LIMIT_MS };
const MINUTE = 60_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** A machine whose clock goes on with its timers, unless it is paused. */
class Machine {
  doing: TurnDoing = 'talks';
  readonly reached: [SilenceStep, number][] = [];
  readonly silence: Silence;
  #nowMs = 0;

  constructor() {
    const reached = (step: SilenceStep, silentMs: number): void => void this.reached.push([step, Math.round(silentMs)]);
    this.silence = new Silence({ doing: () => this.doing, reached, now: () => this.#nowMs });
  }

  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 100) {
      this.#nowMs += 100;
      vi.advanceTimersByTime(100);
    }
  }

  /** Time passes, and nothing runs. */
  pause(ms: number): void {
    this.#nowMs += ms;
  }

  get steps(): SilenceStep[] {
    return this.reached.map(([step]) => step);
  }
}

describe('a silence', () => {
  test('is shown after 15 s, notified after 2 min, and ends the turn after its limit; each once', () => {
    const machine = new Machine();
    machine.silence.begin(TIMES);
    machine.pass(LIMIT_MS + 5 * MINUTE);
    expect(machine.reached).toEqual([
      ['say', 15_000],
      ['tell', 120_000],
      ['end', LIMIT_MS],
    ]);
    machine.silence.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('begins anew with every word', () => {
    const machine = new Machine();
    machine.silence.begin(TIMES);
    for (let n = 0; n < 20; n += 1) {
      machine.pass(14_900);
      machine.silence.heard();
    }
    expect(machine.reached).toEqual([]);
    machine.pass(2 * MINUTE);
    machine.silence.heard();
    machine.pass(2 * MINUTE);
    expect(machine.steps).toEqual(['say', 'tell', 'say', 'tell']);
    machine.silence.stop();
  });

  test('is shown while a tool runs and never notified; while a person is asked there is none', () => {
    const machine = new Machine();
    machine.silence.begin(TIMES);
    machine.doing = 'works';
    machine.pass(2 * LIMIT_MS);
    expect(machine.steps).toEqual(['say']);
    machine.doing = 'asks';
    machine.silence.heard();
    machine.pass(2 * LIMIT_MS);
    expect(machine.steps).toEqual(['say']);
    machine.doing = 'talks';
    machine.silence.heard();
    machine.pass(LIMIT_MS + 15_000);
    expect(machine.steps).toEqual(['say', 'say', 'tell', 'end']);
    machine.silence.stop();
  });

  test('has a further interval after a pause of the machine, and nobody is notified twice', () => {
    const machine = new Machine();
    machine.silence.begin(TIMES);
    machine.pass(29 * MINUTE);
    machine.pause(3 * LIMIT_MS);
    machine.pass(29 * MINUTE);
    expect(machine.steps).toEqual(['say', 'tell']);
    machine.pass(2 * MINUTE);
    expect(machine.steps).toEqual(['say', 'tell', 'end']);
    machine.silence.stop();
  });

  test('of which an earlier gateway has seen a part goes on with it, and leaves time to read what came meanwhile', () => {
    const machine = new Machine();
    machine.silence.begin({ ...TIMES, before: { silentMs: 20 * MINUTE, step: 'tell' } });
    machine.pass(9.9 * MINUTE);
    expect(machine.reached).toEqual([]);
    machine.pass(0.2 * MINUTE);
    expect(machine.reached).toEqual([['end', LIMIT_MS]]);
    machine.silence.begin({ ...TIMES, before: { silentMs: 50 * LIMIT_MS, step: 'tell' } });
    machine.pass(14_900);
    expect(machine.steps).toEqual(['end']);
    machine.silence.heard();
    machine.pass(LIMIT_MS - 1000);
    expect(machine.steps).toEqual(['end', 'say', 'tell']);
    machine.silence.stop();
  });

  test('whose limit is shorter than the other times has only that', () => {
    const machine = new Machine();
    machine.silence.begin({ ...TIMES, limitMs: 10_000 });
    machine.pass(MINUTE);
    expect(machine.reached).toEqual([['end', 10_000]]);
    machine.silence.stop();
  });
});
