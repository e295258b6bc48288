// Addresses of replies that a plugin delivers, in the text form that is stored. Never accepted from outside.

export interface PluginReply {
  readonly plugin: string;
  readonly channel: string;
  /** Target, in a format of the plugin. */
  readonly to: string;
}

const SCHEME = 'plugin:';

export const addressOf = ({ plugin, channel, to }: PluginReply): string =>
  `${SCHEME}${JSON.stringify({ plugin, channel, to })}`;

/** Returns the plugin's address; undefined for a URL that replies are posted to. */
export const pluginReplyOf = (address: string): PluginReply | undefined =>
  address.startsWith(SCHEME) ? (JSON.parse(address.slice(SCHEME.length)) as PluginReply) : undefined;
