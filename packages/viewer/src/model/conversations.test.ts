import type { ConversationInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { activityOf, byUrgency } from './conversations.ts';

const info = (over: object): ConversationInfo =>
  ({ key: 'agent:main:a', run: null, queue: [], approvals: [], updatedAt: 0, ...over }) as unknown as ConversationInfo;

it('conversations with an open request come first, then running ones, then the latest', () => {
  const approval = info({ key: 'approval', approvals: [{}], run: {}, updatedAt: 1 });
  const working = info({ key: 'working', run: {}, updatedAt: 2 });
  const late = info({ key: 'late', updatedAt: 9 });
  const early = info({ key: 'early', updatedAt: 3 });
  expect([early, late, working, approval].sort(byUrgency)).toEqual([approval, working, late, early]);
  expect([approval, working, late].map(activityOf)).toEqual(['approval', 'working', 'idle']);
});
