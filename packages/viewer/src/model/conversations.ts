// Text about a conversation: what it is doing, its mark and its title. Pure.

import type { ConversationInfo } from '@binnacle/protocol';
import { oneLine } from './format.ts';

/** What a conversation is doing; what wants somebody comes first. */
export type Doing = 'asking' | 'working' | 'waiting' | 'idle';

/** What of a conversation says what it is doing; a run by its id is as good as the whole of it. */
export interface Busyness {
  readonly run: unknown;
  readonly queue: readonly unknown[];
  readonly approvals: readonly unknown[];
}

export function doing(info: Busyness): Doing {
  if (info.approvals.length > 0) return 'asking';
  if (info.run !== null) return 'working';
  return info.queue.length > 0 ? 'waiting' : 'idle';
}

const DOING_WORDS: Readonly<Record<Doing, string>> = {
  asking: 'waits for approval',
  working: 'working',
  waiting: 'about to begin',
  idle: 'idle',
};

export const doingWord = (info: Busyness): string =>
  doing(info) === 'working' && isSilentForLong(info.run) ? 'says nothing' : DOING_WORDS[doing(info)];

const isSilentForLong = (run: unknown): boolean =>
  isRecord(run) && isRecord(run.silence) && run.silence.isLong === true;

/** Class of the dot, as sessions have it. */
export const doingMark = (info: Busyness): string =>
  ({ asking: 'waits', working: 'running', waiting: 'starting', idle: 'idle' })[doing(info)];

export const conversationTitle = (info: ConversationInfo): string => oneLine(info.title) || 'New conversation';

const RANK: Readonly<Record<Doing, number>> = { asking: 0, working: 1, waiting: 1, idle: 2 };

/** What wants somebody first, then what works, then the rest; the latest first among equals. */
export const byUrgency = (a: ConversationInfo, b: ConversationInfo): number =>
  RANK[doing(a)] - RANK[doing(b)] || b.updatedAt - a.updatedAt || (a.key < b.key ? -1 : 1);

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
