// Secrets that pages send with a WebSocket, which allows them no header: as the second of two subprotocols.

import type { IncomingMessage } from 'node:http';
import { headerValues } from './host-origin.ts';

/** Offered first, so that the answer names this subprotocol and never the secret. */
const FIRST = 'binnacle';

/**
 * Returns the secret that a request offers after `prefix`; undefined for none or several.
 *
 * @example
 * // Sec-WebSocket-Protocol: binnacle, binnacle.key.bn_…
 * offeredSecret(request, 'binnacle.key.'); // 'bn_…'
 */
export function offeredSecret(request: IncomingMessage, prefix: string): string | undefined {
  const offered = headerValues(request, 'sec-websocket-protocol')
    .flatMap((header) => header.split(','))
    .map((protocol) => protocol.trim());
  const [first, ...others] = offered;
  const found = others.filter((protocol) => protocol.startsWith(prefix));
  return first === FIRST && found.length === 1 ? found[0]?.slice(prefix.length) : undefined;
}
