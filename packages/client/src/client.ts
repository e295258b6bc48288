// A client of one gateway: what it offers over HTTP, and the sessions over the one connection. Read this first.

import type {
  CreateSession,
  GatewayInfo,
  Scope,
  SearchResult,
  SessionInfo,
  SessionList,
  SessionQuery,
  TrafficFilter,
} from '@binnacle/protocol';
import type { Conversation } from './conversation/conversation.ts';
import { Conversations } from './conversation/conversations.ts';
import { Look, type Looked } from './resources/focus.ts';
import { Notices } from './resources/notices.ts';
import { Plugins } from './resources/plugins.ts';
import { Push } from './resources/push.ts';
import { Recordings } from './resources/recordings.ts';
import { Shares } from './resources/shares.ts';
import { Runs } from './run/runs.ts';
import { Session } from './session/session.ts';
import { Watch } from './session/watch.ts';
import { TrafficStream, type WatchTrafficOptions } from './traffic/stream.ts';
import { type SearchOptions, search, Traffic } from './traffic/traffic.ts';
import { type ClientEvents, type ClientState, Connection } from './transport/connection.ts';
import { Http } from './transport/http.ts';
import { type ClientOptions, type Settings, settle } from './transport/options.ts';

export interface Sessions {
  /** One page, newest first; `after` is the `next` of the page before. */
  list(query?: SessionQuery): Promise<SessionList>;
  /** All pages. */
  all(query?: Omit<SessionQuery, 'after'>): Promise<SessionInfo[]>;
  create(spec?: CreateSession): Promise<SessionInfo>;
  get(id: string): Promise<SessionInfo>;
  delete(id: string): Promise<void>;
}

export interface NewToken {
  readonly name: string;
  readonly scope: Scope;
  /** Milliseconds that it is valid. Default: until it is revoked. */
  readonly ttlMs?: number;
  /** The person or the bot that it speaks for: 1 to 64 of `A-Z a-z 0-9 . _ @ -`. Default: one of its own. */
  readonly user?: string;
}

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly user: string;
  /** `cookie`: the login of a browser. */
  readonly kind: 'token' | 'cookie';
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly lastUsed: number | null;
  /** Whose token or login asked for it; null of those that were made before anybody wrote that down. */
  readonly madeBy: { readonly id: string; readonly name: string; readonly user: string } | null;
}

/** Everything that a token has issued and that still counts. All but `tokens` ends together with the token. */
export interface IssuedByToken {
  readonly tokens: readonly TokenInfo[];
  readonly logins: readonly TokenInfo[];
  readonly shares: readonly {
    readonly id: string;
    readonly label: string;
    readonly kind: 'session' | 'conversation';
    readonly mode: 'view' | 'type';
    readonly expiresAt: number;
  }[];
  /** Login links that nobody has used yet. */
  readonly links: number;
}

export interface CreatedToken extends TokenInfo {
  /** Shown this once. */
  readonly token: string;
}

export interface Ticket {
  readonly ticket: string;
  /** The login link; works once. */
  readonly url: string;
  readonly scope: Scope;
  readonly expiresInMs: number;
}

export interface Me {
  readonly name: string;
  readonly scope: Scope;
  readonly user: string;
}

/** Request of a program that has sent its person to the page. */
export interface Authorization {
  /** Name that the program gives itself; nobody has checked it. */
  readonly client: string;
  /** Address that the answer goes to: a host or a scheme. `here`: a program on the machine of the browser. */
  readonly destination: { readonly text: string; readonly kind: 'here' | 'web' | 'program' };
  readonly asked: Scope;
  /** Scopes out of `asked` that the person may give, from little to much. */
  readonly choices: readonly Scope[];
}

export interface Tokens {
  list(): Promise<TokenInfo[]>;
  create(token: NewToken): Promise<CreatedToken>;
  /** Lists everything that a token has made and that still counts. Throws `not_found`. */
  issued(id: string): Promise<IssuedByToken>;
  /**
   * Revokes a token at once. `issued`: what becomes of the tokens that the token has made; without `issued`, throws
   * `token_has_issued` where there are any. Its logins, share links and login links end with it in any case.
   *
   * @example await client.tokens.revoke(id, { issued: 'revoke' });
   */
  revoke(id: string, options?: { readonly issued?: 'revoke' | 'keep' }): Promise<void>;
}

