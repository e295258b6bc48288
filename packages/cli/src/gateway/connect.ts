// The client of a command, and the lookup of the session that a person names.

import { type Binnacle, connect as connectClient, type WebSocketLike } from '@binnacle/client';
import { commandOf, defined, type SessionInfo } from '@binnacle/protocol';
import { WebSocket } from 'ws';
import type { GATEWAY, OptionsOf } from '../declarations/command.ts';
import { formatDuration } from '../input/quantities.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { printable } from '../output/style.ts';
import { findGateway, type GatewayAddress } from './address.ts';
import { httpFetch } from './http-fetch.ts';

/** Creates the client. `requestTimeoutMs`: see ClientOptions. */
export const clientOf = (place: GatewayAddress, requestTimeoutMs?: number): Binnacle =>
  connectClient({
    ...place,
    fetch: httpFetch,
    // The ws package on all versions of Node: Node 20 has no WebSocket, and that of later versions sends no headers.
    makeSocket: (url, headers) => new WebSocket(url, { headers }) as WebSocketLike,
    ...defined({ requestTimeoutMs }),
  });

/** Runs `body` with a client and closes the client afterwards, whatever happens. */
export async function withClient<T>(
  options: OptionsOf<typeof GATEWAY>,
  body: (client: Binnacle) => Promise<T>,
): Promise<T> {
  const client = clientOf(await findGateway(options.data));
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

/**
 * Finds the session by its id, by its name or its emitter's id (of several, the one that still runs), or by a prefix of
 * its id.
 */
export async function findSession(client: Binnacle, idOrName: string): Promise<SessionInfo> {
  return pick(await client.sessions.all(), idOrName);
}

export function pick(sessions: readonly SessionInfo[], idOrName: string): SessionInfo {
  if (idOrName === '') throw usage('The id or name of the session is empty.');
  const exact = sessions.find((session) => session.id === idOrName);
  if (exact !== undefined) return exact;
  const named = sessions.filter(({ name, foreign }) => name === idOrName || foreign?.sessionId === idOrName);
  const running = named.filter((session) => session.running);
  const candidates = [running, named, sessions.filter((session) => session.id.startsWith(idOrName.toLowerCase()))];
  const found = candidates.find((list) => list.length > 0) ?? [];
  const [only, ...others] = found;
  if (only === undefined) {
    throw new Failure(EXIT.noSession, `There is no session "${idOrName}".`, 'List sessions with: binnacle ls');
  }
  if (others.length === 0) return only;
  throw usage(`"${idOrName}" matches ${found.length} sessions.`, `Use the id of one:\n${choices(found)}`);
}

/** Sessions to choose from, a line each: a person knows them by their age and command. */
const choices = (sessions: readonly SessionInfo[]): string =>
  sessions
    .map((session) => {
      const age = formatDuration(Date.now() - session.createdAt);
      return `  ${session.id}  ${session.state}, ${age} old  ${printable(commandOf(session))}`;
    })
    .join('\n');
