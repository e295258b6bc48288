// One conversation for a component: its state, and the actions on it.

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
  type ConversationOptions,
  type ConversationSnapshot,
  ConversationStore,
  NO_CONVERSATION_YET,
} from '../stores/conversation.ts';
import { type SharedStores, useShared } from './provider.tsx';
import { useFollowed } from './use-store.ts';

/** Actions on a conversation. None of them rejects: each resolves with a `Result`. */
export interface ConversationActions {
  /** Sends a message. Resolves when the gateway has stored it; the answer appears among the turns. */
  send(text: string, options?: SendOptions): Promise<Result<SendReceipt>>;
  /** Aborts a run; without an id, the current run and all waiting messages. */
  abort(run?: string): Promise<Result<AbortReceipt>>;
  /** Answers a request for approval with the id of one of its options. */
  answer(approval: string, option: string): Promise<Result<ApprovalAnswer>>;
  /** Changes the text of a waiting message. */
  edit(message: string, text: string): Promise<Result<MessageInfo>>;
  /** Cancels a waiting message. */
  cancel(message: string): Promise<Result<MessageInfo>>;
  /** Loads the turns in front of these. */
  older(): Promise<Result>;
  /** Drops turns in front of the last `maxTurns`, if there are twice as many. For `trimming: 'manual'`. */
  trim(): void;
}

/** Result of `useConversation`. */
export interface UsedConversation extends ConversationSnapshot, ConversationActions {
  /** Key of the conversation. */
  readonly key: string;
}

/**
 * Follows one conversation while the component is mounted. Components with the same key share one subscription, with
 * the options of the first.
 *
 * @example
 * ```tsx
 * import { useConversation } from '@binnacle/client/react';
 *
 * export function Chat({ conversation: key }: { conversation: string }) {
 *   const { turns, run, send } = useConversation(key);
 *   return (
 *     <form action={async (form) => void (await send(String(form.get('text'))))}>
 *       {turns.map((turn, at) => ('text' in turn ? <p key={at}>{turn.text}</p> : null))}
 *       <input name="text" disabled={run !== null} />
 *     </form>
 *   );
 * }
 * ```
 */
export function useConversation(key: string, options: ConversationOptions = {}): UsedConversation {
  const shared = useShared();
  const snapshot = useFollowed(
    shared.conversations,
    key,
    JSON.stringify(options),
    (name, optionsKey) => new ConversationStore(shared.client, name, JSON.parse(optionsKey) as ConversationOptions),
    NO_CONVERSATION_YET,
  );
  const actions = useMemo(() => actionsOf(shared, key), [shared, key]);
  return useMemo(() => ({ key, ...snapshot, ...actions }), [key, snapshot, actions]);
}

function actionsOf(shared: SharedStores, key: string): ConversationActions {
  const follow = (): ConversationStore => {
    const found = shared.conversations.peek(key);
    if (found !== undefined) return found;
    throw new BinnacleError('client_closed', {
      message: 'No component uses this conversation any more.',
      hint: 'Use client.conversation(key) to go on without a component.',
    });
  };
  return {
    send: (text, options) => resultOf(async () => await follow().conversation.send(text, options).receipt),
    abort: (run) => resultOf(async () => await follow().conversation.abort(run)),
    answer: (approval, option) => resultOf(async () => await follow().conversation.answer(approval, option)),
    edit: (message, text) => resultOf(async () => await follow().conversation.edit(message, text)),
    cancel: (message) => resultOf(async () => await follow().conversation.cancel(message)),
    older: () => resultOf(async () => await follow().older()),
    trim: () => shared.conversations.peek(key)?.trim(),
  };
}