export class Binnacle {
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly runs: Runs;
  readonly conversations: Conversations;
  /** Programs that run elsewhere: what is kept of them. */
  readonly traffic: Traffic;
  /** For who looks after them. */
  readonly plugins: Plugins;
  /** What plugins tell people. */
  readonly notices: Notices;
  /** Links that show one session or conversation to whoever has them. */
  readonly shares: Shares;
  /** Notifications for who does not look. */
  readonly push: Push;
  /** Sessions and conversations as files, and recordings as sessions. */
  readonly recordings: Recordings;
  private readonly eyes: Look;
  private readonly http: Http;
  private readonly connection: Connection;
  private readonly settings: Settings;
  private readonly trafficStreams: Set<TrafficStream>;

  constructor(options: ClientOptions) {
    const settings = settle(options);
    this.settings = settings;
    this.trafficStreams = new Set();
    this.http = new Http(settings);
    this.connection = new Connection(settings, async () => {
      await this.me();
    });
    this.sessions = sessionsOver(this.http);
    this.tokens = tokensOver(this.http);
    this.runs = new Runs(this.connection, this.http);
    this.conversations = new Conversations(this.connection, this.http);
    this.traffic = new Traffic(this.http);
    this.plugins = new Plugins(this.http);
    this.recordings = new Recordings(this.http);
    this.shares = new Shares(this.http);
    this.push = new Push(this.http);
    this.eyes = new Look(this.connection);
    this.notices = new Notices(this.connection, this.http);
  }

  /** A handle; asks nothing yet. Input numbers and the lease belong to the handle: keep one for a session. */
  session(id: string): Session {
    return new Session(this.connection, this.http, this.runs, id);
  }

  /** A handle; asks nothing yet. The lease and the order of messages belong to the handle: keep one for a conversation. */
  conversation(key: string): Conversation {
    return this.conversations.handle(key);
  }

  /** All sessions, then every change of their states. Each reconnect begins with a new `list`. */
  watch(): Watch {
    return new Watch(this.connection, (after) => this.sessions.list(pageAfter(after)));
  }

  /** Of a guest of a share link: as `watch`, of the sessions that it is shown. */
  watchShared(): Watch {
    return new Watch(this.connection, async () => ({ sessions: (await this.shares.shown()).sessions, next: null }));
  }

  /**
   * What happens in the sessions that match, own and foreign ones, on a socket of its own. Ends behind `is_final` where
   * the filter names a session, else when it is left or the client is closed. Throws what ends it early.
   */
  watchTraffic(filter: TrafficFilter = {}, options: WatchTrafficOptions = {}): TrafficStream {
    const stream: TrafficStream = new TrafficStream({
      settings: this.settings,
      filter,
      options,
      probe: async () => {
        await this.me();
      },
      // Never in this turn: a stream can be over before we have it.
      over: () => queueMicrotask(() => this.trafficStreams.delete(stream)),
    });
    this.trafficStreams.add(stream);
    return stream;
  }

  /** Looks for words in the output of all sessions that one may see. Newest hits first, a page at a time. */
  async search(q: string, options: SearchOptions = {}): Promise<SearchResult> {
    return await search(this.http, q, options);
  }

  async createTicket(scope?: Scope): Promise<Ticket> {
    return await this.http.json({ method: 'POST', path: '/v1/tickets', body: scope === undefined ? {} : { scope } });
  }

  /**
   * Browsers: exchanges the ticket of a login link for a login, and connects again if that was what was missing. A login is
   * a cookie, and a key that is kept in `localStorage`. Resolves with whether the key is kept: false where the browser
   * stores nothing, and then the login ends with the page.
   */
  async login(ticket: string): Promise<boolean> {
    const { key } = await this.http.json<{ key: string }>({ method: 'POST', path: '/v1/login', body: { ticket } });
    const isKept = this.settings.key.set(key);
    this.connection.restart();
    return isKept;
  }

  /** Browsers: ends the login of this browser, on all its pages. */
  async logout(): Promise<void> {
    try {
      await this.http.json({ method: 'POST', path: '/v1/logout' });
    } finally {
      this.settings.key.set(undefined);
    }
  }

  /** Headers that say who is asking, for a request that is sent without this client. */
  get headers(): Readonly<Record<string, string>> {
    return this.settings.headers;
  }

