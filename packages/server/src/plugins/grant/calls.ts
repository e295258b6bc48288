// What a plugin asks for, by permission: its arguments as a schema, in the one spelling that is compared and then executed,
// and what of a grant opens it. Executes nothing.

import { posix } from 'node:path';
import { z } from 'zod';
import {
  ALL_KEYS,
  canBeOpened,
  type Doing,
  type KeyPath,
  opensKey,
  opensSome,
  readKey,
  readKeyItem,
  spellKeyItem,
} from './config-keys.ts';
import { type Fetch, placeOf, readFetch } from './fetch-call.ts';
import type { Grant } from './grants.ts';
import { type HostItem, itemFor, type Place, reaches, readHostItem, spellHostItem } from './hosts.ts';
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

/** What must be looked up to judge a call. */
export interface World {
  /** The file that a bare name starts; undefined where there is none. See `programFinder`. */
  find(name: string): string | undefined;
  /** All addresses of this machine, as `canonicalAddress` spells them. */
  own(): ReadonlySet<string>;
}

/** More than denied. */
export type Held = Exclude<Grant, { readonly kind: 'denied' }>;

/** `never`: why nothing opens it. */
export type Opener = { readonly item: string } | { readonly never: string } | 'whole';

export interface Rule<Call> {
  readonly args: z.ZodType<Call>;
  /** Of the arguments those that `target` and `opener` need: of what is denied, nothing else is read. */
  readonly about: readonly string[];
  /** It is granted as a whole, or not. */
  readonly isWhole: boolean;
  /** Looks up once what is both judged and executed. */
  settle?(call: Call, world: World): Call;
  /** For the audit: what it is about, never what is sent. */
  target(call: Call): string;
  opens(held: Held, call: Call, world: World): boolean;
  /** What a grant would have to say. */
  opener(call: Call, world: World): Opener;
}

export interface RunCall {
  /** As it was asked for, in its one spelling: what a grant names. */
  readonly program: string;
  /** What is started; '' where there is no such program. */
  readonly file: string;
  /** Its first is the file: what a program is called by its caller can change what it does. */
  readonly argv: readonly string[];
  /** Absolute. Undefined: where the caller starts programs. */
  readonly cwd: string | undefined;
  readonly timeoutMs: number;
  readonly stdin: string;
}
export interface WriteCall {
  readonly path: KeyPath;
  /** JSON. Undefined: take the key away. */
  readonly value: unknown;
}
/** What stands there is handed out through `Gate.pick`, which leaves out what is closed. */
export interface ReadCall {
  readonly path: KeyPath;
}
export interface NameCall {
  readonly name: string;
}

const MAX_ARGS = 1024;
/** Linux takes at most 128 KiB in one argument, with the NUL behind it. */
const MAX_ARG_BYTES = 128 * 1024 - 1;
const MAX_TEXT_BYTES = 1024 * 1024;
export const MAX_TIMEOUT_MS = 10 * 60_000;
export const DEFAULT_TIMEOUT_MS = 30_000;

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'no NUL bytes')
    // Half a character becomes another one on its way to the kernel.
    .refine((value) => value.isWellFormed(), 'whole characters only');
const matching = (pattern: RegExp, what: string) => z.string().regex(pattern, what);

