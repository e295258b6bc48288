// Schemas of the config file.

import type { Visibility } from '@binnacle/protocol';
import { z } from 'zod';
import { isPublicUrl } from '../access/public-url.ts';
import { OWN_DRIVERS } from '../plugins/grant/permissions.ts';
import type { Binding, RoutingConfig } from '../routing/index.ts';
import { type NotifySettings, NotifyShape } from './notification-settings.ts';
import { type PluginSettings, PluginsShape } from './plugin-settings.ts';

export type OwnDriver = (typeof OWN_DRIVERS)[number];
/** A plugin id before the slash: a driver of that plugin. Its existence is checked at use. */
export type DriverName = OwnDriver | `${string}/${string}`;

const PLUGIN_DRIVER = /^[a-z][a-z0-9-]{0,63}\/[a-z][a-z0-9-]{0,31}$/;
const isDriver = (name: string): name is DriverName =>
  (OWN_DRIVERS as readonly string[]).includes(name) || PLUGIN_DRIVER.test(name);

/** Settings that a driver requires. The others have a default, or need nothing. */
export const NEEDS: Readonly<Partial<Record<string, 'command' | 'url'>>> = {
  acp: 'command',
  command: 'command',
  openai: 'url',
};

/** One agent as in force, with the values of `defaults` filled in. */
export interface AgentConfig {
  readonly id: string;
  readonly driver: DriverName;
  /** The program and its arguments; each driver has a default. */
  readonly command?: readonly string[];
  /** Default: the home directory. */
  readonly cwd?: string;
  /** Added to the allow-listed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** HTTP drivers: the address before `/chat/completions`. */
  readonly url?: string;
  readonly model?: string;
  /** Name of an environment variable of the gateway, never the key itself. */
  readonly apiKeyEnv?: string;
  /** HTTP drivers: whether the tools of plugins are offered. Default true. */
  readonly tools?: boolean;
  /** Put before the first message, if the protocol has a place for it. */
  readonly instructions?: string;
  /** Timeout of a run. */
  readonly timeoutMs?: number;
  /** Timeout after which a request for approval is denied. */
  readonly approvalTimeoutMs?: number;
  /** Timeout of a run without output and without a tool. */
  readonly silenceMs?: number;
  /** Visibility of conversations that a channel begins. */
  readonly visibility?: Visibility;
}

export interface ConfigFile {
  /** Agents by id, in the order of the file. */
  readonly agents: ReadonlyMap<string, AgentConfig>;
  /** The agent for messages that name none; undefined if the file does not determine it. */
  readonly defaultAgent: string | undefined;
  /** The valid bindings. */
  readonly bindings: readonly Binding[];
  readonly session: NonNullable<RoutingConfig['session']>;
  readonly inbound: {
    /** Allowed prefixes of the addresses to which replies are posted. Default: none. */
    readonly replies?: readonly string[] | undefined;
  };
  /** External address of the gateway; `serve --public-url` takes precedence. */
  readonly publicUrl: string | undefined;
  /** Targets of notifications. */
  readonly notify: NotifySettings;
  /** Settings by plugin id. A plugin that is not in the map has no grants. */
  readonly plugins: ReadonlyMap<string, PluginSettings>;
}

/** Maximum timeout, a day: a run or a request that waits longer is forgotten, not patient. */
const MAX_WAIT_MS = 24 * 3600_000;
const Millis = z.int().min(1).max(MAX_WAIT_MS);
const Text = z.string().min(1);
/** Maximum bytes of instructions. They are sent together with a message, and stored with it as one log entry. */
const MAX_INSTRUCTIONS_BYTES = 64 * 1024;
const isSendable = (text: string): boolean =>
  Buffer.byteLength(JSON.stringify(JSON.stringify(text))) <= MAX_INSTRUCTIONS_BYTES;

const Seen = z.union([
  z.enum(['private', 'everyone']).transform((kind): Visibility => ({ kind })),
  z.strictObject({ kind: z.enum(['private', 'everyone']) }),
  z.strictObject({ kind: z.literal('shared'), with: z.array(Text) }),
]);

const AGENT_FIELDS = {
  command: z.array(z.string()).min(1).optional(),
  cwd: Text.optional(),
  env: z.record(Text, z.string()).optional(),
  url: z.url({ protocol: /^https?$/ }).optional(),
  model: Text.optional(),
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
    .optional(),
  tools: z.boolean().optional(),
  instructions: z.string().refine(isSendable, 'at most 64 KiB, as JSON in JSON').optional(),
  timeoutMs: Millis.optional(),
  approvalTimeoutMs: Millis.optional(),
  silenceMs: Millis.optional(),
  visibility: Seen.optional(),
};

const Driver = z
  .string()
  .refine(isDriver, `expected one of ${[...OWN_DRIVERS, '<plugin>/<driver>'].map((name) => `"${name}"`).join('|')}`)
  .transform((name) => name as DriverName);
const Entry = z.strictObject({ default: z.boolean().optional(), driver: Driver.optional(), ...AGENT_FIELDS });

const DmScope = z.enum(['main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer']);
const GroupScope = z.enum(['main', 'per-group']);

/** Schema of the whole file except the bindings, which are validated one by one. */
export const FileShape = z.strictObject({
  $schema: z.string().optional(),
  agents: z
    .strictObject({
      defaults: z
        .strictObject({
          driver: Driver.optional(),
          ...AGENT_FIELDS,
          systemAgent: z.strictObject({ agentId: Text.optional() }).optional(),
        })
        .optional(),
      ownership: z.literal('explicit').optional(),
      entries: z.record(Text, Entry).optional(),
      list: z.array(Entry.extend({ id: Text })).optional(),
    })
    .optional(),
  bindings: z.array(z.unknown()).optional(),
  session: z
    .strictObject({
      dmScope: DmScope.optional(),
      groupScope: GroupScope.optional(),
      mainKey: Text.optional(),
      identityLinks: z.record(Text, z.array(Text)).optional(),
    })
    .optional(),
  inbound: z.strictObject({ replies: z.array(z.url({ protocol: /^https?$/ })).optional() }).optional(),
  publicUrl: z.string().refine(isPublicUrl, 'expected a URL such as https://box.example.org:8443/binnacle/').optional(),
  notify: NotifyShape.optional(),
  plugins: PluginsShape.optional(),
});
export type FileContent = z.output<typeof FileShape>;

/** Schema of an id. A JSON number beyond 2^53 would already be another number here. */
const Id = z.union([z.string(), z.int('a whole number below 2^53; put longer ids into quotes')]);
const PeerShape = z.object({ kind: z.string(), id: Id });

/** Schema of a binding. Unknown keys are removed, and reported by a later comparison: there may be one per binding. */
export const BindingShape = z.object({
  type: z.string().nullish(),
  agentId: Text,
  comment: z.string().optional(),
  match: z.object({
    channel: z.string(),
    accountId: z.string().nullish(),
    peer: PeerShape.nullish(),
    guildId: Id.nullish(),
    teamId: Id.nullish(),
    roles: z.array(z.string()).nullish(),
  }),
  session: z.object({ dmScope: DmScope.nullish(), groupScope: GroupScope.nullish() }).nullish(),
});
