// The rules for calls of plugins, by permission: the schema of the arguments, in the canonical form that is both judged
// and executed, and the part of a grant that allows the call. Executes nothing.

import { posix } from 'node:path';
import { z } from 'zod';
import {
  ALL_KEYS,
  type ConfigAccess,
  canBeOpened,
  type KeyPath,
  opensKey,
  opensSome,
  readKey,
  readKeyItem,
  spellKeyItem,
} from './config-keys.ts';
import { endpointOf, type Fetch, readFetch } from './fetch-call.ts';
import type { Grant } from './grants.ts';
import { type Endpoint, type HostItem, itemFor, reaches, readHostItem, spellHostItem } from './hosts.ts';
import {
  CHANNEL_NAME,
  COMMAND_NAME,
  DRIVER_NAME,
  HOOKS,
  type HookName,
  NO_CHANNELS,
  OWN_DRIVERS,
  type PermissionName,
  TOOL_NAME,
} from './permissions.ts';
import { canonicalProgram, readProgramItem } from './programs.ts';

/** Facts about the machine that a rule needs. */
export interface MachineFacts {
  /** Returns the file that a bare name starts; undefined if there is none. See `programFinder`. */
  find(name: string): string | undefined;
  /** Returns all addresses of this machine, in the form of `canonicalAddress`. */
  own(): ReadonlySet<string>;
}

/** A grant that is not denied. */
export type OpenGrant = Exclude<Grant, { readonly kind: 'denied' }>;

/** The item of a grant that would allow a call. `never`: the reason why no grant does. */
export type Opener = { readonly item: string } | { readonly never: string } | 'whole';

export interface Rule<Call> {
  readonly args: z.ZodType<Call>;
  /** Names of the arguments that `target` and `opener` need. A denied call is parsed no further. */
  readonly about: readonly string[];
  /** True if the permission is granted as a whole or not at all. */
  readonly isWhole: boolean;
  /** Resolves once what is both judged and executed. */
  settle?(call: Call, world: MachineFacts): Call;
  /** Returns the subject of a call for the audit, never its content. */
  target(call: Call): string;
  opens(grant: OpenGrant, call: Call, world: MachineFacts): boolean;
  /** Returns the item that a grant would need. */
  opener(call: Call, world: MachineFacts): Opener;
}

export interface RunCall {
  /** The requested program in its canonical form, to which grants refer. */
  readonly program: string;
  /** The file to start; '' if there is no such program. */
  readonly file: string;
  /** The first item is the file, because the name in argv[0] can change a program's behaviour. */
  readonly argv: readonly string[];
  /** Absolute path. Undefined: the default directory of the executor. */
  readonly cwd: string | undefined;
  readonly timeoutMs: number;
  readonly stdin: string;
}
export interface WriteCall {
  readonly path: KeyPath;
  /** JSON. Undefined: remove the key. */
  readonly value: unknown;
}
/** A read of a key. Pass the value through `Gate.pick`, which removes closed parts. */
export interface ReadCall {
  readonly path: KeyPath;
}
export interface NameCall {
  readonly name: string;
}

const MAX_ARGS = 1024;
/** Maximum bytes of an argument: Linux allows 128 KiB with the NUL at the end. */
const MAX_ARG_BYTES = 128 * 1024 - 1;
const MAX_TEXT_BYTES = 1024 * 1024;
export const MAX_COMMAND_TIMEOUT_MS = 10 * 60_000;
export const DEFAULT_COMMAND_TIMEOUT_MS = 30_000;

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'no NUL bytes')
    // A lone surrogate becomes another character on its way to the kernel.
    .refine((value) => value.isWellFormed(), 'whole characters only');
const matching = (pattern: RegExp, what: string) => z.string().regex(pattern, what);

