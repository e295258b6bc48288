// Notices of plugins to the users of a gateway.

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
