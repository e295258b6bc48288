// Messages for the two targets of the config file: ntfy topics, and webhooks with a signature. Sends nothing.

import { createHash, createHmac } from 'node:crypto';
import type { NtfyTarget, WebhookTarget } from '../config/notification-settings.ts';
import { notificationPath, notificationText } from './format.ts';
import { isTurnEnd, slotOf, type UserWait } from './waits.ts';

export interface TargetMessage {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Throws if the named variable is not set: without the token, the server would refuse with a less clear error. */
export function ntfyMessage(target: NtfyTarget, wait: UserWait, link: string | undefined, env: Env): TargetMessage {
  // ntfy takes JSON at its root, with the topic inside: a title in a header could not be in all languages.
  const url = new URL(target.url);
  const parts = url.pathname.replace(/\/+$/, '').split('/');
  const topic = decodeURIComponent(parts.pop() ?? '');
  url.pathname = parts.join('/') || '/';
  const { title, body } = notificationText(wait, target.details === true);
  const click = link === undefined ? {} : { click: pageOf(link, wait) };
  const isUrgent = wait.state === 'waiting_approval';
  return {
    url,
    headers: {
      'content-type': 'application/json',
      ...(target.tokenEnv === undefined ? {} : { authorization: `Bearer ${secretIn(env, target.tokenEnv)}` }),
    },
    body: Buffer.from(
      JSON.stringify({ topic, title, message: body, priority: isUrgent ? 4 : 3, tags: ['bell'], ...click }),
    ),
  };
}

/** Signs as standardwebhooks.com describes, for which libraries exist in every language. Throws as `ntfyMessage`. */
export function webhookMessage(
  target: WebhookTarget,
  wait: UserWait,
  link: string | undefined,
  env: Env,
  now: number = Date.now(),
): TargetMessage {
  const { kind, key, state, since, mark } = wait;
  const { title, body } = notificationText(wait, target.details === true);
  const url = link === undefined ? {} : { url: pageOf(link, wait) };
  // The same id for each retry, so that a receiver can dedupe.
  const id = `hail_${createHash('sha256')
    .update(`${slotOf(wait)} ${mark}`)
    .digest('base64url')
    .slice(0, 22)}`;
  const data = kind === 'session' ? { session: key } : { conversation: key };
  const text = JSON.stringify({
    type: isTurnEnd(wait) ? 'turn_ended' : 'waiting',
    timestamp: new Date(since).toISOString(),
    data: { ...data, state, since, title, text: body, ...url },
  });
  const at = String(Math.floor(now / 1000));
  const signature =
    target.secretEnv === undefined
      ? {}
      : { 'webhook-signature': `v1,${signed(secretIn(env, target.secretEnv), `${id}.${at}.${text}`)}` };
  return {
    url: new URL(target.url),
    headers: { 'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': at, ...signature },
    body: Buffer.from(text),
  };
}

function signed(secret: string, text: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  return createHmac('sha256', key).update(text).digest('base64');
}

function secretIn(env: Env, name: string): string {
  const secret = env[name];
  if (secret === undefined || secret === '') throw new Error(`The environment variable ${name} is not set.`);
  return secret;
}

const pageOf = (link: string, wait: UserWait): string => `${link.replace(/[#/]*$/, '')}/${notificationPath(wait)}`;
