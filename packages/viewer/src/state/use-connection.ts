// The client's connection as React state.

import type { Binnacle, ClientState } from '@binnacle/client';
import { useEffect, useState } from 'react';

/**
 * The connection, with the moment of the next retry (ms, `performance.now`) and the reason of the loss, if known.
 * `isLost`: an earlier connection is gone; stays true during retries.
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
        // A new latency measurement repeats the state: the moment of the next retry stays.
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
