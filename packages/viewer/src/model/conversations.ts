// Text about a conversation: its state, its mark and its title. Pure.

import type { ConversationInfo } from '@binnacle/protocol';
import { oneLine } from './format.ts';

/** State of a conversation; requests for a person come first. */
export type ConversationActivity = 'approval' | 'working' | 'waiting' | 'idle';

/** The fields that determine the state; the id of a run is as good as the whole run. */
export interface ConversationLoad {
  readonly run: unknown;
  readonly queue: readonly unknown[];
  readonly approvals: readonly unknown[];
}

export function activityOf(info: ConversationLoad): ConversationActivity {
  if (info.approvals.length > 0) return 'approval';
  if (info.run !== null) return 'working';
  return info.queue.length > 0 ? 'waiting' : 'idle';
}

const STATE_LABELS: Readonly<Record<ConversationActivity, string>> = {
  approval: 'wants permission',
  working: 'working',
  waiting: 'about to begin',
  idle: 'idle',
};

export const activityLabel = (info: ConversationLoad): string =>
  activityOf(info) === 'working' && isSilentForLong(info.run) ? 'says nothing' : STATE_LABELS[activityOf(info)];

const isSilentForLong = (run: unknown): boolean =>
  isRecord(run) && isRecord(run.silence) && run.silence.isLong === true;

/** Returns the class of the dot, named as for sessions. */
export const activityMark = (info: ConversationLoad): string =>
  ({ approval: 'waits', working: 'running', waiting: 'starting', idle: 'idle' })[activityOf(info)];

export const conversationTitle = (info: ConversationInfo): string => oneLine(info.title) || 'New conversation';

const RANK: Readonly<Record<ConversationActivity, number>> = { approval: 0, working: 1, waiting: 1, idle: 2 };

/** Orders requests for a person first, then running turns, then the rest; the latest first among equals. */
export const byUrgency = (a: ConversationInfo, b: ConversationInfo): number =>
  RANK[activityOf(a)] - RANK[activityOf(b)] || b.updatedAt - a.updatedAt || (a.key < b.key ? -1 : 1);

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
