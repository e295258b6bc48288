// One request of the protocol, of either era, and its whole answer. Loaded with the first request: it brings the
// protocol's package and its schemas along, which a gateway that no agent uses need not hold.

import { createMcpHandler } from '@modelcontextprotocol/server';
import { makeMcpServer } from './server.ts';
import type { Caller } from './tools.ts';

/** `report`: of failures that are ours. */
export async function answerMcp(
  request: Request,
  caller: Caller,
  report: (error: unknown, tool: string) => void,
): Promise<Response> {
  // Nothing is ever sent but answers: a stream that waits for more would be open for nothing.
  const handler = createMcpHandler(() => makeMcpServer(caller, report), { maxSubscriptions: 0, keepAliveMs: 0 });
  try {
    const response = await handler.fetch(request);
    // Whole, so that a token that was revoked while a call waited gets none of it.
    return new Response(await response.text(), { status: response.status, headers: response.headers });
  } finally {
    await handler.close();
  }
}
