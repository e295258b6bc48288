import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { expect, it } from 'vitest';
import { info } from '../model/session.fixture.ts';
import { isNews, newsAt } from './last-seen.ts';
import type { Row } from './rows.ts';

const session = (over: Partial<SessionInfo>): Row => ({ kind: 'session', key: 'session:1', info: info(over) });
const talk = (over: object): Row => ({
  kind: 'conversation',
  key: 'conversation:1',
  info: { updatedAt: 50, approvals: [], run: null, queue: [], ...over } as unknown as ConversationInfo,
});
const activityOf = (state: 'waiting_input' | 'working' | 'idle') => ({ activity: { state, since: 50, text: null } });

it('it is news that a session began to wait or ended, and not that it works or rests', () => {
  expect(newsAt(session(activityOf('waiting_input')))).toBe(50);
  expect(newsAt(session({ ...activityOf('idle'), state: 'exited', running: false, exitedAt: 60 }))).toBe(60);
  expect(newsAt(session(activityOf('working')))).toBeUndefined();
  expect(newsAt(session(activityOf('idle')))).toBeUndefined();
  expect(newsAt(session({}))).toBeUndefined();
});

it('it is news that a conversation was answered or asks, and not each word that is said in between', () => {
  expect(newsAt(talk({}))).toBe(50);
  expect(newsAt(talk({ run: {}, approvals: [{}] }))).toBe(50);
  expect(newsAt(talk({ run: {} }))).toBeUndefined();
});

it('what was before the first visit, or before the last look, is none', () => {
  const row = session(activityOf('waiting_input'));
  expect(isNews(row, { begun: 0, at: {} })).toBe(true);
  expect(isNews(row, { begun: 50, at: {} })).toBe(false);
  expect(isNews(row, { begun: 0, at: { 'session:1': 50 } })).toBe(false);
  expect(isNews(row, { begun: 0, at: { 'session:1': 49, 'session:2': 99 } })).toBe(true);
  expect(isNews(session(activityOf('working')), { begun: 0, at: {} })).toBe(false);
});