const RunArgs = z
  .strictObject({
    // The count is checked before the items.
    argv: z
      .array(z.unknown())
      .min(1)
      .max(MAX_ARGS)
      .pipe(z.array(text(MAX_ARG_BYTES))),
    cwd: text(4096)
      .refine((path) => posix.isAbsolute(path), 'an absolute path')
      .transform((path) => posix.normalize(path))
      .optional(),
    timeoutMs: z.int().min(1).max(MAX_COMMAND_TIMEOUT_MS).default(DEFAULT_COMMAND_TIMEOUT_MS),
    stdin: z.string().max(MAX_TEXT_BYTES).default(''),
  })
  .transform(({ argv: [first = '', ...args], cwd, timeoutMs, stdin }, ctx): RunCall => {
    const program = canonicalProgram(first);
    if (program !== undefined) return { program, file: '', argv: ['', ...args], cwd, timeoutMs, stdin };
    ctx.addIssue({ code: 'custom', path: ['argv', 0], message: 'the name of a program, or an absolute path' });
    return z.NEVER;
  })
  .refine(
    ({ argv }) => argv.reduce((sum, arg) => sum + Buffer.byteLength(arg) + 1, 0) <= MAX_TEXT_BYTES,
    'at most 1 MiB',
  );

const KEY = 'a key such as agents.entries.main.model';
const Names = z
  .array(z.unknown())
  .max(16)
  .pipe(z.array(z.string().max(64)));
const Key = z.union([z.string().max(600), Names], KEY).transform((key, ctx): KeyPath => {
  const path = readKey(key);
  if (path !== undefined) return path;
  ctx.addIssue({ code: 'custom', message: KEY });
  return z.NEVER;
});

/** A copy, so that the value cannot change after the check. */
const Json = z.unknown().transform((value, ctx): unknown => {
  if (value === undefined) return undefined;
  try {
    const json = JSON.stringify(value);
    if (json.length > MAX_TEXT_BYTES) throw new Error('at most 1 MiB');
    return JSON.parse(json, (name, inner) => {
      if (name === '__proto__' || name === 'constructor' || name === 'prototype') throw new Error(`no key "${name}"`);
      return inner;
    });
  } catch (error) {
    ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'no JSON' });
    return z.NEVER;
  }
});

/** Pattern of a storage key. No segment begins with a dot, so that no part of a path has a special meaning. */
const SEGMENTS = /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/;
/** Pattern of the beginning of such a key, cut anywhere. */
const PREFIX = /^(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*\/?)?$/;
const ROUTE = /^\/(?::?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/:?[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)?$/;
const SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=,~-]{0,199}$/;
/** Control characters, except line feeds, that a terminal obeys or that change the direction of text. */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const shown = (max: number) =>
  text(max).refine((value) => !UNSEEN.test(value.replaceAll('\n', '')), 'no control characters');

export const RULES = {
  runCommandWithTimeout: {
    args: RunArgs,
    about: ['argv'],
    isWhole: false,
    settle: (call, world) => {
      const file = fileOf(call.program, world) ?? '';
      return { ...call, file, argv: [file, ...call.argv.slice(1)] };
    },
    target: ({ program }) => program,
    opens: (grant, call, world) => grant.kind === 'all' || grant.items.some((item) => isSameProgram(item, call, world)),
    opener: ({ program }) => (typeof readProgramItem(program) === 'string' ? 'whole' : { item: program }),
  } satisfies Rule<RunCall>,
  writeConfigFile: {
    args: z
      .strictObject({ key: Key, value: Json.optional() })
      .transform(({ key, value }): WriteCall => ({ path: key, value })),
    about: ['key'],
    isWhole: false,
    target: ({ path }) => path.join('.'),
    opens: (grant, { path }) => opensKey(keysOf(grant, 'write'), path, 'write'),
    opener: ({ path }) => keyOpener(path, 'write'),
  } satisfies Rule<WriteCall>,
  readConfigFile: {
    args: z.strictObject({ key: Key }).transform(({ key }): ReadCall => ({ path: key })),
    about: ['key'],
    isWhole: false,
    target: ({ path }) => path.join('.'),
    opens: (grant, { path }) => opensKey(keysOf(grant, 'read'), path, 'read') || opensSome(keysOf(grant, 'read'), path),
    opener: ({ path }) => keyOpener(path, 'read'),
  } satisfies Rule<ReadCall>,
  net: {
    args: readFetch,
    about: ['url', 'method'],
    isWhole: false,
    target: (call) => `${call.method} ${new URL(call.url).origin}`,
    opens: (grant, call, world) => hostsOf(grant).some((item) => reaches(item, endpointOf(call), world.own())),
    opener: (call) => hostOpener(endpointOf(call)),
  } satisfies Rule<Fetch>,
  tools: nameRule(TOOL_NAME),
  hooks: {
    args: z.strictObject({ on: z.enum(HOOKS) }),
    about: ['on'],
    isWhole: false,
    target: ({ on }) => on,
    opens: (grant, { on }) => grant.kind === 'all' || grant.items.includes(on),
    opener: ({ on }) => ({ item: on }),
  } satisfies Rule<{ readonly on: HookName }>,
  httpRoutes: wholeRule(
    z.strictObject({
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
      path: matching(ROUTE, 'a path such as /hook').max(200),
    }),
    ['method', 'path'],
    ({ method, path }) => `${method} ${path}`,
  ),
  commands: nameRule(COMMAND_NAME),
  channels: nameRule(CHANNEL_NAME, NO_CHANNELS),
  agentDrivers: nameRule(DRIVER_NAME, OWN_DRIVERS),
  schedule: wholeRule(z.strictObject({ name: matching(TOOL_NAME, 'a name') }), ['name'], ({ name }) => name),
  // The content may be private, so the audit has no target.
  notify: wholeRule(z.strictObject({ title: shown(200).min(1), text: shown(4000).default('') }), [], () => ''),
  readSessions: wholeRule(
    z.strictObject({ session: matching(SESSION_ID, 'the id of a session').optional() }),
    ['session'],
    ({ session }) => session ?? '',
  ),
  readConversations: wholeRule(
    z.strictObject({
      key: shown(512)
        .min(1)
        .refine((key) => !key.includes('\n'), 'one line')
        .optional(),
    }),
    ['key'],
    ({ key }) => key ?? '',
  ),
  storage: wholeRule(
    z.union([
      z.strictObject({ key: matching(SEGMENTS, 'a key such as seen/last').max(200) }),
      z.strictObject({ prefix: matching(PREFIX, 'the beginning of a key, such as seen/').max(200) }),
    ]),
    ['key', 'prefix'],
    (call) => ('key' in call ? call.key : `${call.prefix}*`),
  ),
} as const;

