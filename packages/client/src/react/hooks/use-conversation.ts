// One conversation for a component: what is said in it, and what one can say.

import {
  type AbortReceipt,
  type ApprovalAnswer,
  BinnacleError,
  type MessageInfo,
  type SendReceipt,
} from '@binnacle/protocol';
import { useMemo } from 'react';
import type { SendOptions } from '../../conversation/reply.ts';
import { type Result, resultOf } from '../result.ts';
import {
  ConversationFollow,
  type ConversationOptions,
  type ConversationSnapshot,
  NO_CONVERSATION_YET,
} from '../stores/conversation.ts';
import { type Shared, useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** None of these rejects: each tells what came of it. */
export interface ConversationActions {
  /** Resolves when the gateway has it; the answer comes among the turns. */
  send(text: string, options?: SendOptions): Promise<Result<SendReceipt>>;
  /** Ends a run; without an id, what runs and what waits. */
  abort(run?: string): Promise<Result<AbortReceipt>>;
  /** Answers a request for approval with the id of one of its options. */
  answer(approval: string, option: string): Promise<Result<ApprovalAnswer>>;
  /** Of a message that waits. */
  edit(message: string, text: string): Promise<Result<MessageInfo>>;
  /** Takes back a message that waits. */
  cancel(message: string): Promise<Result<MessageInfo>>;
  /** Loads the turns before these. */
  older(): Promise<Result>;
}

export interface UsedConversation extends ConversationSnapshot, ConversationActions {
  readonly key: string;
}

/** The options of those who look at a conversation first count for all who look at it together. */
export function useConversation(key: string, options: ConversationOptions = {}): UsedConversation {
  const shared = useShared();
  const snapshot = useFollowed(
    shared.conversations,
    key,
    JSON.stringify(options),
    (name, asked) => new ConversationFollow(shared.client, name, JSON.parse(asked) as ConversationOptions),
    NO_CONVERSATION_YET,
  );
  const actions = useMemo(() => actionsOf(shared, key), [shared, key]);
  return useMemo(() => ({ key, ...snapshot, ...actions }), [key, snapshot, actions]);
}

function actionsOf(shared: Shared, key: string): ConversationActions {
  const follow = (): ConversationFollow => {
    const found = shared.conversations.peek(key);
    if (found !== undefined) return found;
    throw new BinnacleError('client_closed', {
      message: 'No component looks at this conversation any more.',
      hint: 'Use client.conversation(key) for what goes on without one.',
    });
  };
  return {
    send: (text, options) => resultOf(async () => await follow().conversation.send(text, options).receipt),
    abort: (run) => resultOf(async () => await follow().conversation.abort(run)),
    answer: (approval, option) => resultOf(async () => await follow().conversation.answer(approval, option)),
    edit: (message, text) => resultOf(async () => await follow().conversation.edit(message, text)),
    cancel: (message) => resultOf(async () => await follow().conversation.cancel(message)),
    older: () => resultOf(async () => await follow().older()),
  };
}
