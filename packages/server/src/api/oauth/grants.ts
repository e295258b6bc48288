// Grants: a one-time code, valid for a minute, tokens for the code, and new tokens for each one-time refresh token. A
// grant is one token of the gateway, whose secret rotates.

import { createHash, timingSafeEqual } from 'node:crypto';
import { allows, BinnacleError, type Scope } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { type Auth, makerOf } from '../../access/auth.ts';
import { type CredentialOwner, isOver, type Principal, sha256 } from '../../access/principal.ts';
import { Tickets } from '../../access/tickets.ts';
import { LruMap } from '../../base/lru-map.ts';
import { newSecret } from '../../data-dir/admin-token.ts';
import type { MadeBy } from '../../store/issued.ts';
import type { OAuthGrant, OAuthGrantStore } from '../../store/oauth-grants.ts';
import type { TokenStore } from '../../store/tokens.ts';
import { digestOfClient } from './client-ids.ts';
import { OAuthFailure } from './errors.ts';
import type { AuthorizationRequest, OfferedScope } from './request.ts';

export const CODE_TTL_MS = 60_000;
/** Lifetime of an access token: the time for which a leaked secret is useful. */
export const ACCESS_TTL_MS = 3600_000;
/** Maximum idle time of a grant, the same as of a browser login. */
export const IDLE_MS = 30 * 24 * 3600_000;
/** Maximum grants per user: more programs than a person has. A further grant ends the least recently used one. */
const MAX_OF_USER = 32;
/** Maximum redeemed codes remembered, for the ten minutes in which a stolen code would be used. */
const MAX_REDEEMED = 256;
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

interface CodeGrant {
  readonly issuer: string;
  readonly clientDigest: string;
  readonly clientName: string;
  readonly redirect: string;
  readonly challenge: string;
  readonly resource: string;
  readonly scope: Scope;
  readonly user: string;
  readonly madeBy: MadeBy;
}

export interface OAuthTokens {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly scope: string;
}

export interface OAuthGrantsParts {
  readonly auth: Auth;
  readonly tokens: TokenStore;
  readonly store: OAuthGrantStore;
  /** Clock in monotonic ms. */
  readonly now?: () => number;
}

export class OAuthGrants {
  readonly #auth: Auth;
  readonly #tokens: TokenStore;
  readonly #store: OAuthGrantStore;
  readonly #codes: Tickets<CodeGrant>;
  /** The token that each code was exchanged for, by the digest of the code. */
  readonly #redeemed = new LruMap<string, string>(MAX_REDEEMED);

