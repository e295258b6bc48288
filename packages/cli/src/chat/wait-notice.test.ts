import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WaitNotice } from './single-message.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a command that waits', () => {
  it('says so after ten seconds, then each minute, and counts from what it heard last', () => {
    const notices: string[] = [];
    const waiting = new WaitNotice((text) => void notices.push(text));
    vi.advanceTimersByTime(9_000);
    waiting.heard('still waits for the answer');
    vi.advanceTimersByTime(9_999);
    expect(notices).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(notices).toEqual(['still waits for the answer, nothing new for 10 s']);
    vi.advanceTimersByTime(120_000);
    expect(notices.slice(1)).toEqual([
      'still waits for the answer, nothing new for 1 min',
      'still waits for the answer, nothing new for 2 min',
    ]);
    waiting.heard('still waits for approval');
    vi.advanceTimersByTime(10_000);
    expect(notices).toHaveLength(4);
    expect(notices.at(-1)).toBe('still waits for approval, nothing new for 10 s');
  });

  it('is silent once it has ended', () => {
    const notices: string[] = [];
    new WaitNotice((text) => void notices.push(text)).end();
    vi.advanceTimersByTime(600_000);
    expect(notices).toEqual([]);
  });
});
