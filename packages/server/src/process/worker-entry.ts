// The entry of a process that the gateway has started beside itself (worker-process.ts): the other end of the channel.

import { setPriority } from 'node:os';
import { invariant } from '@binnacle/protocol';

/** Niceness of this process. Where processors are few, the gateway and people's programs come first. */
const NICE = 5;

/** Hands each message to what `begin` gives. Ends this process with the gateway, however that went. */
export function serveGateway<To, From extends object>(
  begin: (send: (message: From, sent?: () => void) => void) => (message: To) => void,
): void {
  invariant(process.send !== undefined, 'This is the entry of a process that the gateway starts.');
  setPriority(NICE);
  process.on('disconnect', () => process.exit(0));
  // Signals for the gateway's terminal are ignored; the gateway ends this process itself.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => undefined);
  const take = begin((message, sent) => process.send?.(message, undefined, undefined, () => sent?.()));
  process.on('message', (message) => take(message as To));
}
