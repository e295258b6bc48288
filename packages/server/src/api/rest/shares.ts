// The REST routes of share links: the owner creates, lists and revokes them; guests preview and redeem them.

import { allows, BinnacleError, type SessionInfo } from '@binnacle/protocol';
import type { Auth } from '../../access/auth.ts';
import type { GuestPolicy } from '../../access/guest-policy.ts';
import type { Principal } from '../../access/principal.ts';
import { MAX_SHARE_TTL_MS, SHARE_TTL_MS } from '../../access/shares.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import type { ShareRecord } from '../../store/shares.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, noContent, PUBLIC_BODY_BYTES, route, z } from '../http/routes.ts';
import { Flag } from '../schemas/fields.ts';

export interface ShareParts {
  readonly auth: Auth;
  readonly access: SessionAccess;
  readonly conversations: Conversations;
  /** Returns the ids of the sessions of a conversation. */
  sessionsOf(conversation: string, limit: number): readonly string[];
  /** Returns true if the guest has the lease of a session. */
  isDriving(guest: string): boolean;
}

/** Maximum sessions of one conversation that a guest sees. */
const MAX_SHOWN = 200;

const Mode = z.enum(['view', 'type']);
const NewShare = z.strictObject({
  session: z.string().max(64).optional(),
  conversation: z.string().max(512).optional(),
  mode: Mode.default('view'),
  expiresInMs: z.number().int().min(1).max(MAX_SHARE_TTL_MS).default(SHARE_TTL_MS),
  uses: z.number().int().min(1).max(1000).nullable().default(null),
  label: z.string().trim().max(100).default(''),
});
const Viewer = z.object({ id: z.string(), name: z.string(), since: z.number(), driving: z.boolean() });
const ShareInfo = z
  .object({
    id: z.string(),
    label: z.string(),
    session: z.string().nullable(),
    conversation: z.string().nullable(),
    mode: Mode,
    state: z.enum(['open', 'used_up', 'expired', 'revoked']),
    uses: z.number().nullable(),
    used: z.number(),
    by: z.string(),
    createdAt: z.number(),
    expiresAt: z.number(),
    revokedAt: z.number().nullable(),
    revokedBy: z.string().nullable(),
    viewers: z.array(Viewer),
  })
  .openapi('Share');
const Deed = z.object({ at: z.number(), what: z.string(), by: z.string(), address: z.string().nullable() });
const Guest = z.object({ id: z.string(), name: z.string(), redeemedAt: z.number() });
const SharedTarget = {
  session: z.string().nullable(),
  conversation: z.string().nullable(),
  mode: Mode,
  label: z.string(),
};
const OfShare = z.object({ id: z.string().max(100) });

export const shareRoutes = (parts: ShareParts): HttpRoute[] => [...ownerRoutes(parts), ...guestRoutes(parts)];

function ownerRoutes(parts: ShareParts): HttpRoute[] {
  const { auth, access, conversations } = parts;
  const { shares } = auth;

  const infoOf = (share: ShareRecord, openGuests = auth.openGuests()): z.output<typeof ShareInfo> => {
    const { id, label, mode, uses, used, by, createdAt, expiresAt, revokedAt, revokedBy } = share;
    const open = [...(openGuests.get(id) ?? [])].sort(([, a], [, b]) => a - b);
    const viewers = open.map(([guest, since]) => {
      const name = shares.guest(guest)?.name ?? 'guest';
      return { id: guest, name, since, driving: parts.isDriving(guest) };
    });
    return {
      ...{ id, label, mode, uses, used, createdAt, expiresAt, revokedAt, revokedBy, viewers },
      ...targetOf(share, conversations),
      state: shares.stateOf(share),
      by: by.name,
    };
  };
  /** Returns a share of the caller. Other users' shares count as not found, except for admins. */
  const own = (id: string, principal: Principal): ShareRecord => {
    const share = shares.get(id);
    if (share.by.user !== principal.user && !allows(principal.scope, 'admin')) {
      throw new BinnacleError('share_not_found');
    }
    return share;
  };

  return [
    route('post', '/v1/shares', 'view', {
      summary: 'Create a link that shows one session or conversation. Its secret is shown only once.',
      description: '`type` takes a token that may give input. The link ends with the token or login that made it.',
      body: NewShare,
      responses: {
        201: { description: 'The share link.', schema: ShareInfo.extend({ secret: z.string(), url: z.string() }) },
      },
      handler: async (context) => {
        const { body, principal, request } = context;
        const { mode, label, expiresInMs, uses } = body;
        const newShare = { mode, label, expiresInMs, uses, ...(await idOf(body, principal)) };
        const { share, secret } = shares.make(request, principal, newShare);
        // The secret is in the fragment, which browsers send to no server.
        const url = `${context.linkBase}/#share=${secret}`;
        return json({ ...infoOf(share), secret, url }, { status: 201 });
      },
    }),
    route('get', '/v1/shares', 'view', {
      summary: "List share links with who is watching: the caller's; for admins all.",
      query: z.strictObject({ over: Flag.optional() }),
      responses: { 200: { description: 'Newest first.', schema: z.object({ shares: z.array(ShareInfo) }) } },
      handler: ({ query, principal }) => {
        const open = auth.openGuests();
        const user = allows(principal.scope, 'admin') ? {} : { user: principal.user };
        return json({
          shares: shares.list({ over: query.over ?? false, ...user }).map((share) => infoOf(share, open)),
        });
      },
    }),
    route('get', '/v1/shares/:id', 'view', {
      summary: 'Show one share link with its guests and its audit.',
      params: OfShare,
      responses: {
        200: {
          description: 'The share link.',
          schema: ShareInfo.extend({ guests: z.array(Guest), audit: z.array(Deed) }),
        },
      },
      handler: ({ params, principal }) => {
        const share = own(params.id, principal);
        const guests = shares.guests(share.id).map(({ id, name, redeemedAt }) => ({ id, name, redeemedAt }));
        return json({ ...infoOf(share), guests, audit: shares.audit(share.id) });
      },
    }),
    route('delete', '/v1/shares/:id', 'view', {
      summary: 'Revoke a share link, and close what its guests have open.',
      params: OfShare,
      responses: { 204: { description: 'The share link is revoked.' } },
      handler: ({ params, principal, request }) => {
        shares.revoke(request, own(params.id, principal), principal);
        return noContent();
      },
    }),
  ];

  /** Resolves the target with the rights of the sharing user. */
  async function idOf(body: z.output<typeof NewShare>, principal: Principal) {
    if ((body.session === undefined) === (body.conversation === undefined)) {
      throw new BinnacleError('bad_request', { message: 'Pass one of session and conversation.' });
    }
    if (body.session !== undefined) {
      return { kind: 'session', target: access.seenBy(principal).get(body.session).id } as const;
    }
    const conversation = await conversations.get(body.conversation ?? '', principal);
    return { kind: 'conversation', target: conversation.record.id } as const;
  }
}

