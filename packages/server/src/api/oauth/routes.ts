// OAuth login for programs (MCP, section "Authorization"): discovery, registration, the redirect to the consent page,
// and the tokens.

import { BinnacleError } from '@binnacle/protocol';
import { type HttpRoute, json, type RouteContext, respond, route, z } from '../http/routes.ts';
import type { ClientIds } from './client-ids.ts';
import { OAUTH, OAuthFailure } from './errors.ts';
import type { OAuthGrants } from './grants.ts';
import {
  answerTo,
  choicesOf,
  destinationOf,
  fieldsOf,
  isResource,
  OFFERED,
  readAuthorization,
  resourceOf,
} from './request.ts';

/** Maximum characters of an authorization query, including the client id and the state. */
const MAX_QUERY = 8000;
/** Maximum bytes of a registration or a token request. */
const MAX_BODY = 16 * 1024;

const Text = z.string().max(MAX_QUERY);
const AuthorizationQuery = z.strictObject({ query: Text });
const AuthorizationDecision = z.strictObject({
  query: Text,
  decision: z.enum(['allow', 'deny']),
  scope: z.enum(OFFERED).optional(),
});
const Registration = z.object({
  client_name: z.string().max(1000).optional(),
  redirect_uris: z.array(z.string().max(2000)).max(100),
});

const AuthorizationShape = z.object({
  client: z.string().describe('The name that the program gives itself: nobody has checked it.'),
  destination: z.object({
    text: z.string().describe('The host or the scheme that the answer goes to.'),
    kind: z.enum(['here', 'web', 'program']).describe('here: a program on the machine of the browser.'),
  }),
  asked: z.enum(OFFERED),
  choices: z.array(z.enum(OFFERED)).describe('What the caller may give of it, from little to much.'),
});

export interface OAuthParts {
  readonly clients: ClientIds;
  readonly grants: OAuthGrants;
}

/** Returns the part of the WWW-Authenticate header of `/mcp` that names the metadata of the login (RFC 9728). */
export const challengeOf = (base: string): string =>
  `resource_metadata="${base}/.well-known/oauth-protected-resource/mcp", scope="${OFFERED.join(' ')}"`;

export function oauthRoutes(parts: OAuthParts): HttpRoute[] {
  return [...metadataRoutes(), ...programRoutes(parts), ...personRoutes(parts)];
}

function metadataRoutes(): HttpRoute[] {
  // Clients append the path of the resource to the well-known path, including the path prefix of a proxy.
  const metadata = (path: string, summary: string, of: string, describe: (base: string) => object): HttpRoute[] => {
    const shared = {
      unknownFields: 'ignored',
      summary,
      responses: { 200: { description: 'The metadata.', type: 'application/json' } },
    } as const;
    return [
      route('get', path, 'public', { ...shared, handler: ({ base }) => json(describe(base)) }),
      route('get', `${path}/*suffix`, 'public', {
        ...shared,
        params: z.object({ suffix: z.string().max(500) }),
        handler: ({ base, params: { suffix } }) => {
          const prefix = new URL(base).pathname.replace(/\/$/, '');
          if (![of, prefix + of].includes(`/${suffix}`)) throw new BinnacleError('not_found');
          return json(describe(base));
        },
      }),
    ];
  };
  const resource = (base: string) => ({
    resource: resourceOf(base),
    resource_name: 'Binnacle',
    authorization_servers: [base],
    scopes_supported: OFFERED,
    bearer_methods_supported: ['header'],
  });
  const server = (base: string) => ({
    issuer: base,
    authorization_endpoint: `${base}/oauth/authorize`,
    token_endpoint: `${base}/oauth/token`,
    registration_endpoint: `${base}/oauth/register`,
    revocation_endpoint: `${base}/oauth/revoke`,
    scopes_supported: OFFERED,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  });
  return [
    ...metadata(
      '/.well-known/oauth-protected-resource',
      'What a client of /mcp needs to log in (RFC 9728).',
      '/mcp',
      resource,
    ),
    ...metadata('/.well-known/oauth-authorization-server', 'How a client logs in (RFC 8414).', '', server),
  ];
}

