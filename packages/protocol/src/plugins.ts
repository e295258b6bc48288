// Plugins in the API.

/**
 * Isolation of a plugin. `sealed`: no files but its own, no network, no other process. `restricted`: Node's permission
 * flags. `trusted`: the rights of the gateway, granted by the operator.
 */
export type PluginLevel = 'sealed' | 'restricted' | 'trusted';

/**
 * State of a plugin. `off`: switched off in the config file. `refused`: it may not be loaded here, see `problem`.
 * `unset`: the config file lacks settings that it needs, see `problem`. `waiting`: its process ended and will restart.
 * `disabled`: it ended too often, or cannot be loaded.
 */
export type PluginState = 'off' | 'refused' | 'unset' | 'starting' | 'running' | 'waiting' | 'disabled' | 'stopped';

/** A grant as the config file has it: `true`, or an object with one list. */
export type PluginGrantValue = boolean | Readonly<Record<string, readonly string[]>>;

/** A permission of a plugin. */
export interface PluginPermission {
  /** Name of the permission. */
  readonly permission: string;
  /** Effect of the permission, to be read behind "It can". */
  readonly sentence: string;
  /** Request of the manifest; false: none. */
  readonly asked: PluginGrantValue;
  /** The plugin's own reason; '' if it requests nothing. */
  readonly reason: string;
  /** Grant in the config file. */
  readonly granted: PluginGrantValue;
  /** Key in the config file. */
  readonly key: string;
  /** Part that is requested, not granted and not yet decided; false: none. */
  readonly missing: PluginGrantValue;
  /** Whether someone decided to grant less than is requested. `missing` is then false. */
  readonly narrowed: boolean;
  /** Whether a part of `missing` is of use now: an offer that is not in force needs it, or a denied call did. */
  readonly needed: boolean;
  /** Grant that allows the request in addition to the present grant. */
  readonly both: PluginGrantValue;
  /** Meaning of the list that limits it, for people; null: it is granted whole or not at all. */
  readonly limits: string | null;
}

/** A setting in the schema of the manifest. Never its value, which may be a secret. */
export interface PluginSetting {
  /** Key in the config file. */
  readonly key: string;
  /** Text for people. */
  readonly description: string;
  /** Whether the plugin needs it. */
  readonly isRequired: boolean;
  /** Whether the config file sets it. */
  readonly isSet: boolean;
}

/** Something that a plugin adds to the gateway. */
export interface PluginOffer {
  /** Kind of the addition. */
  readonly kind: 'tool' | 'hook' | 'route' | 'command' | 'channel' | 'driver' | 'job';
  /** Name as people write it: `lookup`, `POST /plugins/x/hook`, `/deploy`. */
  readonly name: string;
  /** Text for people. */
  readonly description: string;
  /** Whether it is granted. */
  readonly inForce: boolean;
  /** Permission that it needs. */
  readonly permission: string;
}

/** Why a plugin does not run. */
export interface PluginProblem {
  /** Code, to branch on. */
  readonly code: string;
  /** Text for people. */
  readonly message: string;
  /** Remedy, for people; null if none is known. */
  readonly hint: string | null;
}

/** State of a plugin. */
export interface PluginInfo {
  /** Id of the plugin. */
  readonly id: string;
  /** Name for people. */
  readonly name: string;
  /** Version in its manifest. */
  readonly version: string;
  /** Text for people. */
  readonly description: string;
  /** Isolation; null until known. */
  readonly level: PluginLevel | null;
  /** State of its process. */
  readonly state: PluginState;
  /** Why it does not run, or why it ended last; null if all is well. */
  readonly problem: PluginProblem | null;
  /** Permissions that it requests or has. */
  readonly permissions: readonly PluginPermission[];
  /** Additions to the gateway. */
  readonly offers: readonly PluginOffer[];
  /** Settings of its schema. */
  readonly settings: readonly PluginSetting[];
  /** Tools for isolation that this machine lacks. */
  readonly missing: readonly string[];
  /** Process id; null if it does not run. */
  readonly pid: number | null;
  /** Resident memory; null if it does not run. */
  readonly memoryBytes: number | null;
  /** Restarts within the last ten minutes. */
  readonly restarts: number;
  /** Unix time in milliseconds. */
  readonly installedAt: number;
}

/** All plugins. */
export interface PluginList {
  /** The plugins. */
  readonly plugins: readonly PluginInfo[];
}

/** Inheritance of a plugin from the one with the same id that was installed from another folder. */
export interface PluginInherits {
  /** Folder of the installed plugin; null: not recorded. */
  readonly from: string | null;
  /** Granted permissions. */
  readonly permissions: readonly string[];
  /** Keys of its entry in the config file, without the permissions. */
  readonly settings: readonly string[];
  /** Number of its stored values. */
  readonly values: number;
}

/** A plugin that would be installed, for the person who has to agree. */
export interface PluginPreview {
  /** Id of the plugin. */
  readonly id: string;
  /** Name for people. */
  readonly name: string;
  /** Version in its manifest. */
  readonly version: string;
  /** Text for people. */
  readonly description: string;
  /** Permissions that it requests. */
  readonly permissions: readonly PluginPermission[];
  /** Version that is installed; null: none. */
  readonly replaces: string | null;
  /** Permissions of which it requests more than was agreed to before; all of them for a new plugin. */
  readonly widens: readonly string[];
  /** Inheritance. If not null, the install has to say whether the plugin gets it. */
  readonly inherits: PluginInherits | null;
  /** Isolation; null if not known. */
  readonly level: PluginLevel | null;
  /** Why it could not run here; null if it could. */
  readonly problem: PluginProblem | null;
  /** Digest to send with the consent: what was previewed is what is installed. */
  readonly digest: string;
}

/** A line of a plugin's log. */
export interface PluginLogLine {
  /** Number of the line. */
  readonly n: number;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** Source of the line. `gateway`: a message of the gateway about the plugin. */
  readonly stream: 'stdout' | 'stderr' | 'gateway';
  /** The line, cut to its maximum length. */
  readonly text: string;
}

/** Lines of a plugin's log. */
export interface PluginLog {
  /** Oldest first. */
  readonly lines: readonly PluginLogLine[];
  /** The `after` of the next request. */
  readonly next: number;
}

/** A call that was allowed or denied to a plugin, or an action of a person on it. */
export interface PluginAuditEntry {
  /** Unix time in milliseconds. */
  readonly at: number;
  /** Id of the plugin. */
  readonly plugin: string;
  /** The permission; or `install`, `remove`, `grant`, `revoke`, `start`, `stop`. */
  readonly what: string;
  /** Decision of the gateway; `done` for an action of a person. */
  readonly outcome: 'allowed' | 'denied' | 'malformed' | 'done';
  /** Subject of the call. */
  readonly target: string;
  /** Number of equal entries within one second. */
  readonly count: number;
  /** Token of the person; null for the plugin itself and the config file. */
  readonly by: string | null;
}

/** A notice of a plugin. */
export interface PluginNotice {
  /** Number of the notice. It grows, also over restarts of the gateway. */
  readonly n: number;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** Id of the plugin. */
  readonly plugin: string;
  /** One line. */
  readonly title: string;
  /** Plain text, which may be empty. */
  readonly text: string;
}

/** Notices, oldest first. */
export interface NoticeList {
  /** At most 200, which the gateway keeps until it restarts. */
  readonly notices: readonly PluginNotice[];
  /** The `after` of the next request. */
  readonly next: number;
}
