// The entry of a worker process beside the gateway (worker-process.ts): the other end of the channel.

import { invariant } from '@binnacle/protocol';

/**
 * Passes each message to the function that `begin` returns. Calls `end` with the end of the gateway, however the gateway
 * ended. Default: ends this process.
 */
export function serveGateway<To, From extends object>(
  begin: (send: (message: From, sent?: () => void) => void) => (message: To) => void,
  end: () => void = () => process.exit(0),
): void {
  invariant(process.send !== undefined, 'This is the entry of a process that the gateway starts.');
  process.on('disconnect', end);
  // Signals for the gateway's terminal are ignored; the gateway ends this process itself.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => undefined);
  const take = begin((message, sent) => process.send?.(message, undefined, undefined, () => sent?.()));
  process.on('message', (message) => take(message as To));
}
