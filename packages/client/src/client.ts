// The client of one gateway: its resources over HTTP, and its sessions over one shared WebSocket. Read this file first.

import {
  type CreateSession,
  defined,
  type GatewayInfo,
  type MessageSearchResult,
  type Scope,
  type SearchResult,
  type SessionInfo,
  type SessionList,
  type SessionQuery,
  type TrafficFilter,
} from '@binnacle/protocol';
import type { Conversation } from './conversation/conversation.ts';
import { Conversations } from './conversation/conversations.ts';
import { type Focus, FocusReporter } from './resources/focus.ts';
import { Notices } from './resources/notices.ts';
import { Plugins } from './resources/plugins.ts';
import { Push } from './resources/push.ts';
import { Recordings } from './resources/recordings.ts';
import { Shares } from './resources/shares.ts';
import { type Tokens, tokensOver } from './resources/tokens.ts';
import { Runs } from './run/runs.ts';
import { Session } from './session/session.ts';
import { Watch } from './session/watch.ts';
import { TrafficStream, type WatchTrafficOptions } from './traffic/stream.ts';
import { type MessageSearchOptions, type SearchOptions, search, searchMessages, Traffic } from './traffic/traffic.ts';
import { type ClientEvents, type ClientState, Connection } from './transport/connection.ts';
import { Http } from './transport/http.ts';
import { type ClientOptions, type Settings, settle } from './transport/options.ts';

/** The sessions of a gateway, as `Binnacle.sessions`. */
export interface Sessions {
  /**
   * Returns one page, newest first. Pass the `next` of a page as `after` to get the page behind it. Throws
   * `bad_request` for a malformed query.
   */
  list(query?: SessionQuery): Promise<SessionList>;
  /** Returns the sessions of all pages, newest first. */
  all(query?: Omit<SessionQuery, 'after'>): Promise<SessionInfo[]>;
  /**
   * Starts a program and returns its session. Without a `command`, the program is an interactive shell in a terminal of
   * 80 × 24. Needs the scope `create`. Throws `bad_cwd`, `command_not_found`, `bad_size`, `pty_unavailable`,
   * `forbidden`.
   *
   * @example
   * ```ts
   * const { id } = await binnacle.sessions.create({ command: 'npm test', cwd: '/srv/app', labels: { job: '42' } });
   * ```
   */
  create(spec?: CreateSession): Promise<SessionInfo>;
  /** Returns a session. Throws `session_not_found`. */
  get(id: string): Promise<SessionInfo>;
  /** Ends the program and removes the session with its log. Throws `session_not_found`. */
  delete(id: string): Promise<void>;
}

/** A login link for a browser. */
export interface Ticket {
  /** The secret of the link, for `Binnacle.login`. */
  readonly ticket: string;
  /** The login link. It works once. */
  readonly url: string;
  /** Rights of the login. */
  readonly scope: Scope;
  /** Milliseconds until the link expires. */
  readonly expiresInMs: number;
}

/** The owner of the credentials that this client uses. */
export interface Me {
  /** Name of the token or login. */
  readonly name: string;
  /** Its rights. */
  readonly scope: Scope;
  /** Person or bot that it speaks for. */
  readonly user: string;
}

/** Request of a program that has sent its user to the gateway's page to log in with OAuth. */
export interface Authorization {
  /** Name that the program gives itself. Nobody has verified it. */
  readonly client: string;
  /** Address that receives the answer: a host or a scheme. `here` is a program on the machine of the browser. */
  readonly destination: { readonly text: string; readonly kind: 'here' | 'web' | 'program' };
  /** Scope that the program asks for. */
  readonly asked: Scope;
  /** Scopes up to `asked` that the user may grant, in ascending order. */
  readonly choices: readonly Scope[];
}

