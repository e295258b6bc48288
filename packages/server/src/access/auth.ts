// Authentication: bearer tokens, browser logins, and the revocation of both.

import type { IncomingMessage } from 'node:http';
import { allows, BinnacleError, defined, type Scope } from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import { newSecret } from '../data-dir/admin-token.ts';
import type { IssuedStore, MadeBy } from '../store/issued.ts';
import type { LoginStore, NewToken, TokenRecord, TokenStore } from '../store/tokens.ts';
import type { AttemptLimiterOptions } from './attempt-limit.ts';
import { cookieText, loginPartsOf, targetOf } from './cookie.ts';
import type { Hosts } from './host-origin.ts';
import { OpenConnections } from './open-connections.ts';
import {
  ADMIN_USER,
  type CredentialStores,
  Credentials,
  checkUser,
  freeUserOf,
  issuerOf,
  type Principal,
  sha256,
} from './principal.ts';
import { SecretCheck } from './secret-check.ts';
import { credentialIn, Shares } from './shares.ts';
import { PASS_TTL_MS, type PassGrant, TICKET_TTL_MS, type TicketGrant, Tickets } from './tickets.ts';
import { tokensOf } from './token-headers.ts';
import { type IssuedCredentials, type TokenInfo, toInfo } from './token-info.ts';

export interface AuthOptions {
  readonly catalogue: CredentialStores;
  readonly adminToken: string;
  readonly hosts: Hosts;
  readonly limiter?: AttemptLimiterOptions;
  /** Time to live of a login link. Default 10 minutes. */
  readonly ticketTtlMs?: number;
  /** Time to live of a browser login. Default 30 days: a phone that is used once a month stays logged in. */
  readonly loginTtlMs?: number;
  /** Monotonic clock in ms, for tickets. */
  readonly now?: () => number;
  /** Wall clock in ms since 1970, for share links. Default `Date.now`. */
  readonly clock?: () => number;
}

const LOGIN_TTL_MS = 30 * 24 * 3600_000;

export interface AuthorizeOptions {
  /** True for a request that opens a WebSocket. Default false. */
  readonly upgrade?: boolean;
  readonly dialect?: { readonly tokenHeaders: readonly string[] };
  /**
   * False accepts only credentials that are sent on purpose, not the cookie that a browser adds by itself. Default
   * true.
   */
  readonly cookies?: boolean;
  /** True if guests of share links may use this route. Default false: for them the route does not exist. */
  readonly shares?: boolean;
}

export class Auth {
  readonly shares: Shares;
  readonly #credentials: Credentials;
  readonly #tokens: TokenStore;
  readonly #logins: LoginStore;
  readonly #issued: IssuedStore;
  readonly #hosts: Hosts;
  readonly #check: SecretCheck;
  readonly #tickets: Tickets<TicketGrant>;
  /** One-time passes for downloads, with which a page cannot send its key. */
  readonly #passes: Tickets<PassGrant>;
  readonly #loginTtlMs: number;
  readonly #open: OpenConnections;
  readonly #listeners: Set<(principalId: string) => void>;

