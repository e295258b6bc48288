// The client's connection as React state.

import type { Binnacle, ClientState } from '@binnacle/client';
import { useEffect, useState } from 'react';

/**
 * The connection, with the moment (ms, `performance.now`) at which it is tried again, and why it was lost if we were told.
 * `isLost`: there was one, and there is none now; also while the next one is tried.
 */
export type Link = ClientState & {
  readonly isLost: boolean;
  readonly retryAt: number | undefined;
  readonly reason: string | undefined;
};

const withRetry = (state: ClientState, reason?: string, wasLost = false): Link => ({
  ...state,
  isLost: state.kind === 'waiting' || (state.kind === 'connecting' && wasLost),
  retryAt: state.kind === 'waiting' ? performance.now() + state.retryInMs : undefined,
  reason: state.kind === 'open' ? undefined : reason,
});

export function useLink(client: Binnacle): Link {
  const [link, setLink] = useState(() => withRetry(client.state));
  useEffect(() => {
    setLink(withRetry(client.state));
    let reason: string | undefined;
    const undo = [
      client.on('error', (error) => {
        reason = error.message;
      }),
      client.on('state', (state) => {
        if (state.kind === 'open') reason = undefined;
        // A measured latency repeats the state: the moment of the next try stays what it was.
        setLink((before) =>
          before.kind === 'waiting' && state.kind === 'waiting' && before.retryInMs === state.retryInMs
            ? { ...before, ...state }
            : withRetry(state, reason, before.isLost),
        );
      }),
    ];
    return () => {
      for (const end of undo) end();
    };
  }, [client]);
  return link;
}
