// The table of all permissions. The config file, the checks, the errors, the manifest and the docs derive from it, so
// that nothing can be required that cannot be granted.

import { z } from 'zod';
import { ALL_KEYS, type ConfigAccess, coversKey, type KeyPath, readKeyItem, spellKeyItem } from './config-keys.ts';
import { coversHost, type HostItem, readHostItem, spellHostItem } from './hosts.ts';
import { readProgramItem } from './programs.ts';

/** A way to grant less than `true`: an object with one key and a list of items. */
export interface Narrowing {
  readonly key: 'commands' | 'keys' | 'hosts' | 'on' | 'names';
  /** Description of an item, for people. */
  readonly items: string;
  readonly example: string;
  /** Schema of the object, strict; makes the items canonical. */
  readonly shape: z.ZodType<{ readonly [key: string]: readonly string[] }>;
  /** The item that equals `true`, if there is one. */
  readonly all?: string;
  /** Returns whether `granted` includes all of `requested`. Both in canonical form. */
  covers(granted: string, requested: string): boolean;
}

export interface Permission {
  /** Text after "This plugin can", for the person who gives consent. */
  readonly sentence: string;
  /** Effect of its calls, and what they never do. */
  readonly lets: string;
  readonly narrowing: Narrowing | null;
}

export const HOOKS = [
  'beforeRun',
  'afterRun',
  'beforeToolCall',
  'afterToolCall',
  'beforeInbound',
  'afterInbound',
  'beforeInput',
  'afterInput',
  'sessionEnd',
  'agentWaits',
] as const;
export type HookName = (typeof HOOKS)[number];

export const MAX_ITEMS = 200;
const MAX_ITEM_CHARS = 512;

type ReadItem = (text: string) => { readonly item: string } | string;

function narrowing(
  key: Narrowing['key'],
  items: string,
  example: string,
  read: ReadItem,
  more: Partial<Pick<Narrowing, 'all' | 'covers'>> = {},
): Narrowing {
  const item = z
    .string('an item is a text')
    .min(1, 'an item is not empty')
    .max(MAX_ITEM_CHARS, `an item has at most ${MAX_ITEM_CHARS} characters`)
    .transform((text, ctx): string => {
      const result = read(text);
      if (typeof result !== 'string') return result.item;
      ctx.addIssue({ code: 'custom', message: `${JSON.stringify(text)}: ${result}` });
      return z.NEVER;
    });
  const list = z
    .array(item, 'it is a list of texts')
    .max(MAX_ITEMS, `at most ${MAX_ITEMS} items`)
    .transform((list) => [...new Set(list)]);
  return {
    key,
    items,
    example,
    shape: z.strictObject({ [key]: list }),
    covers: (granted, requested) => granted === requested,
    ...more,
  };
}

const named = (items: string, example: string, pattern: RegExp, closed: readonly string[] = []): Narrowing =>
  narrowing('names', items, example, (text) => {
    if (!pattern.test(text)) return 'that is no such name';
    return closed.includes(text) ? 'that name is taken' : { item: text };
  });

const keys = (doing: ConfigAccess, example: string): Narrowing =>
  narrowing(
    'keys',
    `keys of the config file, with what is below them; \`*\` stands for any one name, and alone for what \`true\` opens`,
    example,
    (text) => {
      const read = readKeyItem(text, doing);
      return typeof read === 'string' ? read : { item: spellKeyItem(read) };
    },
    { all: ALL_KEYS, covers: (granted, requested) => coversKey(keyOf(granted, doing), keyOf(requested, doing), doing) },
  );

/** Parses an item that the schema above made, and that is therefore valid. */
function keyOf(item: string, doing: ConfigAccess): KeyPath {
  const read = readKeyItem(item, doing);
  return typeof read === 'string' ? ['-'] : read;
}

function hostOf(item: string): HostItem {
  const read = readHostItem(item);
  return typeof read === 'string' ? { isWild: false, host: '-', port: 0 } : read;
}

export const TOOL_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
export const COMMAND_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
export const CHANNEL_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
export const DRIVER_NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** Reserved names: session keys of people begin with these. */
export const NO_CHANNELS = ['user', 'chat', 'direct', 'main'];
/** Names of built-in drivers, which the config file accepts and no plugin may take. This is the only list of them. */
export const OWN_DRIVERS = ['echo', 'command', 'claude-code', 'codex', 'acp', 'openai'] as const;

