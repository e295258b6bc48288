// Routes of tokens, login links and logins, and of the gateway's health.

import { BinnacleError, SCOPES } from '@binnacle/protocol';
import type { Auth } from '../../access/auth.ts';
import { type HttpRoute, json, noContent, PUBLIC_BODY_BYTES, route, z } from '../http/routes.ts';

export interface TokenRoutesOptions {
  readonly auth: Auth;
  /** Returns the reason why the gateway cannot serve yet or any more; undefined when it can. */
  readonly notReady?: () => string | undefined;
}

const ScopeName = z.enum([...SCOPES]);
const Name = z.string().trim().min(1).max(100);
/** Lifetime of a token: one second to ten years. A token with a longer life should have no expiry. */
const Ttl = z
  .number()
  .int()
  .min(1000)
  .max(10 * 365 * 24 * 3600_000);

const TokenInfo = z
  .object({
    id: z.string(),
    name: z.string(),
    scope: ScopeName,
    user: z.string(),
    kind: z.enum(['token', 'cookie']),
    createdAt: z.number(),
    expiresAt: z.number().nullable(),
    lastUsed: z.number().nullable(),
    madeBy: z.object({ id: z.string(), name: z.string(), user: z.string() }).nullable(),
  })
  .openapi('TokenInfo');

const OfToken = z.object({ id: z.string().max(100) });
const IssuedShape = z
  .object({
    tokens: z.array(TokenInfo).describe('End only with `issued=revoke`.'),
    logins: z.array(TokenInfo).describe('End with it in any case, as all that follows.'),
    shares: z.array(
      z.object({
        id: z.string(),
        label: z.string(),
        kind: z.enum(['session', 'conversation']),
        mode: z.enum(['view', 'type']),
        expiresAt: z.number(),
      }),
    ),
    links: z.number().describe('Login links that are not used yet.'),
  })
  .openapi('IssuedByToken');

const noSuchToken = (): BinnacleError =>
  new BinnacleError('not_found', {
    message: 'No such token.',
    hint: 'List the tokens with GET /v1/tokens, or binnacle token ls.',
  });

export const tokenRoutes = ({ auth, notReady }: TokenRoutesOptions): HttpRoute[] => [
  ...issueRoutes(auth),
  ...loginRoutes(auth),
  ...probeRoutes(notReady),
];

function issueRoutes(auth: Auth): HttpRoute[] {
  return [
    route('post', '/v1/tokens', 'admin', {
      summary: 'Create a token. Its secret is shown only once.',
      body: z.strictObject({
        name: Name,
        scope: ScopeName,
        ttlMs: Ttl.optional(),
        user: z.string().max(200).optional(),
      }),
      responses: { 201: { description: 'The token.', schema: TokenInfo.extend({ token: z.string() }) } },
      handler: ({ principal, body }) => {
        const { info, token } = auth.issueToken(principal, body);
        return json({ ...info, token }, { status: 201 });
      },
    }),
    route('get', '/v1/tokens', 'admin', {
      summary: 'List tokens and browser logins.',
      responses: {
        200: { description: 'The valid tokens and logins.', schema: z.object({ tokens: z.array(TokenInfo) }) },
      },
      handler: () => json({ tokens: auth.list() }),
    }),
    route('delete', '/v1/tokens/:id', 'admin', {
      summary: 'Revoke a token or a browser login, and close what it has open.',
      description:
        'Its browser logins, share links and login links end with it. `issued` says what becomes of the tokens that it has ' +
        'made; while there are such, leaving it out is 409 `token_has_issued`.',
      params: OfToken,
      query: z.strictObject({ issued: z.enum(['revoke', 'keep']).optional() }),
      responses: { 204: { description: 'The token is revoked.' } },
      handler: ({ params, query }) => {
        const issued = auth.issuedBy(params.id);
        if (query.issued === undefined && issued !== undefined && issued.tokens.length > 0) {
          throw new BinnacleError('token_has_issued', {
            message: `The token created ${issued.tokens.length} tokens that are still valid.`,
            details: { tokens: issued.tokens.length },
          });
        }
        if (!auth.revoke(params.id, { withIssued: query.issued === 'revoke' })) throw noSuchToken();
        return noContent();
      },
    }),
    route('get', '/v1/tokens/:id/issued', 'admin', {
      summary: 'List valid credentials that a token or a browser login created.',
      params: OfToken,
      responses: { 200: { description: 'Tokens, logins, share links, login links.', schema: IssuedShape } },
      handler: ({ params }) => {
        const issued = auth.issuedBy(params.id);
        if (issued === undefined) throw noSuchToken();
        const shares = issued.shares.map(({ id, label, kind, mode, expiresAt }) => ({
          id,
          label,
          kind,
          mode,
          expiresAt,
        }));
        return json({ ...issued, shares });
      },
    }),
  ];
}

