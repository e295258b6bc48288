// The Model Context Protocol over streamable HTTP, of both eras, without a session: each POST is complete in itself.
// Knows requests and answers; what the tools do is behind them.

import { BinnacleError } from '@binnacle/protocol';
import { AtOnce } from '../at-once.ts';
import type { Commands } from '../connection/execd/commands.ts';
import type { Liveness } from '../connection/liveness.ts';
import type { SessionAccess } from '../connection/session-access.ts';
import type { Log } from '../http/answer.ts';
import { type Route, type RouteContext, route, z } from '../http/routes.ts';
import type { SessionScreens } from '../screen/session-screens.ts';
import type { Turns } from '../turns.ts';
import type { ToolGuard, ToolSource } from './tool-guard.ts';
import type { Caller } from './tools.ts';

/** What the protocol reads besides the body. */
const HEADERS = ['accept', 'content-type', 'mcp-method', 'mcp-name', 'mcp-protocol-version'] as const;
/** Where an agent on this machine works: our stdio bridge tells, percent-encoded. */
const CWD_HEADER = 'binnacle-cwd';

const Headers = z.object({
  ...Object.fromEntries(HEADERS.map((name) => [name, z.string().max(2000).optional()])),
  [CWD_HEADER]: z.string().max(12_000).optional(),
});

export interface McpParts {
  readonly access: SessionAccess;
  readonly commands: Commands;
  readonly liveness: Liveness;
  readonly log: Log;
  /** Calls of one token that wait at once. */
  readonly maxCalls: number;
  readonly screens: SessionScreens;
  readonly turns: Turns;
  readonly guard: ToolGuard;
  /** Tools besides our own. */
  readonly others: ToolSource;
}

export function mcpRoutes({ access, log, maxCalls, ...used }: McpParts): Route[] {
  const calls = new AtOnce(maxCalls, (limit) => new BinnacleError('too_many_calls', { details: { limit } }));
  const report = (error: unknown, tool: string): void => log.error({ err: error, tool }, 'a tool of MCP failed');
  return [
    route({
      method: 'post',
      path: '/mcp',
      unknownFields: 'ignored',
      scope: 'view',
      summary: 'Model Context Protocol: one JSON-RPC message (streamable HTTP, stateless).',
      description:
        'Background shells for agents. Each tool says which scope it needs. GET and DELETE are not answered.',
      headers: Headers,
      body: 'bytes',
      responses: {
        200: { description: 'The answer: JSON, or an event stream with one event for older clients.' },
        202: { description: 'A notification was taken.' },
      },
      handler: async ({ body, headers, principal, host, linkBase, signal }) => {
        const caller: Caller = {
          principal,
          seen: access.seenBy(principal),
          base: linkBase,
          cwd: decoded(headers[CWD_HEADER]),
          signal,
          calls,
          ...used,
        };
        const { answerMcp } = await import('./exchange.ts');
        return await answerMcp(requestOf(host, headers, body, signal), caller, report);
      },
    }),
  ];
}

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

function decoded(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not ours: as if it had not come.
    return undefined;
  }
}
