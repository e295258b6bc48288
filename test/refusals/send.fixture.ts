// Sends exactly what a case says, also what fetch would not: any Host, any length, from any address of this machine.

import { Agent, type IncomingMessage, request } from 'node:http';
import { atEnd } from '../support/teardown.ts';

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer | undefined;
  /** Local address of the sender: failures are counted by it. */
  readonly from?: string;
  readonly isUpgrade?: boolean;
}

/** A refusal, independent of the shape that the address uses. */
export interface Refusal {
  readonly status: number;
  /** Undefined where the answer is none of the shapes of the protocol. */
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly allow: string | undefined;
  readonly challenge: string | undefined;
}

const UPGRADE = {
  ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};
/** Codes of the sandbox daemon and of OAuth that stand for several of ours. */
const OF_OTHERS: Readonly<Record<string, readonly string[]>> = {
  invalid_request: ['bad_request', 'bad_content_type', 'body_too_large', 'method_not_allowed'],
  INVALID_REQUEST_BODY: ['bad_request', 'bad_content_type', 'body_too_large'],
  CONTEXT_NOT_FOUND: ['session_not_found', 'run_not_found', 'not_found'],
  MISSING_QUERY: ['bad_request'],
};

/** Whether an answer has one of our codes, in the words of its address. */
export const isCode = ({ code = '' }: Refusal, wanted: string): boolean =>
  code === wanted || code === wanted.toUpperCase() || OF_OTHERS[code]?.includes(wanted) === true;

/** Sends requests to one gateway over connections that are used again. */
export function sender(url: string): (sent: Sent) => Promise<Refusal> {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  atEnd(() => agent.destroy());
  return ({ method, path, token, headers = {}, body, from, isUpgrade = false }) =>
    new Promise((resolve, reject) => {
      const isLie = Object.hasOwn(headers, 'content-length');
      const outgoing = request({
        ...{ hostname, port, path, method },
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
          ...(isUpgrade ? UPGRADE : {}),
          ...(headers as Record<string, string | string[]>),
        },
        agent: from === undefined && !isLie && !isUpgrade ? agent : false,
        ...(from === undefined ? {} : { localAddress: from }),
        timeout: 10_000,
      });
      const over = (response: IncomingMessage, text: string): void => {
        resolve(refusalOf(response, text));
        if (isLie) outgoing.destroy();
      };
      outgoing.on('response', (response) => {
        // A stream may have no end, and is no refusal.
        if ((response.statusCode ?? 0) < 300) {
          over(response, '');
          outgoing.destroy();
          return;
        }
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => over(response, Buffer.concat(chunks).toString()));
        response.on('error', reject);
      });
      outgoing.on('upgrade', (response, socket) => {
        socket.destroy();
        over(response, '');
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`No answer to ${method} ${path}.`)));
      outgoing.on('error', reject);
      if (isLie) outgoing.flushHeaders();
      else outgoing.end(body);
    });
}

function refusalOf({ statusCode = 0, headers }: IncomingMessage, text: string): Refusal {
  const isJson = headers['content-type']?.startsWith('application/json') === true;
  const json = isJson && text !== '' ? JSON.parse(text) : {};
  // Ours, the sandbox daemon's, or that of OAuth.
  const error = typeof json.error === 'object' ? json.error : json;
  return {
    status: statusCode,
    code: error.code ?? (typeof json.error === 'string' ? json.error : undefined),
    ...{ message: error.message ?? json.error_description ?? '', hint: error.hint ?? '', details: error.details ?? {} },
    ...{ allow: headers.allow, challenge: headers['www-authenticate'] },
  };
}
