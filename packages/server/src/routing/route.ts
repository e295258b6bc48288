// The types of routing: the config, the message and the resulting route.

export type DmScope = 'main' | 'per-peer' | 'per-channel-peer' | 'per-account-channel-peer';
export type GroupScope = 'main' | 'per-group';

/** Numbers and bigints count as their decimal text. */
export type Id = string | number | bigint;

export interface Peer {
  /**
   * `direct` (or `dm`), `group`, `channel`. A message may also have another kind, which goes into the session key
   * unchanged.
   */
  readonly kind: string;
  readonly id: Id;
}

export interface BindingMatch {
  readonly channel: string;
  /** `*`: every account. Absent: the account `default`, not every account. */
  readonly accountId?: string | null | undefined;
  /** The id `*`: every peer of that kind. */
  readonly peer?: Peer | null | undefined;
  readonly guildId?: Id | null | undefined;
  readonly teamId?: Id | null | undefined;
  /** Alternatives: one matching role is enough. Empty: no condition. */
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
        /** Agents by id. If present, even if empty, `list` is ignored. */
        readonly entries?: Readonly<Record<string, AgentEntry>> | undefined;
        readonly list?: readonly (AgentEntry & { readonly id: string })[] | undefined;
        /** `explicit`: `default` markers are ignored, and `defaults.systemAgent.agentId` counts. */
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
        /** The ids of one person, with or without `channel:` before them, by the common name. */
        readonly identityLinks?: Readonly<Record<string, readonly string[]>> | null;
      }
    | null
    | undefined;
}

export interface RouteInput {
  readonly channel: string;
  readonly accountId?: string | null | undefined;
  readonly peer?: Peer | null | undefined;
  /** The parent of a thread. */
  readonly parentPeer?: Peer | null | undefined;
  readonly guildId?: Id | null | undefined;
  readonly teamId?: Id | null | undefined;
  readonly memberRoleIds?: readonly string[] | null | undefined;
  /** Scope for this message in place of the config's `session`; a binding's own scope takes precedence over both. */
  readonly dmScope?: DmScope | null | undefined;
  readonly groupScope?: GroupScope | null | undefined;
  /** The agent for messages that no binding matches. */
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

export interface AgentRoute {
  readonly agentId: string;
  readonly channel: string;
  readonly accountId: string;
  readonly dmScope: DmScope;
  readonly groupScope: GroupScope;
  readonly sessionKey: string;
  readonly mainSessionKey: string;
  /** Key that stores "the last route" of the conversation: the main key, or its own. */
  readonly lastRoutePolicy: 'main' | 'session';
  readonly matchedBy: MatchedBy;
}

export type RouteErrorCode = 'AGENT_SELECTION_REQUIRED' | 'NO_AGENTS_CONFIGURED';

/**
 * Failure to select an agent for a message. Not in the common table of error codes, because the module is independent.
 */
export class RouteError extends Error {
  override readonly name = 'RouteError';
  readonly code: RouteErrorCode;

  constructor(code: RouteErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
