// The rules for messages of users: what can be sent, and what can still be changed. Pure.

import { BinnacleError, isRunId, type MessageInfo } from '@binnacle/protocol';

/**
 * Maximum bytes of a message after escaping twice. A message reaches an agent as JSON inside JSON, and that form must
 * fit into one log entry (1 MiB) together with the driver's state; escaping multiplies control characters and
 * backslashes.
 */
const MAX_ESCAPED_BYTES = 700 * 1024;

/** Throws `bad_request`, `message_too_large`. */
export function requireMessage(
  id: string,
  text: string,
  { maxMessageBytes }: { readonly maxMessageBytes: number },
): void {
  if (!isRunId(id)) {
    throw new BinnacleError('bad_request', { message: 'A message id is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-".' });
  }
  if (text.trim() === '') throw new BinnacleError('bad_request', { message: 'The message is empty.' });
  const escaped = Buffer.byteLength(JSON.stringify(JSON.stringify(text)));
  if (Buffer.byteLength(text) > maxMessageBytes || escaped > MAX_ESCAPED_BYTES) {
    const details = { limitBytes: maxMessageBytes, limitEscapedBytes: MAX_ESCAPED_BYTES };
    throw new BinnacleError('message_too_large', { details });
  }
}

/**
 * Returns a message of the queue that can still be changed. An injected message may reach the agent at any moment.
 * Throws `message_delivered`, `message_not_found`.
 */
export function requireWaiting(queue: readonly MessageInfo[], message: MessageInfo): MessageInfo {
  const found = queue.find(({ id }) => id === message.id);
  if (found !== undefined && found.steer !== 'inject') return found;
  if (message.state !== 'cancelled') throw new BinnacleError('message_delivered');
  throw new BinnacleError('message_not_found', { message: 'The message was cancelled.' });
}
