// Routes that explain routing: where a message would go and why, and the problems in the config file.

import type { Config } from '../../config/config.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';

const Id = z.union([z.string().max(512), z.int()]);
const Peer = z.strictObject({ kind: z.string().max(64), id: Id });
const Name = z.string().max(512);
const DmScope = z.enum(['main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer']);
const GroupScope = z.enum(['main', 'per-group']);
/** Maximum roles: more than any platform gives to one member. */
const MAX_ROLES = 1000;

/** Fields of a message besides its text; `POST /v1/inbound` accepts the same. */
export const RouteQuestion = z.strictObject({
  channel: Name,
  accountId: Name.optional(),
  peer: Peer.optional(),
  parentPeer: Peer.optional(),
  guildId: Id.optional(),
  teamId: Id.optional(),
  roles: z.array(Name).max(MAX_ROLES).optional(),
});

const RouteShape = z
  .object({
    agentId: z.string(),
    channel: z.string(),
    accountId: z.string(),
    dmScope: DmScope,
    groupScope: GroupScope,
    sessionKey: z.string(),
    mainSessionKey: z.string(),
    lastRoutePolicy: z.enum(['main', 'session']),
    matchedBy: z.string(),
  })
  .openapi('Route');

const Explanation = z
  .object({
    route: RouteShape.nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    binding: z.number().nullable(),
    why: z.string(),
    tiers: z.array(
      z.object({
        tier: z.string(),
        outcome: z.enum(['matched', 'no_match', 'not_applicable', 'not_tried']),
        why: z.string(),
        candidates: z.array(
          z.object({ index: z.number(), agentId: z.string().nullable(), matches: z.boolean(), why: z.string() }),
        ),
        more: z.number(),
      }),
    ),
    passedOver: z.object({ otherChannels: z.number(), faulty: z.number() }),
  })
  .openapi('RouteExplanation');

const Problem = z.object({ path: z.string(), line: z.number(), column: z.number(), message: z.string() });

export function routeRoutes(config: Pick<Config, 'path' | 'problems' | 'router'>): HttpRoute[] {
  return [
    route('post', '/v1/routes/explain', 'admin', {
      summary: 'Show where a message would go, and why.',
      description: 'Sends nothing. `route` is null where the message cannot be routed; `error` says why.',
      body: RouteQuestion,
      responses: { 200: { description: 'The route, tier by tier.', schema: Explanation } },
      handler: ({ body }) => json(config.router.explain(routeInputOf(body))),
    }),
    route('get', '/v1/config/problems', 'admin', {
      summary: 'List the problems of the config file.',
      responses: {
        200: {
          description: 'The problems with their lines. Empty if there are none.',
          schema: z.object({ path: z.string(), problems: z.array(Problem) }),
        },
      },
      handler: () => json({ path: config.path, problems: config.problems }),
    }),
  ];
}

/** Converts a request to the router's field names. */
export function routeInputOf(question: z.output<typeof RouteQuestion>) {
  const { roles, ...input } = question;
  return roles === undefined ? input : { ...input, memberRoleIds: roles };
}