  constructor({ auth, tokens, store, now = () => performance.now() }: OAuthGrantsParts) {
    this.#auth = auth;
    this.#tokens = tokens;
    this.#store = store;
    this.#codes = new Tickets(CODE_TTL_MS, now);
    auth.onRevoke((id) => this.#endIssued(id));
    // Ends grants whose issuer ended while the gateway was down, such as an admin token that was replaced.
    for (const issuer of store.listIssuers()) if (auth.hasEnded(issuer)) this.#endIssued(issuer);
  }

  /** Returns a code for the program, with no more than the person's scope. Throws `forbidden` and `too_many_tokens`. */
  allow(request: AuthorizationRequest, scope: OfferedScope, by: Principal): string {
    // Requires a person, who sees which program asks: a token would approve automatically.
    if (by.kind !== 'cookie') {
      throw new BinnacleError('forbidden', {
        message: 'Only a person who is logged in with a browser can allow that.',
        hint: 'Open the address of the login in a browser.',
      });
    }
    const issuer = this.#auth.rootOf(by);
    // Refuses logins by a ticket from a grant: that is the program itself. Its secret ends in an hour, and the new
    // grant would not.
    if (this.#store.get(issuer) !== undefined) {
      throw new BinnacleError('forbidden', {
        message: 'This browser was logged in by a program that has been allowed itself: it cannot allow others.',
        hint: 'Log in with a link of your own (binnacle token link), and allow it there.',
      });
    }
    this.#auth.require(by, scope);
    if (!allows(request.scope, scope))
      throw new OAuthFailure('invalid_scope', 'That is more than the program asks for.');
    const { clientDigest, client, redirect, challenge, resource } = request;
    const { ticket } = this.#codes.issue({
      ...{ issuer, clientDigest, clientName: client.name },
      ...{ redirect: redirect.href, challenge, resource, scope, user: by.user, madeBy: makerOf(by) },
    });
    return ticket;
  }

  /**
   * Exchanges a code for tokens. Throws `OAuthFailure`. A code that is used twice ends its grant: one of the two users
   * has stolen it.
   */
  redeem(
    code: string,
    request: { clientId: string; redirect: string | undefined; verifier: string; isResource(of: string): boolean },
  ): OAuthTokens {
    const hash = sha256(code);
    const became = this.#redeemed.peek(hash.toString('hex'));
    if (became !== undefined) this.#auth.revoke(became);
    const found = this.#codes.take(hash);
    if (found === undefined) throw invalidGrant('The code was used already, or is too old.');
    if (found.clientDigest !== digestOfClient(request.clientId)) throw invalidGrant('The code is another program’s.');
    if (
      request.redirect === undefined ||
      !URL.canParse(request.redirect) ||
      new URL(request.redirect).href !== found.redirect
    ) {
      throw invalidGrant('redirect_uri is not the one that the code was sent to.');
    }
    const challenge = createHash('sha256').update(request.verifier).digest();
    const isProven =
      VERIFIER.test(request.verifier) && timingSafeEqual(challenge, Buffer.from(found.challenge, 'base64url'));
    if (!isProven) throw invalidGrant('code_verifier does not fit.');
    if (!request.isResource(found.resource))
      throw new OAuthFailure('invalid_target', 'The code is for another resource.');
    const holder = this.#auth.holderOf(found.issuer);
    if (holder === undefined || !allows(holder.scope, found.scope))
      throw invalidGrant('Whoever allowed it may not any more.');
    const tokens = this.#make(found, holder);
    this.#redeemed.set(hash.toString('hex'), tokens.id);
    return tokens.answer;
  }

  /**
   * Exchanges a refresh token for new tokens. Throws `OAuthFailure`. A refresh token that is used twice ends the grant.
   */
  refresh(
    refresh: string,
    request: { clientId: string; scope: string | undefined; isResource(of: string): boolean },
  ): OAuthTokens {
    const hash = sha256(refresh);
    const used = this.#store.findByUsed(hash);
    if (used !== undefined) {
      this.#auth.revoke(used.token);
      throw invalidGrant('The refresh token was used before: the grant has ended.');
    }
    const grant = this.#store.findByRefresh(hash);
    const token = grant === undefined ? undefined : this.#tokens.get(grant.token);
    if (grant === undefined || token === undefined || isOver(token.expiresAt)) {
      throw invalidGrant('The refresh token is not valid, or not any more.');
    }
    if (grant.client !== digestOfClient(request.clientId))
      throw invalidGrant('The refresh token is another program’s.');
    if (!request.isResource(grant.resource))
      throw new OAuthFailure('invalid_target', 'The token is for another resource.');
    const holder = this.#auth.holderOf(grant.issuer);
    if (holder === undefined || !allows(holder.scope, token.scope)) {
      throw invalidGrant('Whoever allowed it may not any more.');
    }
    if (request.scope !== undefined && !request.scope.split(/ +/).includes(token.scope)) {
      throw new OAuthFailure(
        'invalid_scope',
        `The grant has the scope "${token.scope}", and nothing else can be had of it.`,
      );
    }
    return this.#renew(grant, token.scope, holder);
  }

  /**
   * Ends the grant of an access token or a refresh token of this client. Tokens of others and unknown tokens are
   * ignored (RFC 7009).
   */
  end(secret: string, clientId: string): void {
    const hash = sha256(secret);
    const grant = this.#store.findByRefresh(hash) ?? this.#store.get(this.#tokens.findByHash(hash)?.id ?? '');
    if (grant?.client === digestOfClient(clientId)) this.#auth.revoke(grant.token);
  }

  #make(
    { clientName, clientDigest, resource, issuer, scope, user, madeBy }: CodeGrant,
    holder: CredentialOwner,
  ): { id: string; answer: OAuthTokens } {
    const own = this.#store.listOfUser(user);
    for (const id of own.slice(0, Math.max(0, own.length + 1 - MAX_OF_USER))) this.#auth.revoke(id);
    const id = uuidv7();
    const [access, refresh] = [newSecret(), newSecret()];
    const ends = expiryTimesOf(holder);
    const record = { id, name: `${clientName} (MCP)`, scope, user, sha256: sha256(access), ...ends };
    this.#auth.issueAllowed(record, madeBy);
    this.#store.insert({ token: id, client: clientDigest, resource, issuer, refreshSha256: sha256(refresh) });
    return { id, answer: answerOf(access, refresh, { scope, ...ends }) };
  }

  #renew(grant: OAuthGrant, scope: Scope, holder: CredentialOwner): OAuthTokens {
    const [access, refresh] = [newSecret(), newSecret()];
    const ends = expiryTimesOf(holder);
    this.#store.rotate(grant, sha256(refresh), () =>
      this.#tokens.renew(grant.token, { sha256: sha256(access), ...ends }),
    );
    return answerOf(access, refresh, { scope, ...ends });
  }

  #endIssued(issuer: string): void {
    this.#codes.dropIssuer(issuer);
    for (const id of this.#store.listByIssuer(issuer)) this.#auth.revoke(id);
  }
}

interface ExpiryTimes {
  readonly secretExpiresAt: number;
  readonly expiresAt: number;
}

/** Returns the expiry times; neither is later than the expiry of the person who approved. */
function expiryTimesOf({ expiresAt }: CredentialOwner): ExpiryTimes {
  const now = Date.now();
  const last = expiresAt ?? Number.POSITIVE_INFINITY;
  return { secretExpiresAt: Math.min(now + ACCESS_TTL_MS, last), expiresAt: Math.min(now + IDLE_MS, last) };
}

const answerOf = (
  access_token: string,
  refresh_token: string,
  { scope, secretExpiresAt }: ExpiryTimes & { readonly scope: Scope },
): OAuthTokens => ({
  access_token,
  token_type: 'Bearer',
  expires_in: Math.max(0, Math.round((secretExpiresAt - Date.now()) / 1000)),
  refresh_token,
  scope,
});

const invalidGrant = (message: string): OAuthFailure => new OAuthFailure('invalid_grant', message);