function guestRoutes(parts: ShareParts): HttpRoute[] {
  const { auth, access, conversations } = parts;
  const { shares } = auth;

  /** Throws the error that guests get for a deleted target. */
  const assertThere = (guest: GuestPolicy): void => {
    const who = { user: '', scope: 'view', guest } as const;
    if (guest.target.kind === 'session') access.seenBy(who).get(guest.target.id);
    else if (!conversations.mayAccess(guest.target.id, who)) throw new BinnacleError('conversation_not_found');
  };

  return [
    route('post', '/v1/shares/redeem', 'public', {
      summary: 'Exchange the secret of a share link for a credential of one guest.',
      description: 'With the same `id` again: the same guest, and no further use. `name` is shown to who shares.',
      bodyLimit: PUBLIC_BODY_BYTES,
      body: z.strictObject({
        secret: z.string().max(200),
        name: z.string().max(200).default(''),
        id: z
          .string()
          .regex(/^[A-Za-z0-9_-]{16,64}$/, '16 to 64 of A-Z a-z 0-9 _ -')
          .optional(),
      }),
      responses: {
        201: {
          description: 'Send the credential as Authorization: Bearer.',
          schema: z.object({ credential: z.string(), name: z.string(), expiresAt: z.number(), ...SharedTarget }),
        },
      },
      handler: ({ body, request }) => {
        const share = shares.open(request, body.secret);
        // Checked before the redemption, which would waste a use on a deleted target.
        assertThere(shares.policyOf(share));
        const { guest, credential } = shares.redeem(request, share, body as typeof body & { id: string | undefined });
        const { mode, label, expiresAt } = share;
        return json(
          { credential, name: guest.name, expiresAt, ...targetOf(share, conversations), mode, label },
          { status: 201 },
        );
      },
    }),
    route('post', '/v1/shares/look', 'public', {
      summary: 'Show what the secret of a share link gives access to. This does not count as a use.',
      description: 'A page shows this before it redeems the link.',
      bodyLimit: PUBLIC_BODY_BYTES,
      body: z.strictObject({ secret: z.string().max(200) }),
      responses: {
        200: {
          description: 'The kind of the target, without names.',
          schema: z.object({
            kind: z.enum(['session', 'conversation']),
            mode: Mode,
            label: z.string(),
            expiresAt: z.number(),
            usesLeft: z.number().nullable(),
          }),
        },
      },
      handler: ({ body, request }) => {
        const share = shares.peek(request, body.secret);
        assertThere(shares.policyOf(share));
        const { kind, mode, label, expiresAt, uses, used } = share;
        return json({ kind, mode, label, expiresAt, usesLeft: uses === null ? null : uses - used });
      },
    }),
    route('get', '/v1/shared', 'view', {
      summary: 'Show what the share link of the caller gives access to.',
      responses: {
        200: {
          description: 'The session, or the conversation and its sessions.',
          schema: z.object({
            ...SharedTarget,
            expiresAt: z.number(),
            sessions: z.array(z.looseObject({ id: z.string() })),
          }),
        },
      },
      handler: async ({ principal }) => {
        const { guest } = principal;
        // Only guests have a shared target.
        if (guest === null) throw new BinnacleError('not_found');
        const share = shares.get(guest.share);
        const { mode, label, expiresAt } = share;
        return json({
          ...targetOf(share, conversations),
          mode,
          label,
          expiresAt,
          sessions: await sessionsOf(principal, guest),
        });
      },
    }),
  ];

  async function sessionsOf(principal: Principal, { target }: GuestPolicy): Promise<readonly SessionInfo[]> {
    const seen = access.seenBy(principal);
    if (target.kind === 'session') return [await seen.info(target.id)];
    const ids = parts.sessionsOf(target.id, MAX_SHOWN).filter((id) => seen.has(id));
    return await Promise.all(ids.map((id) => seen.info(id)));
  }
}

const targetOf = ({ kind, target }: Pick<ShareRecord, 'kind' | 'target'>, conversations: Conversations) => ({
  session: kind === 'session' ? target : null,
  // The current key of the conversation, or the id of a deleted one.
  conversation: kind === 'conversation' ? (conversations.keyOf(target) ?? target) : null,
});
