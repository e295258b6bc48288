// What a plugin is written against. Types alone: the gateway hands the object in, and a plugin imports nothing of ours
// at run time. Sizes are bytes, times are ms. Every call is checked in the gateway against what the config file grants;
// one that is not granted rejects with an error whose `code` is `permission_denied` and whose `hint` names the key.

/** What crosses between a plugin and the gateway: plain data. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The entry of a plugin: `export default (api) => { … }`. Everything is offered before it returns or settles. */
export type Plugin<Config = unknown> = (api: PluginApi<Config>) => void | Promise<void>;

/** What a call is refused with. Branch on `code`. */
export interface CallError extends Error {
  readonly code: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface PluginApi<Config = unknown> extends Offering, Calling {
  readonly id: string;
  /** `plugins.entries.<id>.config`, checked by the schema of the manifest, with its defaults. */
  readonly config: Config;
  /** Once, before the process ends, when the gateway stops the plugin. It has a second. */
  onStop(handler: () => void | Promise<void>): void;
}

/** What a plugin offers. In force while the permission is granted, and again when it is granted later. */
export interface Offering {
  /** `tools`. Listed to agents as `<plugin>_<name>`, over MCP and by drivers that can. */
  tool<Input = Readonly<Record<string, Json>>>(tool: Tool<Input>): void;
  /** `hooks`. One handler for each. */
  hook<On extends HookName>(on: On, handler: HookHandler<On>, options?: HookOptions): void;
  /** `httpRoutes`. At `/plugins/<id>` and the path; `:name` in it stands for one segment. A text alone is the body. */
  route(
    method: RouteMethod,
    path: string,
    handler: (request: RouteRequest) => Answered<RouteAnswer | string | Uint8Array>,
    options?: RouteOptions,
  ): void;
  /** `commands`. `/name` at the beginning of a message; the agent never sees it. */
  command(command: Command): void;
  /** `channels`. */
  channel(channel: Channel): Inlet;
  /** `agentDrivers`. An agent of the config file has it as `"driver": "<plugin>/<name>"`. */
  driver(driver: Driver): void;
  /** `schedule`. Never two at once of the same name; what was missed is not made up for. */
  schedule(job: Job): void;
}

type Answered<T> = T | Promise<T>;

export interface Tool<Input> {
  /** A-Z, a-z, 0-9, `_` and `-`, beginning with a letter; 64 at most. */
  readonly name: string;
  readonly title?: string;
  /** For the agent: what it does, and when to use it. */
  readonly description: string;
  /**
   * JSON Schema of an object. The gateway checks what the agent passes, and fills in defaults. A part of it is taken: `type`,
   * `title`, `description`, `default`, `examples`, `enum`, `const`, `properties`, `required`, `additionalProperties` (true or
   * false), `items`, `minimum`, `maximum`, `minLength`, `maxLength`, `minItems`, `maxItems`; no patterns, references or
   * unions. A plugin with another one does not load. Default: an object of anything.
   */
  readonly input?: Readonly<Record<string, Json>>;
  /** It changes nothing. Default false. */
  readonly readOnly?: boolean;
  /** Within 25 s. A text, or an object that agents get as structured content. What it throws is told to the agent. */
  run(input: Input, call: ToolCaller): Answered<string | { readonly [key: string]: Json | undefined }>;
}

export interface ToolCaller {
  /** The name of the token, or of the agent. */
  readonly caller: string;
  readonly via: 'mcp' | 'driver';
}

export interface HookOptions {
  /**
   * What becomes of it when the plugin fails, is late or does not run: it goes on (`open`, default), or not (`closed`).
   * Only of hooks whose name begins with `before`. What is too large to be asked about (1 MiB) is refused with
   * `message_too_large`, whatever stands here.
   */
  readonly onFailure?: 'open' | 'closed';
  /** Within which it answers. Default 500, at most 5000. */
  readonly deadlineMs?: number;
}

/** A reason, for people and agents. Anything else that is answered (`false`, say) is a failure of the hook. */
export interface Veto {
  readonly veto: string;
}

/** Hooks that begin with `before` may veto; the others are told afterwards. */
export interface HookEvents {
  /** A message is about to be given to an agent. */
  readonly beforeRun: RunEvent;
  readonly afterRun: RunEvent & {
    readonly state: 'final' | 'error' | 'aborted';
    /** What was answered. */
    readonly answer: string;
    readonly error?: string;
  };
  /** An agent calls a tool of the gateway, or asks for leave to call one of its own. */
  readonly beforeToolCall: ToolCallEvent;
  readonly afterToolCall: ToolCallEvent & { readonly isError: boolean; readonly output: string };
  /** A message came from a channel. */
  readonly beforeInbound: InboundEvent;
  readonly afterInbound: InboundEvent & { readonly conversation: string; readonly run: string | null };
  /** Somebody types into a session, or a program writes to it over the API. */
  readonly beforeInput: InputEvent;
  readonly afterInput: InputEvent;
  readonly sessionEnd: {
    readonly session: string;
    readonly name: string;
    readonly state: 'closed' | 'lost';
    readonly exitCode: number | null;
    readonly signal: string | null;
  };
  /** An agent waits for a person: it asked for approval. */
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
  /** Who asked for it. */
  readonly by: string;
}
export interface ToolCallEvent {
  /** `bash_start`, or what the agent calls it. */
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
  /** Of what is no UTF-8, the replacement character. */
  readonly text: string;
  readonly by: string;
}

export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export interface RouteOptions {
  /** Answers without a token of the gateway: for callers elsewhere that prove themselves in their own way. */
  readonly public?: boolean;
}
export interface RouteRequest {
  readonly method: RouteMethod;
  /** Behind `/plugins/<id>`. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names. No cookies, no authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most 256 KiB. */
  readonly body: Uint8Array;
  /** The name of the token that was passed; null for a route that is `public`. */
  readonly caller: string | null;
}
export interface RouteAnswer {
  /** Default 200. */
  readonly status?: number;
  /**
   * `content-type`, `content-disposition`, `content-language`, `etag`, `last-modified`, `location`, `retry-after`; any other
   * is an error. Scripts and style sheets are not sent; HTML is shown without scripts, with the styles and the pictures
   * (`data:`) that are in it.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. At most 512 KiB. */
  readonly body?: string | Uint8Array | { readonly [key: string]: Json | undefined };
}

export interface Command {
  /** a-z, 0-9, `_` and `-`, beginning with a letter; 32 at most. */
  readonly name: string;
  readonly description: string;
  /** Within 60 s. What it returns is the answer. */
  run(call: { readonly args: string; readonly conversation: string; readonly by: string }): Answered<string>;
}

export interface Channel {
  readonly name: string;
  /** Carries an answer back. Tried again, at growing distances, while it throws; `id` is the same each time. */
  send(reply: Reply): Answered<void>;
}
export interface Reply {
  readonly id: string;
  /** What the message that it answers said: `replyTo`. */
  readonly to: string;
  readonly conversation: string;
  readonly state: 'final' | 'error' | 'aborted';
  readonly text: string;
  readonly error?: string;
}
export interface Inlet {
  /** Brings a message in: routed by the bindings of the config file. */
  receive(message: Inbound): Promise<{ readonly conversation: string; readonly run: string | null }>;
}
export interface Inbound {
  readonly text: string;
  /** The channel's own id of the message: sent twice it acts once. */
  readonly id?: string;
  readonly from?: string;
  readonly accountId?: string;
  readonly peer?: { readonly kind: 'direct' | 'group' | 'channel'; readonly id: string };
  readonly guildId?: string;
  readonly teamId?: string;
  /** Handed back with the answer. Without it, none is sent. */
  readonly replyTo?: string;
}

export interface Driver {
  /** a-z, 0-9 and `-`, beginning with a letter; 32 at most. */
  readonly name: string;
  /** One turn. What it returns is the whole answer, where it is more than what was told by `out`. */
  run(turn: Turn, out: TurnOut): Answered<string | undefined>;
}
export interface Turn {
  readonly id: string;
  readonly text: string;
  /** Oldest first. */
  readonly history: readonly { readonly role: 'user' | 'assistant'; readonly text: string }[];
  readonly by: string;
  readonly agent: { readonly id: string; readonly model?: string; readonly instructions?: string };
  /** Aborted when the turn is; what is told later is dropped. */
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
  /** 60 000 or more. */
  readonly everyMs: number;
  /** Within 60 s. */
  run(): Answered<void>;
}

/** What a plugin asks of the gateway. */
export interface Calling {
  /** Runs a program by its argv, without a shell. Each of its outputs is cut at 256 KiB. */
  runCommandWithTimeout(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Sets one key of the config file, or takes it away (undefined). */
  writeConfigFile(key: string, value: Json | undefined): Promise<void>;
  /** What stands there, as far as it may be read; undefined where that is nothing. */
  readConfigFile(key: string): Promise<Json | undefined>;
  /** `net`. Redirects are not followed. The answer's body is cut off at 512 KiB, which rejects. */
  fetch(url: string, init?: FetchInit): Promise<FetchAnswer>;
  /** Shown to the people who use this gateway. */
  notify(notice: { readonly title: string; readonly text?: string }): Promise<void>;
  /** `readSessions`. */
  readonly sessions: {
    list(page?: { readonly after?: string; readonly limit?: number }): Promise<Page<SessionView>>;
    get(id: string): Promise<SessionView>;
    /** Output from an offset in bytes (default: the last 16 KiB), 64 KiB at most, without escape sequences. */
    read(id: string, from?: number): Promise<{ readonly text: string; readonly from: number; readonly next: number }>;
  };
  /** `readConversations`. */
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
  /** For the page behind it; null where there is none. */
  readonly next: string | null;
}
export interface RunOptions {
  /** Absolute. Default: the home directory. */
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
  /** One of them was cut. */
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
