import type { PluginPermission } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { both, standingOf, valueWords } from './plugin-words.ts';

it('a grant is what was granted before and what is asked for, each once', () => {
  const [git, rg] = [{ commands: ['git'] }, { commands: ['rg', 'git'] }];
  expect(both(false, git)).toEqual(git);
  expect(both(git, false)).toEqual(git);
  expect(both(git, rg)).toEqual({ commands: ['git', 'rg'] });
  expect(both(git, true)).toBe(true);
  expect(both(true, git)).toBe(true);
  expect(both({ keys: ['a'] }, git)).toEqual({ keys: ['a'], commands: ['git'] });
});

it('a value is told in words that nothing in it can turn around', () => {
  expect(valueWords(true)).toBe('everything');
  expect(valueWords(false)).toBe('nothing');
  expect(valueWords({ hosts: ['a.example', 'b\u202e\n'] })).toBe('hosts: a.example, b');
  expect(valueWords({ hosts: [] })).toBe('hosts: none');
});

it('a permission stands where what is asked and what is granted put it', () => {
  const permission = (asked: boolean, granted: boolean, missing: boolean | { commands: string[] }) =>
    standingOf({ asked, granted, missing } as PluginPermission);
  expect(permission(true, true, false)).toBe('granted');
  expect(permission(true, false, true)).toBe('denied');
  expect(permission(true, true, { commands: ['rg'] })).toBe('partly');
  expect(permission(false, true, false)).toBe('unasked');
});
