// Plugins as the API tells of them.

/**
 * `sealed`: no file but its own, no network, no other process. `restricted`: Node's permission flags alone.
 * `trusted`: the gateway's rights, by the operator's will.
 */
export type PluginLevel = 'sealed' | 'restricted' | 'trusted';

/**
 * `off`: the config file says so. `refused`: it may not be loaded here, see `problem`. `unset`: the config file lacks settings
 * that it needs, see `problem`. `waiting`: its process ended, and is started again soon. `disabled`: it ended too
 * often, or cannot be loaded whatever is tried.
 */
export type PluginState = 'off' | 'refused' | 'unset' | 'starting' | 'running' | 'waiting' | 'disabled' | 'stopped';

/** As the config file says it: `true`, or an object with one list. */
export type PluginGrantValue = boolean | Readonly<Record<string, readonly string[]>>;

export interface PluginPermission {
  readonly permission: string;
  /** What it lets a plugin do, behind "can". */
  readonly sentence: string;
  /** What the manifest asks for; false: it does not. */
  readonly asked: PluginGrantValue;
  /** The plugin's own words for why; '' where it does not ask. */
  readonly reason: string;
  /** What the config file grants. */
  readonly granted: PluginGrantValue;
  /** The key of the config file. */
  readonly key: string;
  /** What of the asked is not granted, and nobody decided about; false: nothing. */
  readonly missing: PluginGrantValue;
  /** Less is granted than is asked for, as somebody decided: `missing` is false. */
  readonly narrowed: boolean;
  /** Something of `missing` is of use now: an offer that is not in force needs it, or a call that was denied did. */
  readonly needed: boolean;
  /** All that is asked for, with what is granted: what to grant for that. */
  readonly both: PluginGrantValue;
  /** What a list can limit it to, for people; null: it is had whole or not at all. */
  readonly limits: string | null;
}

/** Of the manifest's schema. Never its value: it may be a secret. */
export interface PluginSetting {
  readonly key: string;
  readonly description: string;
  readonly isRequired: boolean;
  /** The config file sets it. */
  readonly isSet: boolean;
}

export interface PluginOffer {
  readonly kind: 'tool' | 'hook' | 'route' | 'command' | 'channel' | 'driver' | 'job';
  /** As people write it: `lookup`, `POST /plugins/x/hook`, `/deploy`. */
  readonly name: string;
  readonly description: string;
  /** It is granted. */
  readonly inForce: boolean;
  /** Where it is not: the permission that it lacks. */
  readonly permission: string;
}

export interface PluginProblem {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

export interface PluginInfo {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** Null until it could be told. */
  readonly level: PluginLevel | null;
  readonly state: PluginState;
  /** Why it does not run, or why it ended last. */
  readonly problem: PluginProblem | null;
  readonly permissions: readonly PluginPermission[];
  readonly offers: readonly PluginOffer[];
  readonly settings: readonly PluginSetting[];
  /** Tools that this machine lacks, each a wall less. */
  readonly missing: readonly string[];
  readonly pid: number | null;
  readonly memoryBytes: number | null;
  /** Within the last ten minutes. */
  readonly restarts: number;
  /** Ms since 1970. */
  readonly installedAt: number;
}

export interface PluginList {
  readonly plugins: readonly PluginInfo[];
}

/** Inheritance of a plugin from the one with the same id that is installed from another folder. */
export interface PluginInherits {
  /** Folder that the installed plugin came from; null: not recorded. */
  readonly from: string | null;
  /** Permissions that are granted. */
  readonly permissions: readonly string[];
  /** Keys of its entry in the config file besides the permissions. */
  readonly settings: readonly string[];
  /** How many values it has stored. */
  readonly values: number;
}

/** Plugin that would be installed: for the person who has to agree. */
export interface PluginPreview {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly permissions: readonly PluginPermission[];
  /** Of the version that is installed; null: none is. */
  readonly replaces: string | null;
  /** Permissions of which more is asked for than was agreed to before; of a new one all. */
  readonly widens: readonly string[];
  /** Null: it comes from the same folder, or there is nothing to get. Else the install has to say whether it gets it. */
  readonly inherits: PluginInherits | null;
  readonly level: PluginLevel | null;
  /** Why it could not run here. */
  readonly problem: PluginProblem | null;
  /** To be sent with the consent: what was looked at is what is installed. */
  readonly digest: string;
}

export interface PluginLogLine {
  /** Counts up. */
  readonly n: number;
  /** Ms since 1970. */
  readonly at: number;
  /** `gateway`: said by us about it. */
  readonly stream: 'stdout' | 'stderr' | 'gateway';
  readonly text: string;
}

export interface PluginLog {
  readonly lines: readonly PluginLogLine[];
  /** To read on from. */
  readonly next: number;
}

/** Something that was done for or denied to a plugin, or that a person did with it. */
export interface PluginAuditEntry {
  /** Ms since 1970. */
  readonly at: number;
  readonly plugin: string;
  /** The permission; or `install`, `remove`, `grant`, `revoke`, `start`, `stop`. */
  readonly what: string;
  readonly outcome: 'allowed' | 'denied' | 'malformed' | 'done';
  readonly target: string;
  /** Of the same in one second. */
  readonly count: number;
  /** The token of who did it; null: the plugin itself, or the config file. */
  readonly by: string | null;
}