function programRoutes({ clients, grants }: OAuthParts): HttpRoute[] {
  return [
    route('post', '/oauth/register', 'public', {
      dialect: OAUTH,
      bodyLimit: MAX_BODY,
      summary: 'Register a program (RFC 7591). The gateway stores nothing: the registration is in its id.',
      body: Registration,
      responses: { 201: { description: 'The id of the program.', type: 'application/json' } },
      handler: ({ body: { client_name = 'A program without a name', redirect_uris } }) => {
        const { id, client } = clients.register(client_name, redirect_uris);
        return json(
          {
            client_id: id,
            client_name: client.name,
            redirect_uris: client.redirects,
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none',
            scope: OFFERED.join(' '),
          },
          { status: 201 },
        );
      },
    }),
    route('get', '/oauth/authorize', 'public', {
      dialect: OAUTH,
      summary: 'Log in and allow a program: redirects to the page, which asks the person.',
      responses: { 303: { description: 'The page, with the query in its fragment.' } },
      handler: ({ request }) => {
        const query = request.url?.split('?').slice(1).join('?') ?? '';
        if (query.length > MAX_QUERY) throw new OAuthFailure('invalid_request', 'The address is too long.');
        // Relative, so that the link works behind a proxy with a path; in the fragment, which the server never sees and
        // decides nothing by.
        return respond(null, { status: 303, headers: { Location: `../#authorize=${encodeURIComponent(query)}` } });
      },
    }),
    route('post', '/oauth/token', 'public', {
      dialect: OAUTH,
      bodyLimit: MAX_BODY,
      summary: 'Exchange a code or a refresh token for tokens, once each.',
      body: 'bytes',
      responses: { 200: { description: 'The tokens.', type: 'application/json' } },
      handler: (context) => json(tokensFor(context, grants, clients)),
    }),
    route('post', '/oauth/revoke', 'public', {
      dialect: OAUTH,
      bodyLimit: MAX_BODY,
      summary: 'Revoke a token of a program (RFC 7009).',
      body: 'bytes',
      responses: { 200: { description: 'The token is revoked, or was unknown.' } },
      handler: ({ request, body }) => {
        const form = formOf(request, body);
        grants.end(needed(form, 'token'), needed(form, 'client_id'));
        return respond(null);
      },
    }),
  ];
}

function personRoutes({ clients, grants }: OAuthParts): HttpRoute[] {
  return [
    route('post', '/v1/authorization', 'view', {
      summary: 'Show the access that a program requests.',
      description:
        'Needs a browser login. The page shows the program and the address of the answer before the person decides.',
      body: AuthorizationQuery,
      responses: { 200: { description: 'The program and the requested access.', schema: AuthorizationShape } },
      handler: ({ base, body, principal }) => {
        const { client, redirect, scope } = readAuthorization(body.query, { base, clients });
        const choices = choicesOf(scope, principal.scope);
        return json({ client: client.name, destination: destinationOf(redirect), asked: scope, choices });
      },
    }),
    route('post', '/v1/authorization/decision', 'view', {
      summary: 'Allow or deny the access that a program requests.',
      body: AuthorizationDecision,
      responses: {
        200: {
          description: 'The address to which the browser takes the answer.',
          schema: z.object({ redirect: z.string() }),
        },
      },
      handler: ({ base, body: { query, decision, scope }, principal }) => {
        const authorization = readAuthorization(query, { base, clients });
        const { redirect, state } = authorization;
        const code =
          decision === 'allow' ? grants.allow(authorization, scope ?? authorization.scope, principal) : undefined;
        const answer = code === undefined ? { error: 'access_denied' } : { code };
        return json({ redirect: answerTo(redirect, { ...answer, state, iss: base }) });
      },
    }),
  ];
}

function tokensFor(
  { request, body, base }: Pick<RouteContext<'public', unknown, unknown, unknown, Buffer>, 'request' | 'body' | 'base'>,
  grants: OAuthGrants,
  clients: ClientIds,
): object {
  const form = formOf(request, body);
  const clientId = needed(form, 'client_id');
  if (clients.read(clientId) === undefined) {
    throw new OAuthFailure('invalid_client', 'The program is not known here: it has to register anew.');
  }
  if (!isResource(form.get('resource'), base)) {
    throw new OAuthFailure('invalid_target', `resource takes ${resourceOf(base)}.`);
  }
  const client = { clientId, isResource: (of: string) => of === resourceOf(base) };
  switch (form.get('grant_type')) {
    case 'authorization_code': {
      const proof = { redirect: form.get('redirect_uri'), verifier: needed(form, 'code_verifier') };
      return grants.redeem(needed(form, 'code'), { ...client, ...proof });
    }
    case 'refresh_token':
      return grants.refresh(needed(form, 'refresh_token'), { ...client, scope: form.get('scope') });
    default:
      throw new OAuthFailure('unsupported_grant_type', 'grant_type takes authorization_code and refresh_token.');
  }
}

function formOf(request: RouteContext['request'], body: Buffer): ReadonlyMap<string, string> {
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new BinnacleError('bad_content_type', { hint: 'Send application/x-www-form-urlencoded.' });
  }
  return fieldsOf(body.toString());
}

function needed(form: ReadonlyMap<string, string>, name: string): string {
  const value = form.get(name);
  if (value !== undefined && value !== '') return value;
  throw new OAuthFailure('invalid_request', `"${name}" is missing.`);
}
