import type { PluginPermission } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { extentTexts, grantStatusOf, grantText, isWide } from './format.ts';

it('a value is told in words that nothing in it can turn around', () => {
  expect(grantText(true)).toBe('all of it');
  expect(grantText(false)).toBe('nothing');
  expect(grantText({ hosts: ['a.example', 'b\u202e\n'] })).toBe('the hosts a.example, b');
  expect(grantText({ hosts: [] })).toBe('nothing');
  expect(grantText({ on: ['agentWaits'] })).toBe('the hook agentWaits');
});

it('a permission stands where what is asked and what is granted put it', () => {
  const permission = (requested: boolean, granted: boolean, missing: boolean | { commands: string[] }) =>
    grantStatusOf({ asked: requested, granted, missing } as PluginPermission);
  expect(permission(true, true, false)).toBe('granted');
  expect(permission(true, false, true)).toBe('denied');
  expect(permission(true, true, { commands: ['rg'] })).toBe('partly');
  expect(permission(false, true, false)).toBe('unasked');
});

const permission = (more: Partial<PluginPermission>): PluginPermission => ({
  permission: 'net',
  sentence: 'send requests to the internet',
  asked: true,
  reason: '',
  granted: false,
  key: '',
  missing: true,
  narrowed: false,
  needed: false,
  both: true,
  limits: 'names of hosts',
  ...more,
});

it('what somebody has narrowed is told as such, and is not missing', () => {
  const narrowed = permission({ granted: { hosts: ['127.0.0.1:9000'] }, missing: false, narrowed: true });
  expect(grantStatusOf(narrowed)).toBe('narrowed');
  expect(extentTexts(narrowed)).toEqual(['Asks for it without a limit.', 'Narrowed to the host 127.0.0.1:9000.']);
  expect(isWide(narrowed)).toBe(true);
});

it('how much is asked for, is granted and is not is told once', () => {
  expect(extentTexts(permission({ permission: 'notify', limits: null }))).toEqual([]);
  expect(extentTexts(permission({}))).toEqual(['Asks for it without a limit.']);
  const git = { commands: ['git'] };
  expect(extentTexts(permission({ asked: git, granted: git, missing: false }))).toEqual(['Asks for the program git.']);
  expect(
    extentTexts(permission({ asked: { commands: ['git', 'rg'] }, granted: git, missing: { commands: ['rg'] } })),
  ).toEqual(['Asks for the programs git, rg.', 'Granted for the program git.', 'Not granted for the program rg.']);
  expect(extentTexts(permission({ asked: git, granted: true, missing: false }))).toEqual([
    'Asks for the program git.',
    'Granted without a limit.',
  ]);
  expect(isWide(permission({ asked: git }))).toBe(false);
  expect(isWide(permission({ permission: 'notify', limits: null }))).toBe(false);
});
