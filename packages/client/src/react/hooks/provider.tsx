// The client that the hooks use, and the stores that they share. Whoever made the client closes it.

import { BinnacleError } from '@binnacle/protocol';
import { createContext, type ReactNode, useContext, useState } from 'react';
import type { Binnacle } from '../../client.ts';
import type { ConversationStore } from '../stores/conversation.ts';
import type { ConversationListStore } from '../stores/conversations.ts';
import type { NoticeListStore } from '../stores/notices.ts';
import type { SessionStore } from '../stores/session.ts';
import type { SessionListStore } from '../stores/sessions.ts';
import { Pool } from '../stores/store.ts';
import type { TrafficStore } from '../stores/traffic.ts';

/** The stores that the components below one provider share. */
export class SharedStores {
  readonly client: Binnacle;
  readonly sessions = new Pool<SessionStore>();
  readonly lists = new Pool<SessionListStore>();
  readonly conversationLists = new Pool<ConversationListStore>();
  readonly notices = new Pool<NoticeListStore>();
  readonly conversations = new Pool<ConversationStore>();
  readonly traffic = new Pool<TrafficStore>();

  constructor(client: Binnacle) {
    this.client = client;
  }
}

const SharedContext = createContext<SharedStores | undefined>(undefined);

/** Properties of `BinnacleProvider`. */
export interface BinnacleProviderProps {
  /**
   * A client that is made once, outside of components. A second provider of the same client shares the stores of the
   * first.
   */
  readonly client: Binnacle;
  /** Components that use the hooks. */
  readonly children?: ReactNode;
}

/**
 * Provides a client to the hooks and components below it.
 *
 * @example
 * ```tsx
 * import { connect } from '@binnacle/client';
 * import { BinnacleProvider, SessionTerminal } from '@binnacle/client/react';
 *
 * const client = connect({ url: location.origin });
 *
 * export const Page = ({ id }: { id: string }) => (
 *   <BinnacleProvider client={client}>
 *     <SessionTerminal id={id} style={{ height: 400 }} />
 *   </BinnacleProvider>
 * );
 * ```
 */
export function BinnacleProvider({ client, children }: BinnacleProviderProps) {
  const above = useContext(SharedContext);
  const [own, setOwn] = useState(() => new SharedStores(client));
  // State and not a memo: React may forget a memo, and then a session would be followed twice.
  const shared = above?.client === client ? above : own.client === client ? own : new SharedStores(client);
  if (shared !== own && shared !== above) setOwn(shared);
  return <SharedContext.Provider value={shared}>{children}</SharedContext.Provider>;
}

export function useShared(): SharedStores {
  const shared = useContext(SharedContext);
  if (shared === undefined) {
    throw new BinnacleError('bad_request', {
      message: 'There is no <BinnacleProvider> above this component.',
      hint: 'Put <BinnacleProvider client={connect({ url })}> around it.',
    });
  }
  return shared;
}

/** Returns the client of the provider. Throws `bad_request` outside of a `BinnacleProvider`. */
export const useBinnacle = (): Binnacle => useShared().client;
