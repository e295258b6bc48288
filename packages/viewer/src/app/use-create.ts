// Starts a shell, a session with its own command, or a conversation; tracks progress and failure.

import type { Binnacle } from '@binnacle/client';
import type { UsedConversations } from '@binnacle/client/react';
import { type BinnacleError, type CreateSession, defined } from '@binnacle/protocol';
import { useCallback, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import type { Route } from '../model/route.ts';
import { sizeFor } from '../terminal/cell-size.ts';

export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

export interface CreateActions {
  /** The session that was started here last. */
  readonly fresh: string | undefined;
  readonly starting: boolean;
  readonly error: BinnacleError | undefined;
  readonly forget: () => void;
  /** Starts a session. Throws the gateway's error. */
  readonly session: (options: CreateSession) => Promise<void>;
  readonly shell: () => void;
  /** Starts a conversation. Throws the gateway's error. */
  readonly conversation: (agent?: string) => Promise<void>;
  readonly talk: () => void;
}

/** Returns the starters. `box`: returns the future size of a terminal, in pixels. */
export function useCreate(
  client: Binnacle,
  conversationList: UsedConversations,
  box: () => PixelSize,
  pick: (next: Route) => void,
): CreateActions {
  const [fresh, setFresh] = useState<string>();
  const [starting, setStarting] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const latest = useRef({ conversationList, box, pick });
  latest.current = { conversationList, box, pick };

  const session = useCallback(
    async (options: CreateSession): Promise<void> => {
      const { width, height } = latest.current.box();
      const made = await client.sessions.create({ ...options, ...(sizeFor(width, height) ?? {}) });
      setFresh(made.id);
      latest.current.pick({ kind: 'session', id: made.id });
    },
    [client],
  );
  const conversation = useCallback(
    async (agent?: string): Promise<void> => {
      const info = await client.conversations.create(defined({ agent }));
      latest.current.conversationList.add(info);
      latest.current.pick({ kind: 'conversation', key: info.key });
    },
    [client],
  );
  const start = useCallback((make: () => Promise<void>): void => {
    setStarting(true);
    setError(undefined);
    make()
      .catch((cause: unknown) => setError(asFailure(cause)))
      .finally(() => setStarting(false));
  }, []);
  const shell = useCallback(() => start(() => session({})), [start, session]);
  const talk = useCallback(() => start(() => conversation()), [start, conversation]);
  const forget = useCallback(() => setError(undefined), []);
  return { fresh, starting, error, forget, session, shell, conversation, talk };
}