function loginRoutes(auth: Auth): HttpRoute[] {
  return [
    route('post', '/v1/tickets', 'view', {
      summary: 'Create a one-time login link for a browser.',
      description: "Never with more scope than the caller's, which is the default.",
      body: z.strictObject({ scope: ScopeName.optional() }),
      responses: {
        201: {
          description: 'The ticket, and the link that carries it.',
          schema: z.object({ ticket: z.string(), url: z.string(), scope: ScopeName, expiresInMs: z.number() }),
        },
      },
      handler: ({ principal, body, linkBase }) => {
        const { ticket, scope, expiresInMs } = auth.issueTicket(principal, body.scope);
        // The ticket is in the fragment, which browsers send to no server.
        return json({ ticket, url: `${linkBase}/#ticket=${ticket}`, scope, expiresInMs }, { status: 201 });
      },
    }),
    route('post', '/v1/login', 'public', {
      summary: 'Exchange a ticket for a browser login.',
      description:
        'A login has two halves: the cookie that is set, and the key that is answered. The page keeps the key (in localStorage) and sends it as the header Binnacle-Key, or with a WebSocket as the second of the subprotocols binnacle, binnacle.key.KEY.',
      bodyLimit: PUBLIC_BODY_BYTES,
      body: z.strictObject({ ticket: z.string().max(200) }),
      responses: {
        200: { description: 'The browser is logged in: see Set-Cookie.', schema: z.object({ key: z.string() }) },
      },
      handler: ({ request, body }) => {
        const { setCookie, key } = auth.login(request, body.ticket);
        return json({ key }, { headers: { 'Set-Cookie': setCookie } });
      },
    }),
    route('post', '/v1/passes', 'view', {
      summary: 'Create a pass for one download by a browser login.',
      description:
        'Links and downloads send the cookie of a login and not its key. A pass stands in for the key, once and for a minute, in the query of exactly this target.',
      body: z.strictObject({ target: z.string().startsWith('/').max(2000) }),
      responses: {
        201: {
          description: 'The pass, to be added to the query of the target as "pass".',
          schema: z.object({ pass: z.string(), expiresInMs: z.number() }),
        },
      },
      handler: ({ principal, body }) => json(auth.issuePass(principal, body.target), { status: 201 }),
    }),
    route('post', '/v1/logout', 'view', {
      summary: 'End this browser login.',
      responses: { 204: { description: 'The browser is logged out.' } },
      handler: ({ request, principal }) => noContent({ 'Set-Cookie': auth.logout(request, principal) }),
    }),
    route('get', '/v1/me', 'view', {
      summary: 'Show who the caller is.',
      responses: {
        200: {
          description: 'Name, scope and user.',
          schema: z.object({ name: z.string(), scope: ScopeName, user: z.string() }),
        },
      },
      handler: ({ principal: { name, scope, user } }) => json({ name, scope, user }),
    }),
  ];
}

function probeRoutes(notReady: TokenRoutesOptions['notReady']): HttpRoute[] {
  return [
    route('get', '/healthz', 'public', {
      // Probes may add any query.
      unknownFields: 'ignored',
      summary: 'Show whether the process answers.',
      responses: { 200: { description: 'The process answers.', schema: z.object({ ok: z.literal(true) }) } },
      handler: () => json({ ok: true }),
    }),
    route('get', '/readyz', 'public', {
      unknownFields: 'ignored',
      summary: 'Show whether requests can be served.',
      responses: { 200: { description: 'Requests can be served.', schema: z.object({ ok: z.literal(true) }) } },
      handler: () => {
        const reason = notReady?.();
        if (reason !== undefined) throw new BinnacleError('going_away', { message: reason });
        return json({ ok: true });
      },
    }),
  ];
}
