import { describe, expect, it } from 'vitest';
import { type KeyStorage, LoginKey } from './login-key.ts';

function storage(): KeyStorage & { readonly all: Map<string, string> } {
  const all = new Map<string, string>();
  return {
    all,
    getItem: (name) => all.get(name) ?? null,
    setItem: (name, value) => void all.set(name, value),
    removeItem: (name) => void all.delete(name),
  };
}

describe('the key of a login', () => {
  it('is stored for one gateway, and another page of the origin has it at once', () => {
    const stored = storage();
    const [one, tab, other] = ['https://x/a', 'https://x/a', 'https://x/b'].map(
      (base) => new LoginKey(base, () => stored),
    );
    expect(one?.set('k')).toBe(true);
    expect([one?.value, tab?.value, other?.value]).toEqual(['k', 'k', undefined]);
    tab?.set(undefined);
    expect([one?.value, stored.all.size]).toEqual([undefined, 0]);
  });

  it('lives as long as the page where storage is blocked or full', () => {
    const blocked = new LoginKey('https://x', () => {
      throw new Error('SecurityError');
    });
    const full = new LoginKey('https://x', () => ({
      ...storage(),
      setItem: () => {
        throw new Error('QuotaExceededError');
      },
    }));
    for (const key of [blocked, full]) {
      expect(key.set('k')).toBe(false);
      expect(key.value).toBe('k');
      key.set(undefined);
      expect(key.value).toBeUndefined();
    }
  });
});