type Rules = typeof RULES;
/** The parsed call of a permission. */
export type CallOf<Name extends PermissionName> = z.output<Rules[Name]['args']>;

/** Returns the rule for a name from the wire, where the type of the call is unknown. */
export const ruleOf = (name: PermissionName): Rule<unknown> => RULES[name] as unknown as Rule<unknown>;

function nameRule(pattern: RegExp, closed: readonly string[] = []): Rule<NameCall> {
  const name = matching(pattern, 'a name').refine((text) => !closed.includes(text.toLowerCase()), 'that name is taken');
  return {
    args: z.strictObject({ name }),
    about: ['name'],
    isWhole: false,
    target: ({ name }) => name,
    opens: (grant, { name }) => grant.kind === 'all' || grant.items.includes(name),
    opener: ({ name }) => ({ item: name }),
  };
}

function wholeRule<Call>(args: z.ZodType<Call>, about: readonly string[], target: (call: Call) => string): Rule<Call> {
  return { args, about, isWhole: true, target, opens: (grant) => grant.kind === 'all', opener: () => 'whole' };
}

/**
 * Returns true if an item and a call name the same program: by its name, or by the file that the name starts. Two names
 * of one file are different programs.
 */
function isSameProgram(item: string, { program, file }: RunCall, world: MachineFacts): boolean {
  return item === program || (file !== '' && fileOf(item, world) === file);
}

const fileOf = (program: string, world: MachineFacts): string | undefined =>
  program.includes('/') ? program : world.find(program);

/** Returns the items of a grant. A whole grant becomes an item, so that there is only one way to judge. */
export function keysOf(grant: OpenGrant, doing: ConfigAccess): KeyPath[] {
  const items = grant.kind === 'all' ? [ALL_KEYS] : grant.items;
  return items.map((item) => readKeyItem(item, doing)).filter((path) => typeof path !== 'string');
}

export function hostsOf(grant: OpenGrant): HostItem[] {
  const items = grant.kind === 'all' ? ['*'] : grant.items;
  return items.map(readHostItem).filter((item) => typeof item !== 'string');
}

function keyOpener(path: KeyPath, doing: ConfigAccess): Opener {
  if (doing === 'read' && opensSome([[]], path)) return { item: spellKeyItem(path) };
  return canBeOpened(path, doing)
    ? { item: spellKeyItem(path) }
    : { never: `no plugin may ${doing} ${path.join('.')}` };
}

export function hostOpener(place: Endpoint): Opener {
  const item = itemFor(place);
  return typeof item === 'string' ? { never: item } : { item: spellHostItem(item) };
}
