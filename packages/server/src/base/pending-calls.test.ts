import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PendingCalls, type PendingCallsOptions } from './pending-calls.ts';

interface Frame {
  readonly id: number;
}

/** A clock whose timers fire when the test advances it. */
class ManualClock {
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();
  #now = 0;

  readonly after = (ms: number, call: () => void): (() => void) => {
    const timer = { at: this.#now + ms, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at <= this.#now && this.#timers.delete(timer)) timer.call();
    }
  }
}

function open(more: Partial<PendingCallsOptions<Frame>> = {}) {
  const clock = new ManualClock();
  const sent: Frame[] = [];
  const calls = new PendingCalls<Frame>({ send: (frame) => sent.push(frame), after: clock.after, ...more });
  const call = (ms: number): Promise<unknown> =>
    calls.call((id) => ({ id }), { ms, late: (id) => new Error(`${id} is late`) });
  return { calls, clock, sent, call };
}

describe('pending calls', () => {
  it('settle by their ids, in any order', async () => {
    const { calls, sent, call } = open();
    const [first, second] = [call(10), call(10)];
    expect(sent).toEqual([{ id: 1 }, { id: 2 }]);
    expect([calls.reject(2, new Error('no')), calls.resolve(1, 'yes')]).toEqual([true, true]);
    await expect(first).resolves.toBe('yes');
    await expect(second).rejects.toThrow('no');
    expect(calls.inFlight).toBe(0);
  });

  it('fail after their time, and a late answer is ignored', async () => {
    const { calls, clock, call } = open();
    const [short, long] = [call(10), call(20)];
    clock.advance(10);
    await expect(short).rejects.toThrow('1 is late');
    expect([calls.resolve(1, 'late'), calls.reject(1, new Error('later'))]).toEqual([false, false]);
    expect(calls.resolve(2, 'in time')).toBe(true);
    await expect(long).resolves.toBe('in time');
    expect(clock.pending).toBe(0);
  });

  it('have a new time-out whose time begins now', async () => {
    const { calls, clock, call } = open();
    const answer = call(10);
    clock.advance(9);
    calls.restart(1, { ms: 10, late: () => new Error('the second time-out') });
    calls.restart(7, { ms: 1, late: () => new Error('of no call') });
    expect(clock.pending).toBe(1);
    clock.advance(9);
    expect(calls.inFlight).toBe(1);
    clock.advance(1);
    await expect(answer).rejects.toThrow('the second time-out');
  });

  it('are at most so many, and one that cannot be encoded takes no id', async () => {
    const { calls, sent, call } = open({ limit: { max: 1, refusal: () => new Error('too many') } });
    const encode = (): never => {
      throw new Error('too large');
    };
    expect(() => calls.call(encode)).toThrow('too large');
    const first = call(10);
    expect(() => call(10)).toThrow('too many');
    calls.resolve(1, 'yes');
    await first;
    const second = call(10);
    expect(sent).toEqual([{ id: 1 }, { id: 2 }]);
    calls.resolve(2, 'again');
    expect(await second).toBe('again');
  });

  it('fail together when the other process is lost, also while one of them is sent', async () => {
    const lost = () => new Error('lost');
    const { calls, clock, call } = open();
    const failures = Promise.allSettled([call(10), call(10)]);
    expect(calls.oldestMs).toBeGreaterThanOrEqual(0);
    calls.rejectAll(lost);
    expect((await failures).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([calls.inFlight, calls.oldestMs, clock.pending]).toEqual([0, 0, 0]);
    const broken: PendingCalls<Frame> = new PendingCalls<Frame>({ send: () => broken.rejectAll(lost) });
    await expect(broken.call((id) => ({ id }))).rejects.toThrow('lost');
  });

  it('each settle exactly once, as the first thing that happens to them says', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('call' as const), ms: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ kind: fc.constantFrom('resolve' as const, 'reject' as const), id: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ kind: fc.constant('lose' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { calls, clock, call } = open();
        const settled: string[][] = [];
        const expected: string[] = [];
        const deadlines: number[] = [];
        let now = 0;
        const isOpen = (at: number): boolean => expected[at] === '';
        const expectAll = (result: string, isMeant: (at: number) => boolean): void =>
          expected.forEach((_, at) => {
            if (isOpen(at) && isMeant(at)) expected[at] = result;
          });
        for (const step of steps) {
          if (step.kind === 'call') {
            const results: string[] = [];
            settled.push(results);
            expected.push('');
            deadlines.push(now + step.ms);
            call(step.ms).then(
              (result) => results.push(String(result)),
              (error: Error) => results.push(error.message),
            );
          } else if (step.kind === 'advance') {
            now += step.ms;
            clock.advance(step.ms);
            expected.forEach((_, at) => {
              if (isOpen(at) && (deadlines[at] ?? 0) <= now) expected[at] = `${at + 1} is late`;
            });
          } else if (step.kind === 'lose') {
            calls.rejectAll(() => new Error('lost'));
            expectAll('lost', () => true);
          } else {
            const wasOpen = isOpen(step.id - 1);
            const isKnown =
              step.kind === 'resolve' ? calls.resolve(step.id, 'yes') : calls.reject(step.id, new Error('no'));
            expect(isKnown).toBe(wasOpen);
            expectAll(step.kind === 'resolve' ? 'yes' : 'no', (at) => at === step.id - 1);
          }
          await Promise.resolve();
        }
        expect(calls.inFlight).toBe(expected.filter((result) => result === '').length);
        expect(clock.pending).toBe(calls.inFlight);
        calls.rejectAll(() => new Error('lost'));
        expectAll('lost', () => true);
        await new Promise((resolve) => setImmediate(resolve));
        expect(settled).toEqual(expected.map((result) => [result]));
      }),
    );
  });
});
