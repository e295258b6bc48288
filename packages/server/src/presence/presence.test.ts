import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_NAMED, type PresenceUpdate, Watchers } from './presence.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const somebody = (name: string, isGuest = false) => ({ name, isGuest, maySteer: true });

describe('who follows a session', () => {
  it('gets the watchers at once, then at each change, four times a second at most', () => {
    const all = new Watchers();
    const updates: PresenceUpdate[] = [];
    const ada = all.join('s', somebody('ada'));
    ada.watch((now) => updates.push(now));
    expect(updates).toEqual([{ watchers: [ada.watcher], count: 1, you: ada.watcher.id }]);
    vi.advanceTimersByTime(1000);
    updates.length = 0;
    for (let n = 0; n < 100; n++) {
      all.join('s', somebody(`w${n}`)).leave();
      vi.advanceTimersByTime(10);
    }
    expect(updates.length).toBeGreaterThan(2);
    expect(updates.length).toBeLessThanOrEqual(4);
    vi.advanceTimersByTime(1000);
    expect(updates.at(-1)?.count).toBe(1);
  });

  it('names at most a hundred, oneself among them, and a crowd gets updates less often', () => {
    const all = new Watchers();
    for (let n = 0; n < 2000; n++) all.join('s', somebody(`w${n}`));
    vi.advanceTimersByTime(5000);
    const updates: PresenceUpdate[] = [];
    const last = all.join('s', somebody('last'));
    last.watch((now) => updates.push(now));
    expect(updates[0]).toMatchObject({ count: 2001, you: last.watcher.id });
    expect(updates[0]?.watchers).toHaveLength(MAX_NAMED);
    expect(updates[0]?.watchers).toContain(last.watcher);
    for (let n = 0; n < 100; n++) {
      all.join('s', somebody(`x${n}`));
      vi.advanceTimersByTime(100);
    }
    expect(updates.length).toBeLessThanOrEqual(7);
  });

  it('is shown to guests as a number, and as their own entry', () => {
    const all = new Watchers();
    all.join('s', somebody('ada'));
    const guest = all.join('s', somebody('guest 1', true));
    const updates: PresenceUpdate[] = [];
    guest.watch((now) => updates.push(now));
    expect(updates).toEqual([{ watchers: [guest.watcher], count: 2, you: guest.watcher.id }]);
  });

  it('has an id for each entry, which ends with the entry', () => {
    const all = new Watchers();
    const here = all.join('s', { ...somebody('ada'), connection: 'c' });
    const there = all.join('t', { ...somebody('ada'), connection: 'c' });
    expect(here.watcher.id).not.toBe(there.watcher.id);
    expect(JSON.stringify(here.watcher)).not.toContain('"c"');
    expect(all.find('t', here.watcher.id)).toBeUndefined();
    expect(all.find('s', here.watcher.id)).toBe(here);
    here.leave();
    here.leave();
    expect(all.find('s', here.watcher.id)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(1);
    there.leave();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may ask for the same lease every ten seconds, each for itself', () => {
    const all = new Watchers();
    expect(all.requestAgainIn('s', 'ada')).toBe(0);
    vi.advanceTimersByTime(9000);
    expect(all.requestAgainIn('s', 'ada')).toBe(1000);
    expect(all.requestAgainIn('s', 'bob')).toBe(0);
    expect(all.requestAgainIn('t', 'ada')).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(all.requestAgainIn('s', 'ada')).toBe(0);
  });
});
