// Starts a shell, a session with its own command, or a conversation; tracks progress and failure.

import type { Binnacle } from '@binnacle/client';
import type { BinnacleError, CreateSession } from '@binnacle/protocol';
import { useCallback, useRef, useState } from 'react';
import { asFailure } from '../model/failure.ts';
import type { Choice } from '../model/route.ts';
import type { Talks } from '../state/use-conversations.ts';
import { sizeFor } from '../terminal/cell-size.ts';

export interface Box {
  readonly width: number;
  readonly height: number;
}

export interface Begin {
  /** The session that was started here last. */
  readonly fresh: string | undefined;
  readonly starting: boolean;
  readonly error: BinnacleError | undefined;
  readonly forget: () => void;
  /** Starts a session. Throws the gateway's error. */
  readonly session: (wanted: CreateSession) => Promise<void>;
  readonly shell: () => void;
  /** Starts a conversation. Throws the gateway's error. */
  readonly conversation: (agent?: string) => Promise<void>;
  readonly talk: () => void;
}

/** Returns the starters. `box`: returns the future size of a terminal, in pixels. */
export function useBegin(client: Binnacle, talks: Talks, box: () => Box, pick: (choice: Choice) => void): Begin {
  const [fresh, setFresh] = useState<string>();
  const [starting, setStarting] = useState(false);
  const [error, setError] = useState<BinnacleError>();
  const latest = useRef({ talks, box, pick });
  latest.current = { talks, box, pick };

  const session = useCallback(
    async (wanted: CreateSession): Promise<void> => {
      const { width, height } = latest.current.box();
      const made = await client.sessions.create({ ...wanted, ...(sizeFor(width, height) ?? {}) });
      setFresh(made.id);
      latest.current.pick({ kind: 'session', id: made.id });
    },
    [client],
  );
  const conversation = useCallback(
    async (agent?: string): Promise<void> => {
      const info = await client.conversations.create(agent === undefined ? {} : { agent });
      latest.current.talks.add(info);
      latest.current.pick({ kind: 'conversation', key: info.key });
    },
    [client],
  );
  const begin = useCallback((make: () => Promise<void>): void => {
    setStarting(true);
    setError(undefined);
    make()
      .catch((thrown: unknown) => setError(asFailure(thrown)))
      .finally(() => setStarting(false));
  }, []);
  const shell = useCallback(() => begin(() => session({})), [begin, session]);
  const talk = useCallback(() => begin(() => conversation()), [begin, conversation]);
  const forget = useCallback(() => setError(undefined), []);
  return { fresh, starting, error, forget, session, shell, conversation, talk };
}
