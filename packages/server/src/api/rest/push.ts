// The routes for push subscriptions, mutes and notification preferences.

import { issuerOf, type Principal } from '../../access/principal.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import type { Notifications } from '../../notifications/notifications.ts';
import type { MutedTarget, MuteStore } from '../../store/mutes.ts';
import type { NotificationSettingsStore } from '../../store/notification-settings.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, noContent, route, z } from '../http/routes.ts';
import { OfConversation } from './conversations.ts';

export interface PushParts {
  readonly notifications: Notifications;
  readonly mutes: MuteStore;
  readonly wishes: NotificationSettingsStore;
  readonly access: SessionAccess;
  readonly conversations: Conversations;
}

const Endpoint = z.string().min(1).max(2048);
const bytes = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9_-]+={0,2}$/, 'base64url')
    .transform((text) => Buffer.from(text, 'base64url'));
/** The format of a browser's `PushSubscription.toJSON`. */
const Subscription = z.object({
  endpoint: Endpoint,
  expirationTime: z.number().nullish(),
  keys: z.object({ p256dh: bytes(100), auth: bytes(40) }),
});
const State = z.object({ publicKey: z.string().nullable(), browsers: z.number(), done: z.boolean() }).openapi('Push');
const Muting = z.object({ sessions: z.array(z.string()), conversations: z.array(z.string()) }).openapi('Mutes');
const OfSession = z.object({ id: z.string().max(64) });

export function pushRoutes({ notifications, mutes, wishes, access, conversations }: PushParts): HttpRoute[] {
  return [
    route('get', '/v1/push', 'view', {
      summary: 'Show the public key that a browser needs for notifications. Null if the operator has turned off push.',
      responses: {
        200: {
          description: 'The key, the number of the caller’s browsers with notifications, and the events.',
          schema: State,
        },
      },
      handler: ({ principal: { user } }) =>
        json({ publicKey: notifications.publicKey ?? null, browsers: notifications.count(user), ...wishes.of(user) }),
    }),
    route('patch', '/v1/push', 'view', {
      summary: 'Set which events notify the caller.',
      body: z.strictObject({
        done: z.boolean().describe('Also when a turn of an agent has ended that the caller began, if it took long.'),
      }),
      responses: { 204: { description: 'The events, which apply to all browsers of this user.' } },
      handler: ({ principal, body }) => {
        wishes.set(principal.user, body);
        return noContent();
      },
    }),
    route('put', '/v1/push/subscription', 'view', {
      // Browsers write the body and may add fields.
      unknownFields: 'ignored',
      summary: 'Notify a browser from now on, as long as this login or token is valid.',
      description:
        'The body is what `PushSubscription.toJSON()` gives. A browser has one; the last one to say so has it.',
      body: Subscription,
      responses: { 204: { description: 'The browser is subscribed.' } },
      handler: async ({ principal, body: { endpoint, keys } }) => {
        await notifications.subscribe({ endpoint, ...keys }, { user: principal.user, issuer: issuerOf(principal) });
        return noContent();
      },
    }),
    route('delete', '/v1/push/subscription', 'view', {
      summary: 'Stop notifying a browser. An unknown browser is not an error.',
      body: z.strictObject({ endpoint: Endpoint }),
      responses: { 204: { description: 'The browser is not subscribed.' } },
      handler: ({ principal, body }) => {
        notifications.unsubscribe(body.endpoint, principal.user);
        return noContent();
      },
    }),
    route('post', '/v1/push/test', 'view', {
      summary: 'Send a test to the browsers of the caller, or to one of them.',
      body: z.strictObject({ endpoint: Endpoint.optional() }),
      responses: {
        200: { description: 'Number of browsers that accepted the test.', schema: z.object({ taken: z.number() }) },
      },
      handler: async ({ principal, body }) => json({ taken: await notifications.test(principal.user, body.endpoint) }),
    }),
    route('get', '/v1/mutes', 'view', {
      summary: 'List what the caller has muted.',
      responses: { 200: { description: 'Ids of sessions and keys of conversations.', schema: Muting } },
      handler: ({ principal }) => {
        const list = mutes.list(principal.user);
        const sessions = list.filter(({ kind, target }) => kind === 'session' && access.seenBy(principal).has(target));
        const keys = list.flatMap(({ kind, target }) =>
          kind === 'conversation' && conversations.mayAccess(target, principal)
            ? (conversations.keyOf(target) ?? [])
            : [],
        );
        return json({ sessions: sessions.map(({ target }) => target), conversations: keys });
      },
    }),
    ...muteRoutes({
      mutes,
      kind: 'session',
      path: '/v1/sessions/:id/mute',
      params: OfSession,
      targetOf: ({ id }, who) => access.seenBy(who).get(id).id,
    }),
    ...muteRoutes({
      mutes,
      kind: 'conversation',
      path: '/v1/conversations/:key/mute',
      params: OfConversation,
      targetOf: async ({ key }, who) => (await conversations.get(key, who)).record.id,
    }),
  ];
}

interface MuteRouteParts<Params> {
  readonly mutes: MuteStore;
  readonly kind: MutedTarget['kind'];
  readonly path: string;
  readonly params: z.ZodType<Params>;
  /** Throws if the caller may not see the target. */
  targetOf(params: Params, who: Principal): string | Promise<string>;
}

function muteRoutes<Params>({ mutes, kind, path, params, targetOf }: MuteRouteParts<Params>): HttpRoute[] {
  const muteRoute = (method: 'put' | 'delete', summary: string, description: string): HttpRoute =>
    route(method, path, 'view', {
      ...{ summary, params },
      responses: { 204: { description } },
      handler: async ({ principal, params: pathParams }) => {
        const muted = { kind, target: await targetOf(pathParams, principal) };
        if (method === 'put') mutes.put(principal.user, muted);
        else mutes.drop(principal.user, muted);
        return noContent();
      },
    });
  return [
    muteRoute('put', `Do not notify the caller of this ${kind}.`, 'Muted, for this user alone.'),
    muteRoute('delete', `Notify the caller of this ${kind} again.`, 'Not muted.'),
  ];
}
