import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import type { Command } from '../model/command.ts';
import { info } from '../model/session.fixture.ts';
import { MAX_OFFERS, offersFor, score, wordScore } from './palette-match.ts';

const act = { run: (): void => undefined };
const COMMANDS: readonly Command[] = [
  { name: 'New shell', act },
  { name: 'Traffic', act },
  { name: 'Change to light', also: 'theme colours', act },
];
const session = (n: number, over: Partial<SessionInfo> = {}): SessionInfo =>
  info({ id: `0199f2aa-0000-7000-8000-${String(n).padStart(12, '0')}` as SessionInfo['id'], ...over });
const waits = { activity: { state: 'waiting_input', since: 0, text: null } } as const;
const talk = (title: string): ConversationInfo =>
  ({ key: `agent:a:${title}`, agent: 'a', title, updatedAt: 1, approvals: [], run: null, queue: [] }) as never;
const names = (text: string, sessions: readonly SessionInfo[] = [], conversations: readonly ConversationInfo[] = []) =>
  offersFor({ text, sessions, conversations, commands: COMMANDS }).map(({ name }) => name);

it('the beginning of a word fits better than its middle, and that better than letters here and there', () => {
  expect(wordScore('night-00012', '00012')).toBe(3);
  expect(wordScore('night-00012', 'ght')).toBe(2);
  // The first place where it stands need not be the one where a word begins.
  expect(wordScore('retest test', 'test')).toBe(3);
  expect(wordScore('night-00012', 'ngt')).toBe(1);
  expect(wordScore('night-00012', 'tgn')).toBe(0);
  // Two letters are in any long text.
  expect(wordScore('night-00012', 'n1')).toBe(0);
});

it('each word must fit; the name weighs more than secondary text, where scattered letters count nothing', () => {
  expect(score('night-00012', '', ['ngt', '12'])).toBeGreaterThan(0);
  expect(score('night-00012', '', ['night', 'day'])).toBe(0);
  expect(score('tests', 'npm run watch', ['tests'])).toBeGreaterThan(score('other', 'npm run tests', ['tests']));
  expect(score('other', 'npm run watch', ['nwa'])).toBe(0);
  expect(score('shell', '', ['shell'])).toBeGreaterThan(score('new shell', '', ['shell']));
});

it('without words the waiting rows come first, then commands, then the rest', () => {
  const sessions = [
    session(3, { name: 'newest' }),
    session(2, { name: 'asks', ...waits }),
    session(1, { name: 'old' }),
  ];
  expect(names('', sessions, [talk('a talk')])).toEqual([
    'asks',
    'New shell',
    'Traffic',
    'Change to light',
    'a talk',
    'newest',
    'old',
  ]);
});

it('with words the best offer comes first, and the search of all output comes last', () => {
  const sessions = [session(2, { name: 'my-traffic-light' }), session(1, { name: 'traffic' })];
  expect(names('Traffic', sessions)).toEqual([
    'Traffic',
    'traffic',
    'my-traffic-light',
    'Search all output for “Traffic”',
  ]);
  expect(names('theme')).toEqual(['Change to light', 'Search all output for “theme”']);
  expect(names('  nothing like it ')).toEqual(['Search all output for “nothing like it”']);
  const [last] = offersFor({ text: ' nothing ', sessions: [], conversations: [], commands: [] });
  expect(last?.act).toEqual({ to: { kind: 'search', q: 'nothing' } });
});

it('the number of offers is bounded, including the search of all output', () => {
  const many = Array.from({ length: 100 }, (_, n) => session(n, { name: `night-${n}` }));
  expect(names('', many)).toHaveLength(MAX_OFFERS);
  const found = names('night', many);
  expect(found).toHaveLength(MAX_OFFERS);
  expect(found.at(-1)).toContain('Search all output');
});

it('names of programs cannot change the direction of the text around them', () => {
  const [offer] = names('evil', [session(1, { name: 'evil\u202egnp.exe\u0007' })]);
  for (const hidden of ['\u202e', '\u0007']) expect(offer).not.toContain(hidden);
});
