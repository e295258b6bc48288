// Which client the hooks below use, and what of it is followed. The client itself is its maker's, to close too.

import { BinnacleError } from '@binnacle/protocol';
import { createContext, type ReactNode, useContext, useState } from 'react';
import type { Binnacle } from '../../client.ts';
import type { ConversationFollow } from '../stores/conversation.ts';
import type { SessionFollow } from '../stores/session.ts';
import type { SessionsFollow } from '../stores/sessions.ts';
import { Pool } from '../stores/store.ts';
import type { TrafficFollow } from '../stores/traffic.ts';

/** What the components below one provider look at together. */
export class Shared {
  readonly client: Binnacle;
  readonly sessions: Pool<SessionFollow>;
  readonly lists: Pool<SessionsFollow>;
  readonly conversations: Pool<ConversationFollow>;
  readonly traffic: Pool<TrafficFollow>;

  constructor(client: Binnacle) {
    this.client = client;
    this.sessions = new Pool();
    this.lists = new Pool();
    this.conversations = new Pool();
    this.traffic = new Pool();
  }
}

const SharedContext = createContext<Shared | undefined>(undefined);

export interface BinnacleProviderProps {
  /** Made once, outside of components. Below a second provider of the same client, the first one's reading is shared. */
  readonly client: Binnacle;
  readonly children?: ReactNode;
}

export function BinnacleProvider({ client, children }: BinnacleProviderProps) {
  const above = useContext(SharedContext);
  const [own, setOwn] = useState(() => new Shared(client));
  // State and not a memo: React may forget a memo, and then a session would be followed twice.
  const shared = above?.client === client ? above : own.client === client ? own : new Shared(client);
  if (shared !== own && shared !== above) setOwn(shared);
  return <SharedContext.Provider value={shared}>{children}</SharedContext.Provider>;
}

export function useShared(): Shared {
  const shared = useContext(SharedContext);
  if (shared === undefined) {
    throw new BinnacleError('bad_request', {
      message: 'There is no <BinnacleProvider> above this component.',
      hint: 'Put <BinnacleProvider client={connect({ url })}> around it.',
    });
  }
  return shared;
}

/** The client, for what no hook does. */
export const useBinnacle = (): Binnacle => useShared().client;