/**
 * Client of one gateway. It opens one WebSocket when something needs it (an attachment, a lease, a watch), closes it
 * when nothing does, and reconnects by itself with exponential back-off and full jitter. Everything else goes over
 * HTTP.
 *
 * All failures are `BinnacleError`: branch on `code`.
 *
 * @example
 * ```ts
 * import { Binnacle, textOf } from '@binnacle/client';
 * import { WebSocket } from 'ws'; // Node 20 only: browsers and later Nodes have their own
 *
 * const client = new Binnacle({ url: 'http://127.0.0.1:7117', token: 'TOKEN', WebSocket });
 * const { id } = await client.sessions.create({ command: 'make' });
 * for await (const { text } of textOf(client.session(id).attach())) process.stdout.write(text);
 * client.close();
 * ```
 */
export class Binnacle {
  /** Sessions: list, create, delete. `session(id)` steers one of them. */
  readonly sessions: Sessions;
  /** Tokens and logins. Needs the scope `admin`. */
  readonly tokens: Tokens;
  /** Commands in sessions that take runs. */
  readonly runs: Runs;
  /** Conversations with agents. `conversation(key)` is a handle to one of them. */
  readonly conversations: Conversations;
  /** Stored events of programs that run elsewhere, and their statistics. */
  readonly traffic: Traffic;
  /** Plugins of the gateway. Needs the scope `admin`. */
  readonly plugins: Plugins;
  /** Notices of plugins to the users of the gateway. */
  readonly notices: Notices;
  /** Share links: each shows one session or conversation to anyone who has the link. */
  readonly shares: Shares;
  /** Push notifications to browsers. */
  readonly push: Push;
  /** Export of sessions and conversations to files, and import of recordings. */
  readonly recordings: Recordings;
  readonly #focusReporter: FocusReporter;
  readonly #http: Http;
  readonly #connection: Connection;
  readonly #settings: Settings;
  readonly #trafficStreams = new Set<TrafficStream>();

