// Reads the body of a request, up to a limit.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { headerValues } from '../../access/host-origin.ts';
import { isDeeperThan, MAX_JSON_DEPTH } from '../../base/json-depth.ts';

/** Reads the whole body. Throws `body_too_large` as soon as the size is known to exceed `limit` bytes. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  // Compressed bodies are refused: inflation would need its own limit, and no client sends them.
  const encoding = headerValues(request, 'content-encoding').join();
  if (encoding !== '' && encoding.toLowerCase() !== 'identity') {
    throw new BinnacleError('bad_content_type', {
      message: 'Compressed bodies are not accepted.',
      hint: 'Send the body without Content-Encoding.',
    });
  }
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  return await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limit) done(() => reject(tooLarge(limit)));
      else chunks.push(chunk);
    };
    const onEnd = (): void => done(() => resolve(Buffer.concat(chunks, size)));
    const onClose = (): void =>
      done(() => reject(new BinnacleError('bad_request', { message: 'The body is incomplete.' })));
    // Without a `data` listener the stream still flows and discards the rest, as it should after a refused body.
    const done = (settle: () => void): void => {
      request.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose);
      settle();
    };
    request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose);
  });
}

/** Parses the body as JSON; `{}` for an empty body. Throws `bad_content_type`, `body_too_large`, `bad_request`. */
export async function readJsonBody(request: IncomingMessage, limit: number): Promise<unknown> {
  const bytes = await readBody(request, limit);
  if (bytes.length === 0) return {};
  const [type, ...more] = headerValues(request, 'content-type');
  if (more.length > 0 || type === undefined || !/^application\/json *(;|$)/i.test(type)) {
    throw new BinnacleError('bad_content_type');
  }
  if (isDeeperThan(bytes, MAX_JSON_DEPTH)) {
    throw new BinnacleError('bad_request', {
      message: `The body is nested deeper than ${MAX_JSON_DEPTH} levels.`,
      details: { limit: MAX_JSON_DEPTH },
    });
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BinnacleError('bad_request', {
      message: 'The body is not JSON in UTF-8.',
      hint: 'Check the quotes and the encoding of the body.',
      cause: error,
    });
  }
}

const tooLarge = (limit: number): BinnacleError =>
  new BinnacleError('body_too_large', {
    message: `The body is larger than ${limit} bytes.`,
    details: { limitBytes: limit },
  });
