// The API of a plugin. Types only: the gateway passes the object in, and a plugin imports none of the gateway's code at
// run time. Sizes are bytes, times are ms. The gateway checks every call against the grants in the config file; a call
// without a grant rejects with an error whose `code` is `permission_denied` and whose `hint` names the key.

/** Data that a plugin and the gateway exchange: plain JSON data. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The entry of a plugin: `export default (api) => { … }`. All offers must be made before it returns or settles. */
export type Plugin<Config = unknown> = (api: PluginApi<Config>) => void | Promise<void>;

/** The error of a refused call. Branch on `code`. */
export interface CallError extends Error {
  readonly code: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface PluginApi<Config = unknown> extends Offering, Calling {
  readonly id: string;
  /** The value of `plugins.entries.<id>.config`, validated by the schema of the manifest, with its defaults. */
  readonly config: Config;
  /** Sets a handler that runs once when the gateway stops the plugin, before the process ends. It has one second. */
  onStop(handler: () => void | Promise<void>): void;
}

/** Offers of a plugin. An offer is in force while its permission is granted, and again when it is granted later. */
export interface Offering {
  /** Needs `tools`. Listed to agents as `<plugin>_<name>`, over MCP and by drivers that support tools. */
  tool<Input = Readonly<Record<string, Json>>>(tool: Tool<Input>): void;
  /** Needs `hooks`. At most one handler for each event. */
  hook<On extends HookName>(on: On, handler: HookHandler<On>, options?: HookOptions): void;
  /**
   * Needs `httpRoutes`. Served at `/plugins/<id>` followed by the path; `:name` in the path matches one segment. A
   * string alone is the body.
   */
  route(
    method: RouteMethod,
    path: string,
    handler: (request: RouteRequest) => Answered<RouteAnswer | string | Uint8Array>,
    options?: RouteOptions,
  ): void;
  /** Needs `commands`. Called by `/name` at the beginning of a message; the agent never sees the message. */
  command(command: Command): void;
  /** Needs `channels`. */
  channel(channel: Channel): Inlet;
  /** Needs `agentDrivers`. An agent of the config file selects it by `"driver": "<plugin>/<name>"`. */
  driver(driver: Driver): void;
  /** Needs `schedule`. Runs of the same name never overlap; missed runs are not repeated. */
  schedule(job: Job): void;
}

type Answered<T> = T | Promise<T>;

export interface Tool<Input> {
  /** A-Z, a-z, 0-9, `_` and `-`, beginning with a letter; at most 64 characters. */
  readonly name: string;
  readonly title?: string;
  /** Description for the agent: what the tool does, and when to use it. */
  readonly description: string;
  /**
   * JSON Schema of an object. The gateway validates the agent's input and fills in defaults. Supported is a subset:
   * `type`, `title`, `description`, `default`, `examples`, `enum`, `const`, `properties`, `required`,
   * `additionalProperties` (true or false), `items`, `minimum`, `maximum`, `minLength`, `maxLength`, `minItems`,
   * `maxItems`; no patterns, references or unions. A plugin with any other keyword does not load. Default: an object
   * with any properties.
   */
  readonly input?: Readonly<Record<string, Json>>;
  /** True if the tool changes nothing. Default false. */
  readonly readOnly?: boolean;
  /**
   * Runs the tool; limit 25 s. Returns a string, or an object that agents get as structured content. The agent gets the
   * message of an error thrown here.
   */
  run(input: Input, call: ToolCaller): Answered<string | { readonly [key: string]: Json | undefined }>;
}

export interface ToolCaller {
  /** Name of the token, or of the agent. */
  readonly caller: string;
  readonly via: 'mcp' | 'driver';
}

export interface HookOptions {
  /**
   * Result when the plugin fails, is late or does not run: the action continues (`open`, default) or is refused
   * (`closed`). Applies only to hooks whose name begins with `before`. An action that is too large for a hook call (1
   * MiB) is refused with `message_too_large` in either case.
   */
  readonly onFailure?: 'open' | 'closed';
  /** Maximum time to answer. Default 500, at most 5000. */
  readonly deadlineMs?: number;
}

/** A refusal with a reason for people and agents. Any other answer (`false`, say) is a failure of the hook. */
export interface Veto {
  readonly veto: string;
}

/** Events of hooks. Hooks that begin with `before` may veto; the others are called afterwards. */
export interface HookEvents {
  /** A message is about to be given to an agent. */
  readonly beforeRun: RunEvent;
  readonly afterRun: RunEvent & {
    readonly state: 'final' | 'error' | 'aborted';
    /** Text of the agent's answer. */
    readonly answer: string;
    readonly error?: string;
  };
  /** An agent calls a tool of the gateway, or requests approval for a call of its own. */
  readonly beforeToolCall: ToolCallEvent;
  readonly afterToolCall: ToolCallEvent & { readonly isError: boolean; readonly output: string };
  /** A message has arrived from a channel. */
  readonly beforeInbound: InboundEvent;
  readonly afterInbound: InboundEvent & { readonly conversation: string; readonly run: string | null };
  /** A user types into a session, or a program writes to it over the API. */
  readonly beforeInput: InputEvent;
  readonly afterInput: InputEvent;
  readonly sessionEnd: {
    readonly session: string;
    readonly name: string;
    readonly state: 'closed' | 'lost';
    readonly exitCode: number | null;
    readonly signal: string | null;
  };
  /** An agent waits for a person: it has requested approval. */
  readonly agentWaits: {
    readonly conversation: string;
    readonly run: string;
    readonly title: string;
    readonly detail: string;
    readonly options: readonly { readonly id: string; readonly label: string }[];
  };
}

export type HookName = keyof HookEvents;
export type HookHandler<On extends HookName> = (
  event: HookEvents[On],
) => Answered<On extends `before${string}` ? Veto | undefined : void>;

export interface RunEvent {
  readonly conversation: string;
  readonly run: string;
  readonly agent: string;
  readonly text: string;
  /** Name of the author of the message. */
  readonly by: string;
}
export interface ToolCallEvent {
  /** `bash_start`, or the agent's own name of the tool. */
  readonly tool: string;
  readonly input: Json;
  readonly caller: string;
  readonly via: 'mcp' | 'driver' | 'approval' | 'terminal';
}
export interface InboundEvent {
  readonly channel: string;
  readonly from: string;
  readonly text: string;
}
export interface InputEvent {
  readonly session: string;
  /** Bytes that are not UTF-8 appear as the replacement character. */
  readonly text: string;
  readonly by: string;
}

export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export interface RouteOptions {
  /** Serves requests without a token of the gateway, for callers that authenticate in their own way. Default false. */
  readonly public?: boolean;
}
export interface RouteRequest {
  readonly method: RouteMethod;
  /** Path after `/plugins/<id>`. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Headers with lower-case names, without cookies and authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most 256 KiB. */
  readonly body: Uint8Array;
  /** Name of the token of the request; null for a `public` route. */
  readonly caller: string | null;
}
export interface RouteAnswer {
  /** Default 200. */
  readonly status?: number;
  /**
   * Allowed: `content-type`, `content-disposition`, `content-language`, `etag`, `last-modified`, `location`,
   * `retry-after`; any other header is an error. Scripts and style sheets are not sent; HTML is shown without scripts,
   * with its inline styles and pictures (`data:`).
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. At most 512 KiB. */
  readonly body?: string | Uint8Array | { readonly [key: string]: Json | undefined };
}

export interface Command {
  /** a-z, 0-9, `_` and `-`, beginning with a letter; at most 32 characters. */
  readonly name: string;
  readonly description: string;
  /** Runs the command; limit 60 s. Returns the answer. */
  run(call: { readonly args: string; readonly conversation: string; readonly by: string }): Answered<string>;
}

export interface Channel {
  readonly name: string;
  /** Delivers an answer. Retried with growing delays while it throws; `id` is the same on each try. */
  send(reply: Reply): Answered<void>;
}
export interface Reply {
  readonly id: string;
  /** Value of `replyTo` in the message that this answers. */
  readonly to: string;
  readonly conversation: string;
  readonly state: 'final' | 'error' | 'aborted';
  readonly text: string;
  readonly error?: string;
}
export interface Inlet {
  /** Accepts a message from the channel. The bindings of the config file route it. */
  receive(message: Inbound): Promise<{ readonly conversation: string; readonly run: string | null }>;
}
export interface Inbound {
  readonly text: string;
  /** The channel's own id of the message, for deduplication. */
  readonly id?: string;
  readonly from?: string;
  readonly accountId?: string;
  readonly peer?: { readonly kind: 'direct' | 'group' | 'channel'; readonly id: string };
  readonly guildId?: string;
  readonly teamId?: string;
  /** Address of the answer, passed back as `to`. Without it, no answer is sent. */
  readonly replyTo?: string;
}

export interface Driver {
  /** a-z, 0-9 and `-`, beginning with a letter; at most 32 characters. */
  readonly name: string;
  /** Runs one turn. Returns the whole answer if `out` did not get all of it. */
  run(turn: Turn, out: TurnOut): Answered<string | undefined>;
}
export interface Turn {
  readonly id: string;
  readonly text: string;
  /** Oldest first. */
  readonly history: readonly { readonly role: 'user' | 'assistant'; readonly text: string }[];
  readonly by: string;
  readonly agent: { readonly id: string; readonly model?: string; readonly instructions?: string };
  /** Aborted together with the turn; later output is dropped. */
  readonly signal: AbortSignal;
}
export interface TurnOut {
  delta(text: string, stream?: 'said' | 'thought'): void;
  tool(call: {
    readonly id: string;
    readonly title: string;
    readonly status: 'running' | 'done' | 'failed';
    readonly output?: string;
  }): void;
}

export interface Job {
  readonly name: string;
  /** Minimum 60 000. */
  readonly everyMs: number;
  /** Runs the job; limit 60 s. */
  run(): Answered<void>;
}

/** Calls from a plugin to the gateway. */
export interface Calling {
  /** Runs a program by its argv, without a shell. Each of its outputs is cut at 256 KiB. */
  runCommandWithTimeout(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Sets one key of the config file, or removes it (undefined). */
  writeConfigFile(key: string, value: Json | undefined): Promise<void>;
  /** Returns the readable part of the value of a key; undefined without a value. */
  readConfigFile(key: string): Promise<Json | undefined>;
  /** Needs `net`. Redirects are not followed. Rejects when the body of the response exceeds 512 KiB. */
  fetch(url: string, init?: FetchInit): Promise<FetchAnswer>;
  /** Shows a notice to the people who use this gateway. */
  notify(notice: { readonly title: string; readonly text?: string }): Promise<void>;
  /** Needs `readSessions`. */
  readonly sessions: {
    list(page?: { readonly after?: string; readonly limit?: number }): Promise<Page<SessionView>>;
    get(id: string): Promise<SessionView>;
    /** Reads output from an offset in bytes (default: the last 16 KiB), at most 64 KiB, without escape sequences. */
    read(id: string, from?: number): Promise<{ readonly text: string; readonly from: number; readonly next: number }>;
  };
  /** Needs `readConversations`. */
  readonly conversations: {
    list(page?: { readonly after?: string; readonly limit?: number }): Promise<Page<ConversationView>>;
    /** Newest first. */
    messages(key: string, page?: { readonly before?: string; readonly limit?: number }): Promise<Page<MessageView>>;
  };
  /** Values of at most 64 KiB, 8 MiB in all. */
  readonly storage: {
    get(key: string): Promise<Json | undefined>;
    set(key: string, value: Json): Promise<void>;
    delete(key: string): Promise<void>;
    keys(prefix?: string): Promise<readonly string[]>;
  };
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Argument for the next page; null on the last page. */
  readonly next: string | null;
}
export interface RunOptions {
  /** Absolute path. Default: the home directory. */
  readonly cwd?: string;
  /** Default 30 000, at most 600 000. */
  readonly timeoutMs?: number;
  readonly stdin?: string;
}
export interface RunResult {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** True if stdout or stderr was cut. */
  readonly truncated: boolean;
}
export interface FetchInit {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
export interface FetchAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  text(): string;
  json(): unknown;
}
export interface SessionView {
  readonly id: string;
  readonly name: string;
  readonly command: string;
  readonly cwd: string;
  readonly state: string;
  readonly exitCode: number | null;
  readonly createdAt: number;
  readonly outputBytes: number;
}
export interface ConversationView {
  readonly key: string;
  readonly agent: string;
  readonly title: string;
  readonly updatedAt: number;
}
export interface MessageView {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly by: string;
  readonly at: number;
}