  /** Throws `bad_request` for a URL that is not HTTP. Connects to nothing yet. */
  constructor(options: ClientOptions) {
    const settings = settle(options);
    this.#settings = settings;
    this.#http = new Http(settings);
    this.#connection = new Connection(settings, async () => {
      await this.me();
    });
    this.sessions = sessionsOver(this.#http);
    this.tokens = tokensOver(this.#http);
    this.runs = new Runs(this.#connection, this.#http);
    this.conversations = new Conversations(this.#connection, this.#http);
    this.traffic = new Traffic(this.#http);
    this.plugins = new Plugins(this.#http);
    this.recordings = new Recordings(this.#http);
    this.shares = new Shares(this.#http);
    this.push = new Push(this.#http);
    this.#focusReporter = new FocusReporter(this.#connection);
    this.notices = new Notices(this.#connection, this.#http);
  }

  /**
   * Returns a handle to a session, without a request. Input numbers and the lease belong to the handle, so keep one
   * handle per session.
   *
   * @example
   * ```ts
   * const shell = binnacle.session('01890a5d-ac96-774b-bcce-b302099a8057');
   * console.log((await shell.info()).state);
   * ```
   */
  session(id: string): Session {
    return new Session(this.#connection, this.#http, this.runs, id);
  }

  /**
   * Returns a handle to a conversation, without a request. The lease and the order of messages belong to the handle, so
   * keep one handle per conversation.
   */
  conversation(key: string): Conversation {
    return this.conversations.handle(key);
  }

  /**
   * Returns an iterable of all sessions, then of every change. Each reconnect begins with a new `list`. `KnownSessions`
   * keeps the resulting list. Ends on `return()`, or on `close()` of the client.
   *
   * @example
   * ```ts
   * import { KnownSessions } from '@binnacle/client';
   *
   * const known = new KnownSessions();
   * for await (const event of binnacle.watch()) {
   *   known.apply(event);
   *   if (known.isWhole) console.log(known.sessions.map(({ name, state }) => `${name}: ${state}`));
   * }
   * ```
   */
  watch(): Watch {
    return new Watch(this.#connection, (after) => this.sessions.list(pageAfter(after)));
  }

  /** Returns what `watch` returns, for a guest of a share link: the sessions that the link shows. */
  watchShared(): Watch {
    return new Watch(this.#connection, async () => ({ sessions: (await this.shares.shown()).sessions, next: null }));
  }

  /**
   * Returns an iterable of events in all sessions that match the filter, the gateway's own and those of programs that
   * run elsewhere. It uses a WebSocket of its own, reconnects by itself, and resumes each session at its position.
   *
   * Ends behind `is_final` if the filter names a session. Otherwise it goes on until the loop is left or the client is
   * closed. Throws `bad_filter`, `forbidden` and what else ends it early.
   *
   * @example
   * ```ts
   * for await (const event of binnacle.watchTraffic({ session_id: 'job-42' }, { from: 'start' })) {
   *   if (event.response !== undefined) process.stdout.write(event.response);
   *   if (event.is_final) console.log('exit code', event.exit_code);
   * }
   * ```
   */
  watchTraffic(filter: TrafficFilter = {}, options: WatchTrafficOptions = {}): TrafficStream {
    const stream: TrafficStream = new TrafficStream({
      settings: this.#settings,
      filter,
      options,
      probe: async () => {
        await this.me();
      },
      // Never in this turn: a stream can be over before we have it.
      over: () => queueMicrotask(() => this.#trafficStreams.delete(stream)),
    });
    this.#trafficStreams.add(stream);
    return stream;
  }

  /**
   * Searches the output of all sessions that the user may see. Returns one page of hits, newest first. `q` holds words,
   * `"phrases"` and `-exclusions`. Throws `bad_query`, `search_timeout`, `index_unavailable`.
   *
   * @example
   * ```ts
   * const { hits, next } = await binnacle.search('"connection refused" -proxy', { limit: 20 });
   * for (const { session, offset, snippet } of hits) console.log(session, offset, snippet);
   * if (next !== null) await binnacle.search('"connection refused" -proxy', { limit: 20, after: next });
   * ```
   */
  async search(q: string, options: SearchOptions = {}): Promise<SearchResult> {
    return await search(this.#http, q, options);
  }

  /**
   * Searches the messages of all conversations that the user may see. Returns one page of hits, newest first. Throws
   * `bad_query`, `search_timeout`, `index_unavailable`, `conversation_not_found`.
   *
   * @example
   * ```ts
   * const { hits } = await binnacle.searchMessages('"blue green" deploy*', { limit: 20 });
   * for (const { conversation, title, snippet } of hits) console.log(conversation, title, snippet);
   * ```
   */
  async searchMessages(q: string, options: MessageSearchOptions = {}): Promise<MessageSearchResult> {
    return await searchMessages(this.#http, q, options);
  }

  /** Creates a login link for a browser. `scope`: default and maximum are the client's own. */
  async createTicket(scope?: Scope): Promise<Ticket> {
    return await this.#http.json({ method: 'POST', path: '/v1/tickets', body: defined({ scope }) });
  }

  /**
   * Exchanges the ticket of a login link for a login of this browser, and reconnects if the login was missing. A login
   * is a cookie and a key in `localStorage`. Resolves with false if the browser stores nothing: the login then ends
   * with the page. Throws `unauthorized` for a ticket that is used or expired.
   */
  async login(ticket: string): Promise<boolean> {
    const { key } = await this.#http.json<{ key: string }>({ method: 'POST', path: '/v1/login', body: { ticket } });
    const isStored = this.#settings.key.set(key);
    this.#connection.restart();
    return isStored;
  }

  /** Ends the login of this browser, on all its pages. */
  async logout(): Promise<void> {
    try {
      await this.#http.json({ method: 'POST', path: '/v1/logout' });
    } finally {
      this.#settings.key.set(undefined);
    }
  }

  /** Headers that carry the credentials, for requests that are sent without this client. */
  get headers(): Readonly<Record<string, string>> {
    return this.#settings.headers;
  }

  /**
   * Returns an address for one download in a browser, valid once and for one minute. A link sends no headers, so a pass
   * in the address replaces the key of the login. `target` is a path with its query, such as
   * `/v1/sessions/ID/export?format=text`.
   */
  async downloadUrl(target: string): Promise<string> {
    const { pass } = await this.#http.json<{ pass: string }>({ method: 'POST', path: '/v1/passes', body: { target } });
    return `${this.#settings.base}${target}${target.includes('?') ? '&' : '?'}pass=${pass}`;
  }

  /** Returns the version and the abilities of the gateway. Throws `not_found` if the gateway is too old to answer. */
  async info(): Promise<GatewayInfo> {
    return await this.#http.json({ path: '/v1/info' });
  }

  /**
   * Returns the request of a program that has sent its user to this page. `query` is the query of the page's address.
   */
  async authorization(query: string): Promise<Authorization> {
    return await this.#http.json({ method: 'POST', path: '/v1/authorization', body: { query } });
  }

  /**
   * Answers that program. Resolves with the address that the browser has to open. `scope` is one of `choices`; default:
   * what the program asked for.
   */
  async authorize(query: string, decision: 'allow' | 'deny', scope?: Scope): Promise<string> {
    const body = { query, decision, ...defined({ scope }) };
    const path = '/v1/authorization/decision';
    return (await this.#http.json<{ redirect: string }>({ method: 'POST', path, body })).redirect;
  }

  /** Returns the name, the user and the scope of the credentials. Throws `unauthorized`. */
  async me(): Promise<Me> {
    return await this.#http.json({ path: '/v1/me' });
  }

  /** Reports what the user has in view. The gateway sends no notifications about it. Undefined: nothing. */
  setFocus(focus: Focus | undefined): void {
    this.#focusReporter.set(focus);
  }

  /**
   * Adds a listener for changes of the connection's state and for errors that no call waits for. Returns a function
   * that removes it.
   *
   * @example
   * ```ts
   * const off = binnacle.on('state', (state) => console.error(state.kind, state.latencyMs));
   * binnacle.on('error', ({ code, message }) => console.error(code, message));
   * off();
   * ```
   */
  on<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => void): () => void {
    return this.#connection.events.on(name, listener);
  }

  /** State of the shared WebSocket. */
  get state(): ClientState {
    return this.#connection.state;
  }

  /** Milliseconds that the gateway's clock is ahead of this machine's; null until measured. */
  get clockOffsetMs(): number | null {
    return this.#connection.clockOffsetMs;
  }

  /**
   * Opens the shared WebSocket before its first use, also after a refused login. Returns a function; after it was called, a
   * lost connection is not opened again until something needs it. Undefined, and opens nothing, without a token or a stored
   * login, and after `close`.
   *
   * @example
   * ```ts
   * // The connection opens while the page renders.
   * const release = binnacle.open();
   * if (release === undefined) console.log('Log in first.');
   * else setTimeout(release, 10_000);
   * ```
   */
  open(): (() => void) | undefined {
    return Object.keys(this.#settings.headers).length === 0 ? undefined : this.#connection.open();
  }

  /**
   * Reconnects at once if the client waits to, and probes an open connection. In browsers, wake-ups and network changes
   * call it already.
   */
  wake(): void {
    this.#connection.wake();
    this.runs.wake();
    this.conversations.wake();
    for (const stream of this.#trafficStreams) stream.wake();
  }

  /**
   * Closes the client for good. Attachments end, and loops over runs end while the runs go on. Input without a receipt
   * and open requests throw `client_closed`.
   */
  close(): void {
    this.#connection.stop();
    this.runs.stop();
    this.conversations.stop();
    for (const stream of [...this.#trafficStreams]) stream.stop();
  }
}

/**
 * Returns a client, the same as `new Binnacle(options)`. It connects when something needs it.
 *
 * @example
 * ```ts
 * import { connect } from '@binnacle/client';
 *
 * const client = connect({ url: 'http://127.0.0.1:7117', token: 'TOKEN' });
 * console.log((await client.sessions.list({ activity: 'waiting' })).sessions);
 * client.close();
 * ```
 */
export const connect = (options: ClientOptions): Binnacle => new Binnacle(options);

// The first page is small, so that it shows soon. The others are large, so that they are few.
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
