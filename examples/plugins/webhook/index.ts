// A channel over webhooks: signed messages come in by POST, and the answers are posted back, signed the same way.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Inbound, Plugin } from '@binnacle/plugin';

interface Config {
  readonly secret: string;
  readonly replyUrl: string;
}

const SIGNATURE = 'x-signature';
const MAX_TEXT = 50_000;
const MAX_NAME = 200;

const plugin: Plugin<Config> = (api) => {
  const { secret, replyUrl } = api.config;
  const sign = (body: string | Uint8Array): string =>
    `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

  const inlet = api.channel({
    name: 'webhook',
    // The receiver finds duplicates by `id`: a message whose delivery throws is sent again.
    async send({ id, to, conversation, state, text, error }) {
      const body = JSON.stringify({ id, inReplyTo: to, conversation, state, text, error });
      const headers = { 'content-type': 'application/json', [SIGNATURE]: sign(body) };
      const { status } = await api.fetch(replyUrl, { method: 'POST', headers, body });
      if (status < 200 || status > 299) throw new Error(`${replyUrl} answered ${status}.`);
    },
  });

  api.route(
    'POST',
    '/in',
    async ({ headers, body }) => {
      if (!isSame(headers[SIGNATURE] ?? '', sign(body))) return { status: 401, body: { error: 'wrong signature' } };
      const message = readMessage(body);
      if (typeof message === 'string') return { status: 400, body: { error: message } };
      const { conversation, run } = await inlet.receive(message);
      return { status: 202, body: { conversation, run } };
    },
    // Its callers have no token of the gateway; they prove themselves by their signature.
    { public: true },
  );
};

/** Takes as long for a signature that is nearly right as for one that is not at all. */
function isSame(signature: string, expected: string): boolean {
  const [left, right] = [Buffer.from(signature), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The answer is a reason where it can be none. */
function readMessage(body: Uint8Array): Inbound | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return 'no JSON';
  }
  const { id, text, from } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (!isText(text, MAX_TEXT)) return `text: a string of 1 to ${MAX_TEXT} characters`;
  if (!isText(id, MAX_NAME)) return `id: a string of 1 to ${MAX_NAME} characters, of its own for each message`;
  if (!isText(from, MAX_NAME)) return `from: a string of 1 to ${MAX_NAME} characters`;
  // A message that is sent twice has the id of the first, and acts once. The answer names it.
  return { id, text, from, peer: { kind: 'direct', id: from }, replyTo: id };
}

function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= max;
}

export default plugin;
