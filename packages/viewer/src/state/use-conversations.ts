// The existing conversations and the available agents, as React state.

import type { Binnacle, ConversationChange } from '@binnacle/client';
import type { AgentInfo, BinnacleError, ConversationInfo } from '@binnacle/protocol';
import { useCallback, useEffect, useState } from 'react';
import { asFailure } from '../model/failure.ts';

export interface ConversationList {
  /** The conversations, unordered. */
  readonly conversations: readonly ConversationInfo[];
  /** Undefined until the agents are known. */
  readonly agents: readonly AgentInfo[] | undefined;
  readonly loading: boolean;
  readonly error: BinnacleError | undefined;
  /** Adds a conversation that was created here, before the gateway reports it. */
  readonly add: (info: ConversationInfo) => void;
}

type ConversationMap = ReadonlyMap<string, ConversationInfo>;

function apply(known: ConversationMap, event: ConversationChange): ConversationMap {
  switch (event.type) {
    case 'list':
      return new Map(event.conversations.map((info) => [info.key, info]));
    case 'conversation':
      return new Map(known).set(event.info.key, event.info);
    case 'deleted': {
      const next = new Map(known);
      next.delete(event.conversation);
      return next;
    }
    default:
      return known;
  }
}

export function useConversations(client: Binnacle): ConversationList {
  const [known, setKnown] = useState<ConversationMap>();
  const [agents, setAgents] = useState<readonly AgentInfo[]>();
  const [error, setError] = useState<BinnacleError>();
  useEffect(() => {
    let isOver = false;
    const watch = client.conversations.watch();
    // The config file may have been reloaded: each list, which also follows a reconnect, queries the agents again.
    const ask = async (): Promise<void> => {
      const found = await client.conversations.agents();
      if (!isOver) setAgents(found);
    };
    const run = async (): Promise<void> => {
      for await (const event of watch) {
        setKnown((before) => apply(before ?? new Map(), event));
        if (event.type === 'list') ask().catch((cause: unknown) => setError(asFailure(cause)));
      }
    };
    run().catch((cause: unknown) => {
      if (!isOver) setError(asFailure(cause));
    });
    return () => {
      isOver = true;
      watch.stop();
    };
  }, [client]);
  const add = useCallback((info: ConversationInfo) => {
    setKnown((before) => (before?.has(info.key) === true ? before : new Map(before).set(info.key, info)));
  }, []);
  return {
    conversations: known === undefined ? NONE : [...known.values()],
    agents,
    loading: known === undefined,
    error,
    add,
  };
}

const NONE: readonly ConversationInfo[] = [];