  /**
   * Browsers: an address for one download, once and within a minute. A link sends no header with it, so that a pass stands
   * in for the key of the login. `target`: path and query, e.g. `/v1/sessions/ID/export?format=text`.
   */
  async downloadUrl(target: string): Promise<string> {
    const { pass } = await this.http.json<{ pass: string }>({ method: 'POST', path: '/v1/passes', body: { target } });
    return `${this.settings.base}${target}${target.includes('?') ? '&' : '?'}pass=${pass}`;
  }

  /** Returns what the gateway is and can do. Throws `not_found` where the gateway is too old to say. */
  async info(): Promise<GatewayInfo> {
    return await this.http.json({ path: '/v1/info' });
  }

  /** Browsers: returns the request of a program that has sent its person here. `query` as it stands in the address. */
  async authorization(query: string): Promise<Authorization> {
    return await this.http.json({ method: 'POST', path: '/v1/authorization', body: { query } });
  }

  /**
   * Browsers: answers that program. Resolves with the address that the browser goes to, with the answer in it. `scope`: of
   * `choices`; default what was asked for.
   */
  async authorize(query: string, decision: 'allow' | 'deny', scope?: Scope): Promise<string> {
    const body = { query, decision, ...(scope === undefined ? {} : { scope }) };
    const path = '/v1/authorization/decision';
    return (await this.http.json<{ redirect: string }>({ method: 'POST', path, body })).redirect;
  }

  async me(): Promise<Me> {
    return await this.http.json({ path: '/v1/me' });
  }

  /** What somebody has before their eyes just now: of that they are not notified. Undefined: nothing. */
  look(looked: Looked | undefined): void {
    this.eyes.set(looked);
  }

  /** Returns what ends the listening. */
  on<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => void): () => void {
    return this.connection.events.on(name, listener);
  }

  get state(): ClientState {
    return this.connection.state;
  }

  /** The gateway's clock minus ours, ms; null until measured. */
  get clockOffsetMs(): number | null {
    return this.connection.clockOffsetMs;
  }

  /** Connects at once if it waits to, and checks the connection if there is one. Browsers' wake-ups call it already. */
  wake(): void {
    this.connection.wake();
    this.runs.wake();
    this.conversations.wake();
    for (const stream of this.trafficStreams) stream.wake();
  }

  /** For good. Attachments and loops over runs end (the runs go on); input without a receipt and open requests throw `client_closed`. */
  close(): void {
    this.connection.stop();
    this.runs.stop();
    this.conversations.stop();
    for (const stream of [...this.trafficStreams]) stream.stop();
  }
}

/** The same as `new Binnacle`; it connects when something needs it. */
export const connect = (options: ClientOptions): Binnacle => new Binnacle(options);

// The first page is small, so that there is something to look at soon; the others are few.
const FIRST_PAGE = 100;
const NEXT_PAGE = 500;
const pageAfter = (after: string | null) => (after === null ? { limit: FIRST_PAGE } : { after, limit: NEXT_PAGE });

function sessionsOver(http: Http): Sessions {
  const path = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`;
  const list: Sessions['list'] = (query = {}) => http.json({ path: '/v1/sessions', query: { ...query } });
  return {
    list,
    async all(query = {}) {
      const sessions: SessionInfo[] = [];
      let after: string | null = null;
      do {
        const page: SessionList = await list({ ...pageAfter(after), ...query });
        sessions.push(...page.sessions);
        after = page.next;
      } while (after !== null);
      return sessions;
    },
    create: (spec = {}) => http.json({ method: 'POST', path: '/v1/sessions', body: spec }),
    get: (id) => http.json({ path: path(id) }),
    delete: (id) => http.json({ method: 'DELETE', path: path(id) }),
  };
}

function tokensOver(http: Http): Tokens {
  return {
    list: async () => (await http.json<{ tokens: TokenInfo[] }>({ path: '/v1/tokens' })).tokens,
    create: (token) => http.json({ method: 'POST', path: '/v1/tokens', body: token }),
    issued: (id) => http.json({ path: `/v1/tokens/${encodeURIComponent(id)}/issued` }),
    revoke: (id, { issued } = {}) =>
      http.json({
        method: 'DELETE',
        path: `/v1/tokens/${encodeURIComponent(id)}`,
        ...(issued === undefined ? {} : { query: { issued } }),
      }),
  };
}