const RunArgs = z
  .strictObject({
    // Counted before each is looked at.
    argv: z
      .array(z.unknown())
      .min(1)
      .max(MAX_ARGS)
      .pipe(z.array(text(MAX_ARG_BYTES))),
    cwd: text(4096)
      .refine((path) => posix.isAbsolute(path), 'an absolute path')
      .transform((path) => posix.normalize(path))
      .optional(),
    timeoutMs: z.int().min(1).max(MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS),
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

/** A copy, so that nobody changes it behind the check. */
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

/** No dot first, so that no part of a path means another. */
const SEGMENTS = /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/;
/** The beginning of such a key, wherever it is cut. */
const PREFIX = /^(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*\/?)?$/;
const ROUTE = /^\/(?::?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/:?[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)?$/;
const SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9._:@+=,~-]{0,199}$/;
/** Line feeds aside, nothing that a terminal obeys or that turns the direction of a text. */
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
    opens: (held, call, world) => held.kind === 'all' || held.items.some((item) => isSameProgram(item, call, world)),
    opener: ({ program }) => (typeof readProgramItem(program) === 'string' ? 'whole' : { item: program }),
  } satisfies Rule<RunCall>,
  writeConfigFile: {
    args: z
      .strictObject({ key: Key, value: Json.optional() })
      .transform(({ key, value }): WriteCall => ({ path: key, value })),
    about: ['key'],
    isWhole: false,
    target: ({ path }) => path.join('.'),
    opens: (held, { path }) => opensKey(keysOf(held, 'write'), path, 'write'),
    opener: ({ path }) => keyOpener(path, 'write'),
  } satisfies Rule<WriteCall>,
  readConfigFile: {
    args: z.strictObject({ key: Key }).transform(({ key }): ReadCall => ({ path: key })),
    about: ['key'],
    isWhole: false,
    target: ({ path }) => path.join('.'),
    opens: (held, { path }) => opensKey(keysOf(held, 'read'), path, 'read') || opensSome(keysOf(held, 'read'), path),
    opener: ({ path }) => keyOpener(path, 'read'),
  } satisfies Rule<ReadCall>,
  net: {
    args: readFetch,
    about: ['url', 'method'],
    isWhole: false,
    target: (call) => `${call.method} ${new URL(call.url).origin}`,
    opens: (held, call, world) => hostsOf(held).some((item) => reaches(item, placeOf(call), world.own())),
    opener: (call) => hostOpener(placeOf(call)),
  } satisfies Rule<Fetch>,
  tools: nameRule(TOOL_NAME),
  hooks: {
    args: z.strictObject({ on: z.enum(HOOKS) }),
    about: ['on'],
    isWhole: false,
    target: ({ on }) => on,
    opens: (held, { on }) => held.kind === 'all' || held.items.includes(on),
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
  // What it says may be private.
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
/** What is executed, by permission. */
export type CallOf<Name extends PermissionName> = z.output<Rules[Name]['args']>;

/** Typed by name is of no use where the name comes over a wire. */
export const ruleOf = (name: PermissionName): Rule<unknown> => RULES[name] as unknown as Rule<unknown>;

function nameRule(pattern: RegExp, closed: readonly string[] = []): Rule<NameCall> {
  const name = matching(pattern, 'a name').refine((text) => !closed.includes(text.toLowerCase()), 'that name is taken');
  return {
    args: z.strictObject({ name }),
    about: ['name'],
    isWhole: false,
    target: ({ name }) => name,
    opens: (held, { name }) => held.kind === 'all' || held.items.includes(name),
    opener: ({ name }) => ({ item: name }),
  };
}

function wholeRule<Call>(args: z.ZodType<Call>, about: readonly string[], target: (call: Call) => string): Rule<Call> {
  return { args, about, isWhole: true, target, opens: (held) => held.kind === 'all', opener: () => 'whole' };
}

/** A name and the file that it starts are the same program; two names of one file are not. */
function isSameProgram(item: string, { program, file }: RunCall, world: World): boolean {
  return item === program || (file !== '' && fileOf(item, world) === file);
}

const fileOf = (program: string, world: World): string | undefined =>
  program.includes('/') ? program : world.find(program);

/** As items, so that there is one way to judge. */
export function keysOf(held: Held, doing: Doing): KeyPath[] {
  const items = held.kind === 'all' ? [ALL_KEYS] : held.items;
  return items.map((item) => readKeyItem(item, doing)).filter((path) => typeof path !== 'string');
}

export function hostsOf(held: Held): HostItem[] {
  const items = held.kind === 'all' ? ['*'] : held.items;
  return items.map(readHostItem).filter((item) => typeof item !== 'string');
}

function keyOpener(path: KeyPath, doing: Doing): Opener {
  if (doing === 'read' && opensSome([[]], path)) return { item: spellKeyItem(path) };
  return canBeOpened(path, doing)
    ? { item: spellKeyItem(path) }
    : { never: `no plugin may ${doing} ${path.join('.')}` };
}

export function hostOpener(place: Place): Opener {
  const item = itemFor(place);
  return typeof item === 'string' ? { never: item } : { item: spellHostItem(item) };
}
