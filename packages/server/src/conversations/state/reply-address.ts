// Where an answer goes that a plugin carries, as the one text that is kept of it. Never passed in from outside.

export interface PluginReply {
  readonly plugin: string;
  readonly channel: string;
  /** The plugin's own words for where. */
  readonly to: string;
}

const SCHEME = 'plugin:';

export const addressOf = ({ plugin, channel, to }: PluginReply): string =>
  `${SCHEME}${JSON.stringify({ plugin, channel, to })}`;

/** Undefined: it is one that we post to. */
export const pluginReplyOf = (address: string): PluginReply | undefined =>
  address.startsWith(SCHEME) ? (JSON.parse(address.slice(SCHEME.length)) as PluginReply) : undefined;
