// The beginning of a conversation's page: the last messages as text, and the position from which the last runs are read
// in full.

import {
  type ConversationInfo,
  type ConversationState,
  comparePositions,
  emptyConversation,
  type MessageInfo,
  type MessagePage,
  parsePosition,
  withHistory,
} from '@binnacle/protocol';
import type { Conversation } from './conversation.ts';

/** Number of last answers that open with their tools and thoughts; earlier ones open as text. */
const WHOLE_ANSWERS = 10;

/** The state to begin with, and where to follow on. */
export interface ConversationOpening {
  /** State to reduce with the steps of `subscribe(from)`. */
  readonly state: ConversationState;
  /** Position for `Conversation.subscribe`. */
  readonly from: string;
  /** Position at the time of the call: events behind it are new. */
  readonly until: string;
}

/**
 * Reads the last messages, at most `messages` of them, for a page that opens a conversation. `Conversation.subscribe`
 * shows it in use.
 */
export async function openConversation(conversation: Conversation, messages: number): Promise<ConversationOpening> {
  // The info first: events report everything behind its position, whatever the page contains already.
  const info = await conversation.info();
  const page = await conversation.history({ limit: messages });
  const from = await beginning(conversation, info, page);
  return { state: withHistory(emptyConversation(info, from), withoutInjected(page, info)), from, until: info.position };
}

/** Returns whether a position is at or behind another, or in a later epoch of the log. */
export function hasReached(position: string, until: string): boolean {
  const [a, b] = [parsePosition(position), parsePosition(until)];
  return a.epoch !== b.epoch || comparePositions(a, b) >= 0;
}

/** Returns the position before the first run that is read in full. */
async function beginning(conversation: Conversation, info: ConversationInfo, page: MessagePage): Promise<string> {
  const first = answersIn(page)[0]?.run;
  const now = info.run?.position ?? info.position;
  if (first === undefined || first === null) return now;
  // Without a place in the log (it is not kept any more), what was said is there still.
  const run = await conversation.run(first).catch(() => null);
  // A position of another epoch would lead nowhere.
  return typeof run?.position === 'string' && parsePosition(run.position).epoch === info.epoch ? run.position : now;
}

const answersIn = (page: MessagePage): readonly MessageInfo[] =>
  page.messages.filter(({ role, run }) => role === 'assistant' && run !== null).slice(-WHOLE_ANSWERS);

/** Leaves out messages that were injected into a run which is read in full: its events bring them, in their place. */
function withoutInjected(page: MessagePage, info: ConversationInfo): MessagePage {
  const whole = new Set(answersIn(page).map(({ run }) => run));
  if (info.run !== null) whole.add(info.run.id);
  const isInjected = ({ role, run, id }: MessageInfo): boolean =>
    role === 'user' && run !== null && run !== id && whole.has(run);
  return { ...page, messages: page.messages.filter((message) => !isInjected(message)) };
}
