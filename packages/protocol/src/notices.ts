// What plugins have to say to the people who use a gateway.

export interface PluginNotice {
  /** Counts up, also over a restart of the gateway. */
  readonly n: number;
  /** Ms since 1970. */
  readonly at: number;
  /** The id of the plugin that says it. */
  readonly plugin: string;
  /** One line. */
  readonly title: string;
  /** May be ''. Plain text, whatever it looks like. */
  readonly text: string;
}

export interface NoticeList {
  /** Oldest first. The last 200 are kept until the gateway is restarted. */
  readonly notices: readonly PluginNotice[];
  /** To read on from, as `after`. */
  readonly next: number;
}
