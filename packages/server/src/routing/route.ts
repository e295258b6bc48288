// The words of routing: what a config may say, what a message brings, and what comes out. Knows no rule.

export type DmScope = 'main' | 'per-peer' | 'per-channel-peer' | 'per-account-channel-peer';
export type GroupScope = 'main' | 'per-group';

/** Numbers and bigints are taken as their decimal text. */
export type Id = string | number | bigint;

export interface Peer {
  /** `direct` (or `dm`), `group`, `channel`. Of a message also anything else; it is written into the session key as it is. */
  readonly kind: string;
  readonly id: Id;
}

export interface BindingMatch {
  readonly channel: string;
  /** `*`: every account. Left out: the account `default`, not every one. */
  readonly accountId?: string | null | undefined;
  /** The id `*`: every peer of that kind. */
  readonly peer?: Peer | null | undefined;
  readonly guildId?: Id | null | undefined;
  readonly teamId?: Id | null | undefined;
  /** One of them is enough. Empty: no condition. */
  readonly roles?: readonly string[] | null | undefined;
}

export interface Binding {
  /** `acp` bindings are not for routing. */
  readonly type?: string | null | undefined;
  readonly agentId: string;
  readonly comment?: string | undefined;
  readonly match: BindingMatch;
  readonly session?: { readonly dmScope?: DmScope | null; readonly groupScope?: GroupScope | null } | null | undefined;
}

export interface AgentEntry {
  readonly default?: boolean | undefined;
}

export interface RoutingConfig {
  readonly bindings?: readonly Binding[] | null | undefined;
  readonly agents?:
    | {
        /** By id. Where it is present, even if empty, `list` does not count. */
        readonly entries?: Readonly<Record<string, AgentEntry>> | undefined;
        readonly list?: readonly (AgentEntry & { readonly id: string })[] | undefined;
        /** `explicit`: markers `default` do not count, `defaults.systemAgent.agentId` does. */
        readonly ownership?: string | undefined;
        readonly defaults?:
          | { readonly systemAgent?: { readonly agentId?: string | undefined } | undefined }
          | undefined;
      }
    | null
    | undefined;
  readonly session?:
    | {
        /** Default `main`. */
        readonly dmScope?: DmScope | null;
        /** Default `per-group`. */
        readonly groupScope?: GroupScope | null;
        /** Default `main`. */
        readonly mainKey?: string;
        /** One person's ids, with or without `channel:` before them, by the name that stands for all of them. */
        readonly identityLinks?: Readonly<Record<string, readonly string[]>> | null;
      }
    | null
    | undefined;
}

export interface RouteInput {
  readonly channel: string;
  readonly accountId?: string | null | undefined;
  readonly peer?: Peer | null | undefined;
  /** Of a thread: where it hangs. */
  readonly parentPeer?: Peer | null | undefined;
  readonly guildId?: Id | null | undefined;
  readonly teamId?: Id | null | undefined;
  readonly memberRoleIds?: readonly string[] | null | undefined;
  /** For this message instead of what the config's `session` says; a binding's own scope outranks both. */
  readonly dmScope?: DmScope | null | undefined;
  readonly groupScope?: GroupScope | null | undefined;
  /** Who gets what no binding matches. */
  readonly defaultAgentId?: string | null | undefined;
}

/** The tiers, in the order in which they are tried. */
export const TIERS = [
  'binding.peer',
  'binding.peer.parent',
  'binding.peer.wildcard',
  'binding.guild+roles',
  'binding.guild',
  'binding.team',
  'binding.account',
  'binding.channel',
] as const;

export type Tier = (typeof TIERS)[number];
export type MatchedBy = Tier | 'default';

export interface Route {
  readonly agentId: string;
  readonly channel: string;
  readonly accountId: string;
  readonly dmScope: DmScope;
  readonly groupScope: GroupScope;
  readonly sessionKey: string;
  readonly mainSessionKey: string;
  /** Where "the last route" of the conversation is kept: at the main key, or at its own. */
  readonly lastRoutePolicy: 'main' | 'session';
  readonly matchedBy: MatchedBy;
}

export type RouteErrorCode = 'AGENT_SELECTION_REQUIRED' | 'NO_AGENTS_CONFIGURED';

/** No agent can be named for a message. Nobody else's code table has these: the module stands for itself. */
export class RouteError extends Error {
  override readonly name = 'RouteError';
  readonly code: RouteErrorCode;

  constructor(code: RouteErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
