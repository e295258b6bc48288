import { BinnacleError } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { killProgram } from './end-session.tsx';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A session whose program ends at this signal, and reports that later. */
function sessionOf(lastSignal: number) {
  const over = new AbortController();
  const signals: string[] = [];
  const signal = async (name: string) => {
    signals.push(name);
    if (signals.length === lastSignal) setTimeout(() => over.abort(), 10);
    return { ok: true, value: undefined } as never;
  };
  return { session: { signal }, signals, ended: over.signal };
}

describe('the program of a session', () => {
  it('is killed in the moment in which the feed says so', async () => {
    const { session, signals, ended } = sessionOf(1);
    const killing = killProgram(session, ended);
    await vi.advanceTimersByTimeAsync(10);
    await killing;
    expect(signals).toEqual(['SIGKILL']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is signalled again while jobs are in front of it', async () => {
    const { session, signals, ended } = sessionOf(3);
    const killing = killProgram(session, ended);
    await vi.advanceTimersByTimeAsync(1410);
    await killing;
    expect(signals).toHaveLength(3);
  });

  it('that goes on is said to go on, and nothing waits any more', async () => {
    const { session, signals, ended } = sessionOf(0);
    const killing = expect(killProgram(session, ended)).rejects.toMatchObject({ message: 'The program still runs.' });
    await vi.advanceTimersByTimeAsync(6 * 700);
    await killing;
    expect(signals).toHaveLength(6);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that had ended before is not an error, and other refusals are', async () => {
    const refusing = (code: 'session_exited' | 'forbidden') => ({
      signal: async () => ({ ok: false, error: new BinnacleError(code) }) as never,
    });
    const { ended } = sessionOf(0);
    await killProgram(refusing('session_exited'), ended);
    await expect(killProgram(refusing('forbidden'), ended)).rejects.toMatchObject({ code: 'forbidden' });
  });
});
