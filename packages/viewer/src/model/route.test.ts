import type { ConversationKey } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { addressOf, type Choice, choiceIn, isSameChoice, rowOf, strayIn } from './route.ts';

const session: Choice = { kind: 'session', id: '0199f2aa-0000-7000-8000-000000000001' };
const odd: Choice = { kind: 'conversation', key: 'agent:main:user:a/b#c %ü' as ConversationKey };

const others: readonly Choice[] = [
  { ...session, at: 12_345_678 },
  { kind: 'search', q: 'a "b c" -d* & #/?=%ü' },
  { kind: 'search', q: '', session: 's@1/2' },
  { kind: 'search', q: 'x', source: 'mcp_core' },
  { kind: 'traffic', ask: {} },
  { kind: 'recordings' },
  { kind: 'plugins' },
  { kind: 'tokens' },
  {
    kind: 'traffic',
    ask: { source: 'ci', label: 'k=v w', command: 'a&b', session: 's', exit: -1, final: true, hours: 24 },
  },
];

it('a place, a search and the traffic come back from their addresses with all that was asked', () => {
  for (const choice of others) expect(choiceIn(addressOf(choice))).toEqual(choice);
});

it('what an address asks beside what there is to ask is left out', () => {
  const { id } = session as { id: string };
  for (const at of ['', '?at=', '?at=-1', '?at=1e9', '?at=x', '?at=9999999999999999', '?x=1'])
    expect(choiceIn(`#/${id}${at}`)).toEqual(session);
  expect(choiceIn('#/traffic?exit=x&hours=-4&hours=0&final=2&colour=red&source=%20')).toEqual({
    kind: 'traffic',
    ask: {},
  });
});

it('lists have a session as one row, wherever it is looked at', () => {
  expect(rowOf({ ...session, at: 5 } as Choice)).toEqual(session);
  expect(rowOf(odd)).toBe(odd);
});

it('a choice comes back from its address, whatever is in the key', () => {
  for (const choice of [session, odd]) {
    expect(choiceIn(addressOf(choice))).toEqual(choice);
    expect(isSameChoice(choice, choiceIn(addressOf(choice)))).toBe(true);
  }
  expect(addressOf(odd)).not.toMatch(/[ #/]\S*[ #]/);
  expect(isSameChoice(session, odd)).toBe(false);
});

it('an address that names nothing is no choice', () => {
  for (const hash of ['', '#', '#/', '#/x', '#/c/', '#/c/main', '#/c/%', '#ticket=x', '#/c/agent:main:\n']) {
    expect(choiceIn(hash)).toBeUndefined();
  }
});

it('an address that names nothing is told from one that asks for nothing', () => {
  for (const hash of ['#/nope', '#/0199f2aa', '#/searches']) expect(strayIn(hash)).toBe('session');
  for (const hash of ['#/c/', '#/c/main', '#/c/%']) expect(strayIn(hash)).toBe('conversation');
  for (const hash of ['', '#', '#/', '#ticket=x', ...[session, odd, ...others].map(addressOf)])
    expect(strayIn(hash)).toBeUndefined();
});
