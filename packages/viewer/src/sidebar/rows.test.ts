import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { info } from '../model/session.fixture.ts';
import { countWaiting, isWaiting, type Section, sectionsOf, stableOrder } from './rows.ts';

type Activity = NonNullable<SessionInfo['activity']>['state'];
const session = (n: number, activity?: Activity, over: Partial<SessionInfo> = {}): SessionInfo =>
  info({
    id: `0199f2aa-0000-7000-8000-00000000000${n}` as SessionInfo['id'],
    name: `s${n}`,
    activity: activity === undefined ? null : { state: activity, since: 0, text: null },
    ...over,
  });
// What the order goes by, and no more.
const talk = (title: string, updatedAt: number, needsApproval = false): ConversationInfo =>
  ({ key: `agent:a:${title}`, title, updatedAt, approvals: needsApproval ? [{}] : [], run: null, queue: [] }) as never;
const names = (sections: readonly Section[]): readonly (readonly string[])[] =>
  sections.map(({ rows }) => rows.map((row) => (row.kind === 'session' ? row.info.name : row.info.title)));

it('what waits stands first: approvals, conversations or sessions, before questions, the newest first among equals', () => {
  const sessions = [
    session(5),
    session(4, 'waiting_input'),
    session(3, 'waiting_approval'),
    session(2, 'idle'),
    session(1, 'waiting_input'),
  ];
  const conversationList = [talk('old', 1), talk('asks', 2, true), talk('new', 3)];
  expect(names(sectionsOf(sessions, conversationList))).toEqual([
    ['asks', 's3', 's4', 's1'],
    ['new', 'old'],
    ['s5', 's2'],
  ]);
  expect(countWaiting(sessions, conversationList)).toBe(4);
});

it('what has ended waits for nobody, whatever it did last', () => {
  expect(isWaiting(session(1, 'waiting_input', { state: 'exited', running: false }))).toBe(false);
});

it('held, nothing moves: who begins to wait stays where it was, what is new comes last, what is gone goes', () => {
  const before = sectionsOf([session(4), session(3), session(2), session(1, 'waiting_input')], []);
  const now = sectionsOf([session(5), session(4, 'working'), session(2, 'waiting_approval'), session(1)], []);
  const shown = stableOrder(before, now);
  expect(names(shown)).toEqual([['s1'], [], ['s4', 's2', 's5']]);
  // As it is now, where it was.
  expect(shown[2]?.rows[0]).toMatchObject({ info: { activity: { state: 'working' } } });
  expect(names(now)).toEqual([['s2'], [], ['s5', 's4', 's1']]);
});
