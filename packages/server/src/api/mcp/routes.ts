// The Model Context Protocol over streamable HTTP, in both eras. Stateless: each POST is complete in itself.
// exchange.ts executes the requests.

import { BinnacleError } from '@binnacle/protocol';
import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import type { FairScheduler } from '../../base/fair-scheduler.ts';
import { parseShallowJson } from '../../base/json-depth.ts';
import type { Log } from '../../base/logger.ts';
import type { SessionScreens } from '../../screen/session-screens.ts';
import type { TimedSessions } from '../../sessions/timed-sessions.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, noContent, type RouteContext, route, TAKEN_OVER, z } from '../http/routes.ts';
import { EventStream } from '../stream/event-stream.ts';
import type { Liveness } from '../stream/liveness.ts';
import { McpConnections } from './connections.ts';
import type { ToolGuard, ToolSource } from './tool-guard.ts';
import type { Caller } from './tools.ts';

/** Headers that the protocol reads. */
const HEADERS = ['accept', 'content-type', 'mcp-method', 'mcp-name', 'mcp-protocol-version'] as const;
/** Header of clients with a handshake: names the state between their requests. */
const SESSION_HEADER = 'mcp-session-id';
/** Working directory of a local agent, percent-encoded; the stdio bridge sends this header. */
const CWD_HEADER = 'binnacle-cwd';

const Headers = z.object({
  ...Object.fromEntries(HEADERS.map((name) => [name, z.string().max(2000).optional()])),
  [SESSION_HEADER]: z.string().max(200).optional(),
  [CWD_HEADER]: z.string().max(12_000).optional(),
});

export interface McpParts {
  readonly access: SessionAccess;
  readonly commands: TimedSessions;
  readonly liveness: Liveness;
  readonly log: Log;
  /** Maximum concurrent waiting calls per token. */
  readonly maxCalls: number;
  /** Maximum resources followed per token. */
  readonly maxSubscriptions: number;
  /** Returns the part of the WWW-Authenticate header that tells how to log in. */
  readonly challenge: (base: string) => string;
  /** Calls the listener with the id of each revoked principal. */
  onRevoke(listener: (principalId: string) => void): void;
  readonly screens: SessionScreens;
  readonly scheduler: FairScheduler;
  readonly guard: ToolGuard;
  /** Tools of plugins. */
  readonly others: ToolSource;
}

const SessionHeaders = z.object({ [SESSION_HEADER]: z.string().max(200).optional() });

export function mcpRoutes({
  access,
  log,
  maxCalls,
  maxSubscriptions,
  onRevoke,
  challenge,
  ...used
}: McpParts): HttpRoute[] {
  const connections = new McpConnections(maxSubscriptions);
  onRevoke((principalId) => connections.revoked(principalId));
  const calls = new ConcurrencyLimit({
    limit: maxCalls,
    refusal: (limit) => new BinnacleError('too_many_calls', { details: { limit } }),
  });
  const report = (error: unknown, tool: string): void => log.error({ err: error, tool }, 'a tool of MCP failed');
  return [
    route('post', '/mcp', 'view', {
      unknownFields: 'ignored',
      challenge,
      summary: 'Model Context Protocol: one JSON-RPC message (streamable HTTP, stateless).',
      description: 'Background shells for agents. Each tool says which scope it needs.',
      headers: Headers,
      body: 'bytes',
      responses: {
        200: { description: 'The answer: JSON, or an event stream with one event for older clients.' },
        202: { description: 'A notification was taken.' },
      },
      handler: async ({ body, headers, principal, host, linkBase, signal, takeOver }) => {
        const seen = access.seenBy(principal);
        const message = parseBody(body);
        const id = headers[SESSION_HEADER];
        // A 404 makes a client with a handshake start over; a client without an id has no handshake to repeat.
        if (id !== undefined && needsConnection(message)) connections.get(id, { principal, seen });
        const caller: Caller = {
          principal,
          seen,
          connection: () => connections.get(id, { principal, seen }),
          base: linkBase,
          cwd: decodeHeader(headers[CWD_HEADER]),
          signal,
          calls,
          ...used,
        };
        const { answerMcp } = await import('./exchange.ts');
        const request = requestOf(host, headers, body, signal);
        const answer = await answerMcp(request, message, {
          caller,
          report,
          takeOver,
          subscriptionLimit: connections.subscriptionLimit,
        });
        const isOpened = answer !== TAKEN_OVER && answer.status === 200 && methodOf(message) === 'initialize';
        if (!isOpened) return answer;
        return { ...answer, headers: { ...answer.headers, [SESSION_HEADER]: connections.newId(principal) } };
      },
    }),
    route('get', '/mcp', 'view', {
      challenge,
      summary: 'Model Context Protocol: what a client with a handshake is told besides answers.',
      description: 'An event stream for one Mcp-Session-Id: updates of the resources that it has subscribed to.',
      headers: SessionHeaders,
      responses: { 200: { description: 'The stream.', type: 'text/event-stream' } },
      handler: async ({ headers, principal, takeOver }) => {
        const connection = connections.get(requireId(headers[SESSION_HEADER]), {
          principal,
          seen: access.seenBy(principal),
        });
        const stream = new EventStream(takeOver(), used.liveness);
        stream.ping();
        await connection.listen(stream);
        return TAKEN_OVER;
      },
    }),
    route('delete', '/mcp', 'view', {
      challenge,
      summary: 'Model Context Protocol: a client with a handshake follows nothing any more.',
      headers: SessionHeaders,
      responses: { 204: { description: 'Nothing is kept of it.' } },
      handler: ({ headers, principal }) => {
        connections.end(requireId(headers[SESSION_HEADER]), principal);
        return noContent();
      },
    }),
  ];
}

/** Returns the id. Throws `method_not_allowed` for clients without a handshake, which receive only responses. */
function requireId(id: string | undefined): string {
  if (id !== undefined) return id;
  throw new BinnacleError('method_not_allowed', {
    hint: 'Send the Mcp-Session-Id that the answer to initialize brought, or POST.',
    details: { allow: 'POST' },
  });
}

/** Parses the body; undefined for invalid JSON, for which the protocol has its own error. */
function parseBody(body: Buffer): unknown {
  try {
    return parseShallowJson(body);
  } catch {
    return undefined;
  }
}

const methodOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'method' in message ? message.method : undefined;

const needsConnection = (message: unknown): boolean =>
  ['resources/subscribe', 'resources/unsubscribe', 'logging/setLevel'].includes(String(methodOf(message)));

function requestOf(
  host: string,
  headers: z.output<typeof Headers>,
  body: Buffer,
  signal: RouteContext['signal'],
): Request {
  const known = new globalThis.Headers();
  for (const name of HEADERS) {
    const value = (headers as Readonly<Record<string, string | undefined>>)[name];
    if (value !== undefined) known.set(name, value);
  }
  return new Request(`http://${host}/mcp`, { method: 'POST', headers: known, body: Uint8Array.from(body), signal });
}

function decodeHeader(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    // Malformed header: treated as missing.
    return undefined;
  }
}
