import type { SessionInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { foreign, info } from '../model/session.fixture.ts';
import { filtered, isFiltering, NO_FILTER, narrowings, type SessionFilter } from './filter.ts';

const session = (name: string, over: Partial<SessionInfo> = {}): SessionInfo =>
  info({ name, argv: ['/bin/bash', '-c', 'make all'], ...over });
const all = [
  session('shell', { labels: { repo: 'binnacle', mine: 'a=b' } }),
  session('old shell', { state: 'closed', running: false }),
  session('tests', { ...foreign('ci', { repo: 'binnacle' }), argv: ['npm test'] }),
  session('lost one', { ...foreign('mcp_core', { repo: 'other', task: '7' }), argv: ['npm run x'], state: 'lost' }),
];
const names = (part: Partial<SessionFilter>): string[] =>
  filtered(all, { ...NO_FILTER, ...part }).map(({ name }) => name);

it('shows all where nothing is asked', () => {
  expect(filtered(all, NO_FILTER)).toBe(all);
  expect(isFiltering(NO_FILTER)).toBe(false);
  expect(isFiltering({ ...NO_FILTER, text: '  ' })).toBe(false);
});

it('tells here from elsewhere, running from ended, and one source and label from another', () => {
  expect(names({ where: 'here' })).toEqual(['shell', 'old shell']);
  expect(names({ where: 'elsewhere' })).toEqual(['tests', 'lost one']);
  expect(names({ state: 'running' })).toEqual(['shell', 'tests']);
  expect(names({ state: 'ended' })).toEqual(['old shell', 'lost one']);
  expect(names({ source: 'ci' })).toEqual(['tests']);
  expect(names({ label: 'repo=other' })).toEqual(['lost one']);
  expect(names({ label: 'repo=binnacle' })).toEqual(['shell', 'tests']);
  expect(names({ where: 'here', label: 'mine=a=b' })).toEqual(['shell']);
  expect(names({ where: 'here', label: 'repo=other' })).toEqual([]);
  expect(narrowings({ ...NO_FILTER, where: 'here', label: 'a=b' })).toBe(2);
});

it('finds words in the name, the command and the name that the emitter gave, whatever the case', () => {
  expect(names({ text: 'SHELL' })).toEqual(['shell', 'old shell']);
  expect(names({ text: 'npm' })).toEqual(['tests', 'lost one']);
  expect(names({ text: 'all make' })).toEqual(['shell', 'old shell']);
  expect(names({ text: 'mcp_core-session' })).toEqual(['lost one']);
  expect(names({ text: 'npm nowhere' })).toEqual([]);
});