  constructor(options: AuthOptions) {
    const { clock = Date.now } = options;
    this.#credentials = new Credentials(options.catalogue, options.adminToken, clock);
    this.shares = new Shares({
      store: options.catalogue.shares,
      clock,
      ...defined({ limiter: options.limiter }),
      require: (by, scope) => this.require(by, scope),
      ended: (share) => this.#open.end(({ guest }) => guest?.share === share, new BinnacleError('share_revoked')),
    });
    this.#tokens = options.catalogue.tokens;
    this.#logins = options.catalogue.logins;
    this.#issued = options.catalogue.issued;
    this.#hosts = options.hosts;
    const { isAdminGuessable: isGuessable } = this.#credentials;
    this.#check = new SecretCheck({ isGuessable, ...defined({ limiter: options.limiter }) });
    const now = options.now ?? (() => performance.now());
    this.#tickets = new Tickets(options.ticketTtlMs ?? TICKET_TTL_MS, now);
    this.#passes = new Tickets(PASS_TTL_MS, now);
    this.#loginTtlMs = options.loginTtlMs ?? LOGIN_TTL_MS;
    this.#open = new OpenConnections(clock);
    this.#listeners = new Set();
    // A new admin token ends all logins and share links that the old one issued.
    const { adminIssuer } = this.#credentials;
    for (const issuer of this.#logins.listOtherAdminIssuers(adminIssuer)) this.#endIssued(issuer);
    for (const issuer of this.shares.listOtherAdminIssuers(adminIssuer)) this.#endIssued(issuer);
  }

  /** Number of failed attempts, without those that the limiter refused. */
  get evaluatedFailures(): number {
    return this.#check.failures;
  }

  /**
   * Returns the principal of a request if its scope contains `scope`. Throws `unauthorized`, `rate_limited`,
   * `forbidden`, `bad_origin`, and `not_found` for a guest on a route without `shares`.
   */
  authorize(request: IncomingMessage, scope: Scope, options: AuthorizeOptions = {}): Principal {
    const principal = this.#authenticate(request, options);
    if (principal.guest !== null && options.shares !== true) throw new BinnacleError('not_found');
    this.require(principal, scope);
    return principal;
  }

  /** Throws `forbidden` if the principal's scope does not contain `scope`. */
  require(principal: Principal, scope: Scope): void {
    if (allows(principal.scope, scope)) return;
    throw new BinnacleError('forbidden', {
      message: `This needs the scope "${scope}"; the token has "${principal.scope}".`,
      hint: `Use a token with the scope "${scope}".`,
      details: { needed: scope, held: principal.scope },
    });
  }

  /** Throws `revoked` if the principal was revoked or has expired since its verification. */
  assertLive(principal: Principal): void {
    const over = this.#credentials.whyOver(principal);
    if (over !== undefined) throw over;
  }

  /** Returns `Credentials.holderOf`, for work on behalf of a user without a request. */
  holderOf(issuer: string): ReturnType<Credentials['holderOf']> {
    return this.#credentials.holderOf(issuer);
  }

  /** See `Credentials.hasEnded`. */
  hasEnded(issuer: string): boolean {
    return this.#credentials.hasEnded(issuer);
  }

  /**
   * Returns the root issuer of a principal, under the name that `holderOf` expects: for a browser login, the token
   * behind its first ticket. Things made with the login outlive it, and end with that token.
   */
  rootOf(principal: Principal): string {
    let issuer = issuerOf(principal);
    for (;;) {
      const before = this.#logins.issuerOf(issuer);
      if (before === undefined) return issuer;
      issuer = before;
    }
  }

  /**
   * Issues a one-time ticket for a browser login, never with more scope than the issuer's (the default). Throws
   * `forbidden`.
   */
  issueTicket(by: Principal, scope: Scope = by.scope): { ticket: string; scope: Scope; expiresInMs: number } {
    this.require(by, scope);
    const name = by.kind === 'cookie' ? by.name : `${by.name} (browser)`;
    this.#issued.check(by.id);
    const madeBy = makerOf(by);
    const grant: TicketGrant = { scope, name, user: by.user, issuer: issuerOf(by), madeBy, notAfter: by.expiresAt };
    return { ...this.#tickets.issue(grant), scope };
  }

  /** Issues the gateway's own ticket, for the link that its owner sees at the start. Scope admin. */
  issueOwnTicket(): string {
    const grant: TicketGrant = {
      scope: 'admin',
      name: 'browser',
      user: ADMIN_USER,
      issuer: this.#credentials.adminIssuer,
      madeBy: { id: ADMIN_USER, name: ADMIN_USER, user: ADMIN_USER },
      notAfter: null,
    };
    return this.#tickets.issue(grant).ticket;
  }

  /**
   * Issues a pass for one GET of `target` (path and query) by a browser login, without its key, within a minute. Throws
   * `forbidden` for other principals, which can send their token.
   */
  issuePass(by: Principal, target: string): { readonly pass: string; readonly expiresInMs: number } {
    if (by.kind !== 'cookie') {
      throw new BinnacleError('forbidden', {
        message: 'Only a browser login can create a pass.',
        hint: 'Send the token with the request itself: Authorization: Bearer TOKEN.',
      });
    }
    const { ticket: pass, expiresInMs } = this.#passes.issue({ issuer: by.id, target: targetOf({ url: target }) });
    return { pass, expiresInMs };
  }

  /**
   * Exchanges a ticket for the two halves of a login: a Set-Cookie header, and a key that the page stores and sends
   * with each request. Throws `unauthorized` and `rate_limited`.
   */
  login(
    request: IncomingMessage,
    ticket: string,
  ): { readonly setCookie: string; readonly key: string; readonly scope: Scope } {
    const grant = this.#check.evaluate(request, ticket, {
      verify: (candidate) => this.#tickets.take(sha256(candidate)),
      refuse: () =>
        new BinnacleError('unauthorized', {
          message: 'The login link was already used, or has expired.',
          hint: 'Create a new login link (binnacle token link).',
        }),
    });
    const secret = newSecret();
    const key = newSecret();
    const expiresAt = Math.min(Date.now() + this.#loginTtlMs, grant.notAfter ?? Number.POSITIVE_INFINITY);
    const { name, scope, user } = grant;
    const login = { id: uuidv7(), name, scope, user, sha256: sha256(secret), keySha256: sha256(key) };
    const { ended } = this.#logins.insert({ ...login, issuer: grant.issuer, expiresAt });
    this.#issued.put(login.id, grant.madeBy);
    for (const id of ended) this.#end(id);
    const maxAge = Math.max(0, Math.round((expiresAt - Date.now()) / 1000));
    return { setCookie: cookieText(request, secret, maxAge, this.#baseOf(request)), key, scope: grant.scope };
  }

  /** Ends a browser login and returns the Set-Cookie header that clears its cookie. Does not end a token. */
  logout(request: IncomingMessage, principal: Principal): string {
    if (principal.kind === 'cookie') this.revoke(principal.id);
    return cookieText(request, '', 0, this.#baseOf(request));
  }

  /**
   * Makes a bearer token. `token` is its secret, which cannot be read again. Without `user`, the token gets a user of
   * its own. Throws `forbidden`, `bad_request` for a reserved or invalid user, `too_many_tokens`.
   */
  issueToken(
    by: Principal,
    options: {
      readonly name: string;
      readonly scope: Scope;
      readonly ttlMs?: number | undefined;
      readonly user?: string | undefined;
    },
  ): { readonly info: TokenInfo; readonly token: string } {
    this.require(by, 'admin');
    this.require(by, options.scope);
    this.#issued.check(by.id);
    const token = newSecret();
    const requestedExpiry = options.ttlMs === undefined ? null : Date.now() + options.ttlMs;
    // A token that expires must not make one that does not.
    const expiresAt = by.expiresAt === null ? requestedExpiry : Math.min(requestedExpiry ?? by.expiresAt, by.expiresAt);
    const id = uuidv7();
    const user =
      options.user === undefined ? freeUserOf(id, (taken) => this.#tokens.hasUser(taken)) : checkUser(options.user);
    const record = { id, name: options.name, scope: options.scope, user, sha256: sha256(token), expiresAt };
    const inserted = this.#tokens.insert(record);
    this.#issued.put(id, makerOf(by));
    return { info: this.#infoOf(inserted, 'token'), token };
  }

  /**
   * Makes the token of a program that a user has authorized to act on the user's behalf (`madeBy`). That user has
   * agreed to the scope. Throws `too_many_tokens`.
   */
  issueAllowed(token: NewToken, madeBy: MadeBy): void {
    this.#issued.check(madeBy.id);
    this.#tokens.insert(token);
    this.#issued.put(token.id, madeBy);
  }

  /** Lists the valid bearer tokens and browser logins, without the admin token. */
  list(): readonly TokenInfo[] {
    return [
      ...this.#tokens.list().map((record) => this.#infoOf(record, 'token')),
      ...this.#logins.list().map((record) => this.#infoOf(record, 'cookie')),
    ];
  }

  /** Returns everything valid that a token or a login has issued; undefined for an unknown id. */
  issuedBy(id: string): IssuedCredentials | undefined {
    const listed = this.list();
    if (!listed.some((one) => one.id === id)) return undefined;
    const under = this.#issued.under(id);
    const logins = this.#loginsOf(id);
    const issuers = [id, ...logins];
    return {
      tokens: listed.filter((one) => one.kind === 'token' && under.has(one.id)),
      logins: listed.filter((one) => logins.has(one.id)),
      shares: issuers.flatMap((issuer) => this.shares.issuedBy(issuer)),
      links: issuers.reduce((sum, issuer) => sum + this.#tickets.count(issuer), 0),
    };
  }

  /**
   * Revokes a token or a login, every login from its tickets, and all their open connections. `withIssued` also revokes
   * the tokens that came from it, directly or through others. Returns false for an unknown id.
   */
  revoke(id: string, { withIssued = false }: { readonly withIssued?: boolean } = {}): boolean {
    const issued = withIssued ? this.#issued.under(id) : [];
    const removed = this.#tokens.remove(id) || this.#logins.remove(id);
    if (!removed) return false;
    this.#end(id);
    for (const one of issued) if (this.#tokens.remove(one) || this.#logins.remove(one)) this.#end(one);
    return true;
  }

  /** Calls `listener` with the id of every revoked principal. Returns the function that removes the listener. */
  onRevoke(listener: (principalId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Watches an open connection. Calls `close` once, with `revoked` (for guests `share_revoked` and `share_expired`): in
   * the event-loop turn of the revocation, within half a second of the expiry, or synchronously if the principal is
   * over already. Returns the function that ends the watch; call it when the connection closes.
   */
  hold(principal: Principal, close: (why: BinnacleError) => void): () => void {
    const over = this.#credentials.whyOver(principal);
    if (over === undefined) return this.#open.hold(principal, close);
    close(over);
    return () => undefined;
  }

  /** Returns the guests with open connections: by link and by guest, the time since when. */
  openGuests(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    return this.#open.guests();
  }

  /** Stops the expiry check. */
  close(): void {
    this.#open.stop();
  }

  /** Returns the base address for the cookies of a request's sender. */
  #baseOf(request: IncomingMessage): string {
    this.#hosts.checkOrigin(request);
    return this.#hosts.publicUrl.baseOf(request);
  }

  #authenticate(request: IncomingMessage, options: AuthorizeOptions): Principal {
    const { upgrade = false, dialect, cookies = true } = options;
    // Deliberately checked a second time: no order of calls may let a foreign page in.
    const origin = this.#hosts.checkOrigin(request);
    const tokens = tokensOf(request, dialect?.tokenHeaders);
    // A page cannot send headers with a WebSocket, and a guest's credential is in no cookie.
    const credential = upgrade ? credentialIn(request) : undefined;
    if (credential !== undefined) {
      return this.#check.evaluate(request, tokens === undefined ? credential : undefined, {
        verify: (candidate) => this.#credentials.verifyGuest(sha256(candidate)),
        refuse: () =>
          new BinnacleError('unauthorized', { message: 'The share link is not valid, or is no longer valid.' }),
      });
    }
    if (tokens !== undefined) {
      // The same token may be sent in several places; two different tokens are an error.
      return this.#check.evaluate(request, tokens.size === 1 ? [...tokens][0] : undefined, {
        verify: (token) => this.#credentials.verifyToken(token),
        isChosen: true,
        refuse: () => new BinnacleError('unauthorized', { message: 'The token is not valid, or is no longer valid.' }),
      });
    }
    if (!cookies) throw new BinnacleError('unauthorized');
    return this.#authenticateLogin(request, origin, upgrade);
  }

  /**
   * Verifies both halves of a login: the cookie, which browsers send to every port of this host, opens nothing alone.
   */
  #authenticateLogin(request: IncomingMessage, origin: string | undefined, upgrade: boolean): Principal {
    const parts = loginPartsOf(request, origin, upgrade);
    if (parts === undefined) throw new BinnacleError('unauthorized');
    const { cookies, key, pass } = parts;
    if (key === undefined && pass === undefined) {
      throw new BinnacleError('login_incomplete', { details: { missing: 'key' } });
    }
    return this.#check.evaluate(request, key ?? pass, {
      verify: (candidate) => {
        const hash = sha256(candidate);
        if (key !== undefined) return this.#credentials.verifyLogin({ key: hash }, cookies);
        const grant = this.#passes.take(hash);
        if (grant?.target !== targetOf(request)) return undefined;
        // The route sees the request target without the pass.
        request.url = grant.target;
        return this.#credentials.verifyLogin({ id: grant.issuer }, cookies);
      },
      refuse: () =>
        new BinnacleError('unauthorized', {
          message: 'The login has ended.',
          hint: 'Open a fresh login link (binnacle token link).',
        }),
    });
  }

  #infoOf(record: TokenRecord, kind: 'token' | 'cookie'): TokenInfo {
    return toInfo(record, kind, this.#issued.madeBy(record.id));
  }

  /** Collects the logins that end with a token or a login, recursively. */
  #loginsOf(id: string, found = new Set<string>()): ReadonlySet<string> {
    for (const login of this.#logins.listByIssuer(id)) {
      if (found.has(login)) continue;
      found.add(login);
      this.#loginsOf(login, found);
    }
    return found;
  }

  // Closes the connections of a revoked principal, whose row is gone already, and ends everything that it issued.
  #end(id: string): void {
    this.#open.end((principal) => principal.id === id, new BinnacleError('revoked'));
    for (const listener of [...this.#listeners]) listener(id);
    this.#endIssued(id);
  }

  #endIssued(issuer: string): void {
    this.#tickets.dropIssuer(issuer);
    this.#passes.dropIssuer(issuer);
    for (const id of this.#logins.listByIssuer(issuer)) if (this.#logins.remove(id)) this.#end(id);
    this.shares.endIssued(issuer);
  }
}

export const makerOf = ({ id, name, user }: Principal): MadeBy => ({ id, name, user });
