// Authorization request of a program: parsed from the query and validated.

import { allows, type Scope } from '@binnacle/protocol';
import { type ClientIds, digestOfClient, isLoopback, isRegistered, type OAuthClient } from './client-ids.ts';
import { type OAuthCode, OAuthFailure } from './errors.ts';

/** Scopes that a login can grant: never `admin`, which creates tokens. */
export const OFFERED = ['view', 'input', 'create'] as const satisfies readonly Scope[];
export type OfferedScope = (typeof OFFERED)[number];

const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;
const MAX_STATE = 2000;

export interface AuthorizationRequest {
  readonly client: OAuthClient;
  readonly clientDigest: string;
  readonly redirect: URL;
  readonly state: string | undefined;
  readonly challenge: string;
  readonly resource: string;
  readonly scope: OfferedScope;
}

/** Describes the destination of the redirect, in terms that a person can judge. */
export const destinationOf = (redirect: URL): { readonly text: string; readonly kind: 'here' | 'web' | 'program' } => {
  if (isLoopback(redirect)) return { text: redirect.host, kind: 'here' };
  if (redirect.protocol === 'https:') return { text: redirect.host, kind: 'web' };
  return { text: redirect.protocol + (redirect.host === '' ? '' : `//${redirect.host}`), kind: 'program' };
};

/** Returns the resource identifier of `/mcp`, for which tokens are requested (RFC 8707). */
export const resourceOf = (base: string): string => `${base}/mcp`;

/**
 * Parses the request. Throws `OAuthFailure`, with the way back to the program once the redirect URI is validated.
 *
 * @example
 * readAuthorization('response_type=code&client_id=…&redirect_uri=…', { base: 'http://127.0.0.1:7117', clients });
 */
export function readAuthorization(
  query: string,
  { base, clients }: { readonly base: string; readonly clients: ClientIds },
): AuthorizationRequest {
  const fields = fieldsOf(query);
  const clientId = fields.get('client_id') ?? '';
  const client = clients.read(clientId);
  if (client === undefined) {
    throw new OAuthFailure('invalid_client', 'The program that asks is not known here: it has to register anew.');
  }
  const redirectUri = fields.get('redirect_uri') ?? (client.redirects.length === 1 ? client.redirects[0] : undefined);
  if (redirectUri === undefined || !isRegistered(client, redirectUri)) {
    throw new OAuthFailure('invalid_request', 'redirect_uri is none that the program has registered.');
  }
  const redirect = new URL(redirectUri);
  const state = fields.get('state');
  const refuse = (code: OAuthCode, message: string): never => {
    throw new OAuthFailure(code, message, answerTo(redirect, { error: code, state, iss: base }));
  };
  if ((state ?? '').length > MAX_STATE) refuse('invalid_request', 'state is too long.');
  if (fields.get('response_type') !== 'code') refuse('unsupported_response_type', 'response_type takes "code".');
  const challenge = fields.get('code_challenge') ?? '';
  if (fields.get('code_challenge_method') !== 'S256' || !CHALLENGE.test(challenge)) {
    refuse('invalid_request', 'PKCE is needed: code_challenge, with code_challenge_method=S256.');
  }
  const resource = resourceOf(base);
  if (!isResource(fields.get('resource'), base)) {
    refuse('invalid_target', `resource takes ${resource}: a token for something else is not made here.`);
  }
  const scope = widestOf(fields.get('scope')) ?? refuse('invalid_scope', `scope takes ${OFFERED.join(', ')}.`);
  return { client, clientDigest: digestOfClient(clientId), redirect, state, challenge, resource, scope };
}

/** Parses a form. Throws `invalid_request` for a repeated field. */
export function fieldsOf(form: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(form)) {
    if (fields.has(name)) throw new OAuthFailure('invalid_request', `"${name.slice(0, 50)}" comes twice.`);
    fields.set(name, value);
  }
  return fields;
}

/** Returns the redirect URI with the response and its issuer (RFC 9207). */
export function answerTo(redirect: URL, answer: Readonly<Record<string, string | undefined>>): string {
  const url = new URL(redirect);
  for (const [name, value] of Object.entries(answer)) if (value !== undefined) url.searchParams.set(name, value);
  return url.href;
}

export function isResource(resource: string | undefined, base: string): boolean {
  if (resource === undefined) return true;
  if (!URL.canParse(resource)) return false;
  const href = (url: string): string => new URL(url).href.replace(/\/$/, '');
  return [resourceOf(base), base].some((ours) => href(ours) === href(resource));
}

/** Returns the widest known scope; foreign scopes, which some clients request from every server, are ignored. */
function widestOf(scope: string | undefined): OfferedScope | undefined {
  if (scope === undefined || scope.trim() === '') return 'view';
  const requested = new Set(scope.split(/ +/));
  return OFFERED.findLast((one) => requested.has(one));
}

/**
 * Lists the scopes that a person with the scope `own` may grant for a request of `requested`: up to both, down to the
 * least.
 */
export const choicesOf = (requested: OfferedScope, own: Scope): readonly OfferedScope[] =>
  OFFERED.filter((one) => allows(requested, one) && allows(own, one));