export const PERMISSIONS = {
  runCommandWithTimeout: {
    sentence: 'run programs on this machine, as the user that Binnacle runs as',
    lets: 'Starts a program by its argv, without a shell, and with the environment of other programs here. At the deadline, the program and its processes are ended. A list names programs, not what they do: many programs start others because of their arguments or of files.',
    narrowing: narrowing('commands', 'names of programs, or absolute paths', 'git', readProgramItem),
  },
  writeConfigFile: {
    sentence: 'change settings in the config file',
    lets: 'Sets one key. `true` allows models and time limits. Instructions, routing and bindings need their keys in a list. Programs, their environment, permissions and plugins are never allowed.',
    narrowing: keys('write', 'agents.entries.*.model'),
  },
  readConfigFile: {
    sentence: 'read settings from the config file',
    lets: 'Reads keys. Commands and addresses of agents need their keys in a list. Environments and settings of plugins are never readable.',
    narrowing: keys('read', 'agents.entries'),
  },
  net: {
    sentence: 'send requests to the internet',
    lets: 'The gateway fetches http and https for the plugin, which has no network of its own. An item without a port means the port of the scheme. Private addresses and addresses of this machine need an item with address and port. Metadata services, link-local and reserved addresses are never allowed.',
    narrowing: narrowing(
      'hosts',
      '`NAME`, `NAME:PORT`, `*.NAME` (below it, not itself), addresses (`[…]` for IPv6), `*` for any public host',
      'api.example.com',
      (text) => {
        const read = readHostItem(text);
        return typeof read === 'string' ? read : { item: spellHostItem(read) };
      },
      { all: '*', covers: (granted, requested) => coversHost(hostOf(granted), hostOf(requested)) },
    ),
  },
  tools: {
    sentence: 'offer tools to agents',
    lets: 'Its tools are listed over MCP and to drivers. An agent decides when to call them.',
    narrowing: named('names of tools', 'lookup', TOOL_NAME),
  },
  hooks: {
    sentence: 'see events of runs and sessions, and veto them',
    lets: 'Is called before and after events, with their content. A handler that is called before an event may veto it with a reason.',
    narrowing: narrowing('on', `\`${HOOKS.join('`, `')}\``, 'afterRun', (text) =>
      (HOOKS as readonly string[]).includes(text)
        ? { item: text }
        : `there is no such hook; one of ${HOOKS.join(', ')}`,
    ),
  },
  httpRoutes: {
    sentence: 'answer HTTP requests under /plugins/ and its id',
    lets: 'The gateway takes the request, with a body of limited size, and sets the headers of the answer; cookies reach the plugin in neither direction.',
    narrowing: null,
  },
  commands: {
    sentence: 'add commands to the chat',
    lets: 'A message that begins with / and the name goes to the plugin instead of the agent.',
    narrowing: named('names of commands, without the /', 'deploy', COMMAND_NAME),
  },
  channels: {
    sentence: 'bring messages from elsewhere to agents, and carry the answers back',
    lets: 'Sends inbound messages of its channels, which the bindings route, and receives the replies.',
    narrowing: named('names of channels', 'webhook', CHANNEL_NAME, NO_CHANNELS),
  },
  agentDrivers: {
    sentence: 'be the connection to agents',
    lets: 'Agents in the config file can name its drivers. A driver sees all messages to such an agent, and answers for it.',
    narrowing: named('names of drivers', 'my-agent', DRIVER_NAME, OWN_DRIVERS),
  },
  schedule: {
    sentence: 'do something at certain times',
    lets: 'Is called at intervals of a minute or more while it is enabled.',
    narrowing: null,
  },
  notify: {
    sentence: 'show notifications to the people who use this gateway',
    lets: 'Sends a title and a text, which are shown as text.',
    narrowing: null,
  },
  readSessions: {
    sentence: 'see the sessions and what their programs print',
    lets: 'Lists sessions and reads their output: all that people see here, whoever started them. Sessions of conversations need readConversations, too. Cannot type.',
    narrowing: null,
  },
  readConversations: {
    sentence: 'read the conversations with agents',
    lets: 'Lists conversations and reads their messages, including those that only their owner sees. Cannot send messages.',
    narrowing: null,
  },
  storage: {
    sentence: 'keep data of its own on this machine',
    lets: 'Keeps values by key, of limited size, apart from those of other plugins.',
    narrowing: null,
  },
} as const satisfies Record<string, Permission>;

export type PermissionName = keyof typeof PERMISSIONS;

export const PERMISSION_NAMES = Object.keys(PERMISSIONS) as PermissionName[];

export const isPermission = (text: string): text is PermissionName => Object.hasOwn(PERMISSIONS, text);

export const permission = (name: PermissionName): Permission => PERMISSIONS[name];

/** Returns the key of the config file that grants a permission. */
export const configKey = (plugin: string, name: PermissionName): string =>
  `plugins.entries.${plugin}.permissions.${name}`;
