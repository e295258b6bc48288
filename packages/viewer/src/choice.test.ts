import type { ConversationKey } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { addressOf, type Choice, choiceIn, isSameChoice } from './choice.ts';

const session: Choice = { kind: 'session', id: '0199f2aa-0000-7000-8000-000000000001' };
const odd: Choice = { kind: 'conversation', key: 'agent:main:user:a/b#c %ü' as ConversationKey };

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
