// What a config file may say, as schemas. Knows no file and no line.

import type { Visibility } from '@binnacle/protocol';
import { z } from 'zod';
import { isPublicUrl } from '../access/public-url.ts';
import type { Binding, RoutingConfig } from '../routing/index.ts';
import { type NotifySettings, NotifyShape } from './notification-settings.ts';
import { type PluginSettings, PluginsShape } from './plugin-settings.ts';

export const DRIVERS = ['echo', 'command', 'claude-code', 'codex', 'acp', 'openai'] as const;
export type OwnDriver = (typeof DRIVERS)[number];
/** Behind the id of a plugin: that one's. Whether there is such a one is known when it is used. */
export type DriverName = OwnDriver | `${string}/${string}`;

const PLUGIN_DRIVER = /^[a-z][a-z0-9-]{0,63}\/[a-z][a-z0-9-]{0,31}$/;
const isDriver = (name: string): name is DriverName =>
  (DRIVERS as readonly string[]).includes(name) || PLUGIN_DRIVER.test(name);

/** What a driver cannot do without. Others have a default, or need nothing. */
export const NEEDS: Readonly<Partial<Record<string, 'command' | 'url'>>> = {
  acp: 'command',
  command: 'command',
  openai: 'url',
};

/** One agent as it is in force: what `defaults` says is filled in. */
export interface AgentConfig {
  readonly id: string;
  readonly driver: DriverName;
  /** The program and its arguments; each driver has a default. */
  readonly command?: readonly string[];
  /** Default: the home directory. */
  readonly cwd?: string;
  /** Added to the allow-listed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of an HTTP driver: the address that `/chat/completions` is put behind. */
  readonly url?: string;
  readonly model?: string;
  /** The name of a variable of ours, never the key itself. */
  readonly apiKeyEnv?: string;
  /** Of an HTTP driver: whether plugins' tools are offered to it. Default true. */
  readonly tools?: boolean;
  /** Put before the first message, where the protocol has a place for it. */
  readonly instructions?: string;
  /** Of a run. */
  readonly timeoutMs?: number;
  /** After which a request for approval is denied. */
  readonly approvalTimeoutMs?: number;
  /** After so long without a word and without a tool a run ends. */
  readonly silenceMs?: number;
  /** Of conversations that a channel begins. */
  readonly visibility?: Visibility;
}

export interface ConfigFile {
  /** By id, in the order of the file. */
  readonly agents: ReadonlyMap<string, AgentConfig>;
  /** Who gets what names no agent; undefined where the file does not say. */
  readonly defaultAgent: string | undefined;
  /** Those that hold. */
  readonly bindings: readonly Binding[];
  readonly session: NonNullable<RoutingConfig['session']>;
  readonly inbound: {
    /** What the addresses that answers are posted to may begin with. Default: none. */
    readonly replies?: readonly string[] | undefined;
  };
  /** Address by which others reach the gateway; `serve --public-url` wins. */
  readonly publicUrl: string | undefined;
  /** Whom to tell that something waits. */
  readonly notify: NotifySettings;
  /** By id. What is not in it is granted nothing. */
  readonly plugins: ReadonlyMap<string, PluginSettings>;
}

/** A day: a run or a request that waits longer is forgotten, not patient. */
const MAX_WAIT_MS = 24 * 3600_000;
const Millis = z.int().min(1).max(MAX_WAIT_MS);
const Text = z.string().min(1);
/** They are sent together with a message, and kept as one entry of a log with it. */
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
  .refine(isDriver, `expected one of ${[...DRIVERS, '<plugin>/<driver>'].map((name) => `"${name}"`).join('|')}`)
  .transform((name) => name as DriverName);
const Entry = z.strictObject({ default: z.boolean().optional(), driver: Driver.optional(), ...AGENT_FIELDS });

const DmScope = z.enum(['main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer']);
const GroupScope = z.enum(['main', 'per-group']);

/** Everything but the bindings, which are looked at one by one. */
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

/** A number in JSON beyond 2^53 has become another number when we see it. */
const Id = z.union([z.string(), z.int('a whole number below 2^53; put longer ids into quotes')]);
const PeerShape = z.object({ kind: z.string(), id: Id });

/** Unknown keys are taken away, and told by whoever compares: there may be as many as bindings. */
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
