import type { Approval } from '@binnacle/protocol';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SetClocks } from '../base/clocks.fixture.ts';
import { Timer } from '../base/timer.ts';
import { TrustedTime } from '../base/trusted-time.ts';
import { Approvals } from './approvals.ts';

const MINUTE = 60_000;
let clocks: SetClocks;
let due: number[];

const approval = (askedAt: number): Approval =>
  ({ id: 'a', title: 't', options: [], askedAt, expiresAt: askedAt + MINUTE }) as unknown as Approval;

/** Handles approvals as a conversation does: checks when the next one times out, then waits again. */
function watch(open: readonly Approval[]): void {
  const approvals = new Approvals(new TrustedTime(clocks), clocks);
  const timer = new Timer();
  const began = clocks.monotonic();
  const wait = (): void => timer.set(approvals.nextInMs(open) ?? Number.NaN, check);
  const check = (): void => {
    if (approvals.due(open).length > 0) due.push(clocks.monotonic() - began);
    else wait();
  };
  wait();
}

function pass(ms: number): void {
  clocks.pass(ms);
  vi.advanceTimersByTime(ms);
}

beforeEach(() => {
  vi.useFakeTimers();
  clocks = new SetClocks();
  due = [];
});
afterEach(() => void vi.useRealTimers());

test('a request has its time, whatever the clock is set to while it waits', () => {
  for (const byMs of [-3600_000, 3600_000, 400 * 86_400_000]) {
    due = [];
    watch([approval(clocks.wall())]);
    clocks.set(byMs);
    pass(MINUTE - 1);
    expect(due).toEqual([]);
    pass(1);
    expect(due).toEqual([MINUTE]);
  }
});

test('one of an earlier gateway has what is left, and no more than it was given', () => {
  watch([approval(clocks.wall() - MINUTE / 2)]);
  pass(MINUTE / 2);
  expect(due).toEqual([MINUTE / 2]);
  // The clock was an hour ahead at the time of the request.
  watch([approval(clocks.wall() + 3600_000)]);
  pass(MINUTE);
  expect(due).toEqual([MINUTE / 2, MINUTE]);
});
